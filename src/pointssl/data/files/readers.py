"""One reader for what people have: meshes, clouds, laser scans, tables, arrays and sets of many clouds.

`read_clouds(path)` returns everything in a file; `iterate_clouds` goes through a range of a large one, past clouds that
cannot be read; `describe` tells how many there are, and their names, classes, labels and splits, without reading
points; `explain` tells what each column was taken for. Whatever goes wrong inside a file is a `DataError` that names
the file and the reason.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pointssl.data.cloud import Cloud
from pointssl.data.files import meshes
from pointssl.data.files.chunks import read_large
from pointssl.data.files.cloud import make_cloud
from pointssl.data.files.columns import Meaning, Reading
from pointssl.data.files.kinds import NUSCENES, impostor, is_compressed, kind_of, name_of
from pointssl.data.files.lidar import e57_scans, read_las
from pointssl.data.files.pcd import read_pcd
from pointssl.data.files.ptx import ptx_scans
from pointssl.data.files.raw import read_raw
from pointssl.data.files.sets import SetInfo, describe_set, explain_set, read_set, title_of
from pointssl.data.files.surfaces.surface import Surface
from pointssl.data.files.tables import read_table
from pointssl.errors import DataError, UserError

__all__ = [
    "SETS",
    "SUFFIXES",
    "SetInfo",
    "describe",
    "explain",
    "iterate_clouds",
    "read_clouds",
    "read_surface",
    "title_of",
]

MESHES = tuple(meshes.SURFACES)
TABLES = (".xyz", ".txt", ".pts", ".asc", ".csv")
SETS = (".npy", ".npz", ".h5", ".hdf5")
"""Kinds of file that may hold many clouds."""

SCANS = {".e57": e57_scans, ".ptx": ptx_scans}
"""Kinds with a cloud per scan: each opens a file, and gives the number of scans and what reads one."""

SUFFIXES = (*MESHES, ".pcd", ".las", ".laz", *SCANS, *TABLES, *SETS, ".bin")
"""Every kind of file that can be read."""

COMPRESSED = (*meshes.PLAIN, *TABLES, ".ptx", ".pcd")
"""Kinds that are read from `.gz` too."""


def is_readable(path: Path) -> bool:
    """Tell from its name whether a file is of a kind that can be read."""
    kind = kind_of(path)
    return kind in COMPRESSED if is_compressed(path) else kind in SUFFIXES or kind == NUSCENES


def read_clouds(
    path: str | Path, *, points: int = 2048, seed: int = 0, columns: Sequence[str] | None = None
) -> list[Cloud]:
    """Return all clouds in a file; a mesh is turned into one cloud of `points` points drawn over its surface.

    Clouds come with all their points, in the order of the file. The draw is a function of `seed` and of the mesh.
    `columns` names the columns of tables and arrays in their order, where nothing else does.

    Raises:
        DataError: missing, empty, cut short, damaged, or of a kind that is not known.
    """
    clouds = []
    for cloud in iterate_clouds(path, points=points, seed=seed, columns=columns):
        if isinstance(cloud, DataError):
            raise cloud
        clouds.append(cloud)
    return clouds


def iterate_clouds(
    path: str | Path,
    *,
    points: int = 2048,
    seed: int = 0,
    start: int = 0,
    stop: int | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Cloud | DataError]:
    """Yield the clouds of a file from place `start` to just before `stop`, without holding the others in memory.

    In the place of a cloud that cannot be read comes the reason; the others follow.

    Raises:
        DataError: the file as a whole cannot be read.
    """
    path = _existing(Path(path))
    with _named(path):
        for number, cloud in enumerate(_iterate(path, points, seed, start, stop, columns), start=start):
            if isinstance(cloud, Exception):
                yield DataError(f"{path} cannot be read: cloud {number}: {_first_line(cloud)}")
            else:
                yield cloud


def _iterate(
    path: Path, points: int, seed: int, start: int, stop: int | None, columns: Sequence[str] | None
) -> Iterator[Cloud | Exception]:
    kind = kind_of(path)
    if kind in SETS:
        count = describe_set(path).count
        yield from read_set(path, start, count if stop is None else stop, columns)
    elif kind in SCANS:
        yield from _iterate_scans(path, kind, seed, start, stop)
    elif start == 0 and (stop is None or stop > 0):
        yield _read_one(path, kind, points, seed, columns)


def _iterate_scans(path: Path, kind: str, seed: int, start: int, stop: int | None) -> Iterator[Cloud | Exception]:
    with SCANS[kind](path) as (scans, read_scan):
        if scans == 0:
            raise ValueError("it holds no scans")
        for scan in range(start, scans if stop is None else min(stop, scans)):
            place = f"[{scan}]" if scans > 1 else ""
            name = f"{name_of(path)}/{scan}" if scans > 1 else name_of(path)
            try:
                cloud = read_large(path, scan, seed)
                if cloud is None:
                    read = read_scan(scan)
                    cloud = make_cloud(read.xyz, read.channels, name=name, origin=f"{path}{place}")
            except UserError:
                raise
            except Exception as error:
                if scans == 1:
                    raise
                yield error
            else:
                yield cloud


def describe(path: str | Path) -> SetInfo:
    """Return what a file says about its clouds; one unlabelled cloud for all but sets and scans.

    Raises:
        DataError: a set that cannot be opened. Other files are not opened.
    """
    path = _existing(Path(path))
    with _named(path):
        kind = kind_of(path)
        if kind in SETS:
            return describe_set(path)
        if kind in SCANS:
            with SCANS[kind](path) as (count, _):
                pass
            return SetInfo(count=count, names=tuple(f"{name_of(path)}/{scan}" for scan in range(count * (count > 1))))
    return SetInfo(count=1)


def explain(path: str | Path, columns: Sequence[str] | None = None) -> tuple[Meaning, ...]:
    """Return what is in a file (in its first cloud) and what each part of it was taken for.

    Raises:
        DataError: as `read_clouds`.
    """
    path = _existing(Path(path))
    with _named(path):
        kind = kind_of(path)
        if kind in SETS:
            return explain_set(path, columns)
        if kind in SCANS:
            with SCANS[kind](path) as (_, read_scan):
                return read_scan(0).meanings
        if kind in MESHES:
            return meshes.explain(path)
        return _columns(path, kind, columns).meanings


def read_surface(path: str | Path) -> Surface:
    """Return the triangles of a mesh, nothing merged or dropped.

    Raises:
        DataError: as `read_clouds`, or a file without faces.
    """
    path = _existing(Path(path))
    with _named(path):
        if kind_of(path) not in MESHES:
            raise ValueError(f"meshes are {' '.join(MESHES)}")
        surface = meshes.read_surface(path)
        if len(surface.faces) == 0:
            raise ValueError("it has no faces")
        return surface


def _read_one(path: Path, kind: str, points: int, seed: int, columns: Sequence[str] | None) -> Cloud:
    large = read_large(path, 0, seed)
    if large is not None:
        return large
    if kind in MESHES:
        return meshes.read_mesh(path, points, seed)
    read = _columns(path, kind, columns)
    return make_cloud(read.xyz, read.channels, name=name_of(path), origin=str(path))


def _columns(path: Path, kind: str, columns: Sequence[str] | None) -> Reading:
    """Return the columns of a file that holds one cloud, understood."""
    if kind in (".las", ".laz"):
        return read_las(path)
    if kind in (".bin", NUSCENES):
        return read_raw(path, columns)
    return read_pcd(path, columns) if kind == ".pcd" else read_table(path, columns)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file of clouds")
    if not is_readable(path):
        raise DataError(f"{path} is of an unknown kind '{path.suffix}'; known are {' '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes)")
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give every error from a parser the name of the file. Parsers raise whatever they like on damaged files."""
    try:
        yield
    except (UserError, GeneratorExit):
        raise
    except MemoryError as error:
        raise DataError(f"{path} cannot be read: it needs more memory than there is") from error
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise DataError(f"{path} cannot be read: {impostor(path) or kind + _first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0]
