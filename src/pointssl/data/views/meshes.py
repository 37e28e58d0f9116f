"""Many meshes with names: what views are rendered from, and checked before they are.

Names are those of the clouds in the data set that was drawn from the same meshes, because views and clouds are matched
by name. Read are folders of files (off, also with ModelNet's broken header, obj, ply, stl, glb), the mesh layouts of
named data sets, and archives `meshes.npz`: `vertices` and `faces` of all shapes end to end, shape i from
`vertex_offset[i]` and `face_offset[i]` on, and optionally `name`, `label`, `class_names`.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Int64

from pointssl.data.cloud import Points
from pointssl.data.files import readers
from pointssl.data.files.cloud import find_shift
from pointssl.data.files.isolation import apart
from pointssl.data.files.kinds import kind_of
from pointssl.data.files.readers import MESHES, read_surface
from pointssl.data.files.scan import Listing, scan
from pointssl.data.files.sets import integer_scale
from pointssl.data.store.dataset import is_store
from pointssl.errors import DataError

ARCHIVE = "meshes.npz"


class Mesh(NamedTuple):
    """Triangles over shared corners."""

    vertices: Points
    faces: Int64[np.ndarray, "f 3"]


@runtime_checkable
class MeshSet(Protocol):
    """A sequence of meshes, all splits together."""

    @property
    def name(self) -> str:
        """What to call it in tables."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of every mesh; equal to `Cloud.name` in the data set of clouds of the same shapes."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Class name of every mesh; empty texts where it has none."""

    def stamp(self) -> str:
        """What changes when the files do: their sizes and times."""

    def __len__(self) -> int: ...

    def mesh(self, index: int) -> Mesh:
        """Return one mesh, checked; raises `DataError` with its name where it cannot be rendered."""


@final
class PackedMeshes:
    """The meshes of an archive, all in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().parent.name if path.stem == "meshes" else path.stem
        keys = ("vertices", "faces", "vertex_offset", "face_offset")
        try:
            # Opened here: numpy leaves its own handle open where the archive is damaged.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if not set(keys) <= set(archive.files):
                    raise DataError(f"{path} holds {', '.join(archive.files)}; expected are {', '.join(keys)}")
                self._vertices, self._faces, self._start, self._first = (archive[key] for key in keys)
                count = len(self._start) - 1
                label = archive["label"].reshape(-1) if "label" in archive.files else None
                classes = [str(one) for one in archive["class_names"]] if "class_names" in archive.files else None
                names = archive["name"] if "name" in archive.files else [f"{self.name}/{row}" for row in range(count)]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read {path}: {error}; expected an .npz of plain arrays") from error
        self.names = tuple(str(one) for one in names)
        known = range(count) if label is None else label
        self.groups = tuple("" if label is None or classes is None else classes[int(one)] for one in known)
        self._scale = integer_scale(self._vertices)
        ends = (len(self._start) - 1, len(self._first) - 1, len(self.names), len(self.groups))
        if len(set(ends)) > 1 or self._start[-1] > len(self._vertices) or self._first[-1] > len(self._faces):
            raise DataError(f"{path} does not fit together: offsets, names and labels are of {ends} meshes")

    def stamp(self) -> str:
        """Size and time of the archive."""
        return stamp_of([self._path])

    def __len__(self) -> int:
        return len(self.names)

    def mesh(self, index: int) -> Mesh:
        """Return one mesh, its coordinates scaled as in the clouds' archives."""
        vertices = self._vertices[self._start[index] : self._start[index + 1]]
        faces = self._faces[self._first[index] : self._first[index + 1]]
        return checked(vertices * np.float32(self._scale), faces, self.names[index])

    def __reduce__(self) -> tuple[Callable[[Path], "PackedMeshes"], tuple[Path]]:
        """Travel to other processes as a path, and be read there once."""
        return _reopened, (self._path,)


@lru_cache(maxsize=1)
def _reopened(path: Path) -> PackedMeshes:
    return PackedMeshes(path)


@final
class MeshFiles:
    """Meshes that lie in a file each, read when they are asked for."""

    def __init__(self, paths: list[Path], names: list[str], groups: list[str], name: str) -> None:
        self.name, self.paths = name, tuple(paths)
        self.names, self.groups = tuple(names), tuple(groups)

    def stamp(self) -> str:
        """Names, sizes and times of the files."""
        return stamp_of(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def mesh(self, index: int) -> Mesh:
        """Read one mesh."""
        surface = apart(read_surface, self.paths[index])
        return checked(surface.vertices, surface.faces, str(self.paths[index]))


def open_meshes(path: str | Path) -> MeshSet | None:
    """Return the meshes at `path`, or None where there are clouds instead.

    A folder is one of meshes if its files are of kinds that hold meshes, and the first of each kind has faces.

    Raises:
        DataError: nothing there, or an archive that does not fit together.
    """
    path = Path(path)
    if (path / ARCHIVE).is_file():
        return PackedMeshes(path / ARCHIVE)
    if path.is_file() and path.suffix.lower() == ".npz":
        return PackedMeshes(path) if _holds_faces(path) else None
    if is_store(path):
        return None
    listing = scan(path)
    if not _all_meshes(listing):
        return None
    entries = listing.entries
    return MeshFiles(
        [entry.path for entry in entries],
        [entry.name for entry in entries],
        [entry.label or "" for entry in entries],
        listing.name,
    )


def _holds_faces(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "faces.npy" in archive.namelist()


def _all_meshes(listing: Listing) -> bool:
    kinds = {kind_of(entry.path): entry.path for entry in reversed(listing.entries)}
    if not set(kinds) <= set(MESHES):
        return False
    return ".ply" not in kinds or _has_faces(kinds[".ply"])


def _has_faces(path: Path) -> bool:
    try:
        readers.read_surface(path)
    except DataError:
        return False
    return True


def checked(vertices: np.ndarray, faces: np.ndarray, name: str) -> Mesh:
    """Return a mesh in its usual types, without the corners that no triangle uses.

    Raises:
        DataError: no faces, corners that are not there, NaN or infinite coordinates, or everything in one place.
    """
    faces = np.asarray(faces, dtype=np.int64)
    if len(faces) == 0:
        raise DataError(f"the mesh {name} has no faces; leave it out, or render its points")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(
            f"the mesh {name} has a face with corner {faces.max()}, but {len(vertices)} vertices; repair it"
        )
    used, faces = np.unique(faces, return_inverse=True)
    corners = np.asarray(vertices)[used]
    if not np.isfinite(corners).all():
        bad = int((~np.isfinite(corners).all(axis=1)).sum())
        raise DataError(f"the mesh {name} has {bad} vertices that are NaN or infinite; repair it or leave it out")
    shift = find_shift(corners)
    if shift is not None:
        corners = corners - shift
    if np.ptp(corners, axis=0).max() <= 0:
        raise DataError(f"the mesh {name} has all its vertices in one place; leave it out")
    return Mesh(np.ascontiguousarray(corners, dtype=np.float32), faces.reshape(-1, 3))


def stamp_of(paths: Iterable[Path]) -> str:
    """Return a digest of names, sizes and times of files."""
    told = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def unit_ball(points: Points) -> Points:
    """Move the middle of the bounding box to the origin and the farthest point to distance 1, as pictures show it."""
    centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
    return np.asarray(centred / np.linalg.norm(centred, axis=1).max().clip(np.finfo(np.float32).tiny), np.float32)
