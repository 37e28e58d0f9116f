"""One reader for what people have: meshes, clouds, laser scans, tables, arrays and sets of many clouds.

`read_clouds(path)` returns everything in a file; `iterate_clouds` goes through a range of a large one; `describe` tells
how many clouds there are, and their classes, labels and splits, without reading points. Whatever goes wrong inside a
file is a `DataError` that names the file and the reason.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointssl.data.cloud import Cloud
from pointssl.data.files import meshes
from pointssl.data.files.chunks import read_large
from pointssl.data.files.kinds import is_compressed, kind_of
from pointssl.data.files.lidar import count_e57, read_e57, read_kitti, read_las
from pointssl.data.files.pcd import read_pcd
from pointssl.data.files.sets import SetInfo, describe_set, read_set
from pointssl.data.files.surfaces.surface import Surface
from pointssl.data.files.tables import read_table
from pointssl.errors import DataError, UserError

__all__ = ["SETS", "SUFFIXES", "SetInfo", "describe", "iterate_clouds", "read_clouds", "read_surface"]

MESHES = tuple(meshes.SURFACES)
TABLES = (".xyz", ".txt", ".pts", ".csv")
SETS = (".npy", ".npz", ".h5", ".hdf5")
"""Kinds of file that may hold many clouds (e57, with a cloud per scan, is one more)."""

SUFFIXES = (*MESHES, ".pcd", ".las", ".laz", ".e57", *TABLES, *SETS, ".bin")
"""Every kind of file that can be read."""

COMPRESSED = meshes.PLAIN
"""Kinds that are read from `.gz` too."""


def is_readable(path: Path) -> bool:
    """Tell from its name whether a file is of a kind that can be read."""
    return kind_of(path) in (COMPRESSED if is_compressed(path) else SUFFIXES)


def read_clouds(path: str | Path, *, points: int = 2048, seed: int = 0) -> list[Cloud]:
    """Return all clouds in a file; a mesh is turned into one cloud of `points` points drawn over its surface.

    Clouds come with all their points, in the order of the file. The draw is a function of `seed` and of the mesh.

    Raises:
        DataError: missing, empty, cut short, damaged, or of a kind that is not known.
    """
    return list(iterate_clouds(path, points=points, seed=seed))


def iterate_clouds(
    path: str | Path, *, points: int = 2048, seed: int = 0, start: int = 0, stop: int | None = None
) -> Iterator[Cloud]:
    """Yield the clouds of a file from place `start` to just before `stop`, without holding the others in memory.

    Raises:
        DataError: as `read_clouds`.
    """
    path = _existing(Path(path))
    kind = kind_of(path)
    with _named(path):
        if kind in SETS:
            yield from read_set(path, start, describe_set(path).count if stop is None else stop)
        elif kind == ".e57":
            scans = count_e57(path)
            if scans == 0:
                raise ValueError("it holds no scans")
            for scan in range(start, scans if stop is None else min(stop, scans)):
                yield read_large(path, scan, seed) or read_e57(path, scan)
        elif start == 0 and (stop is None or stop > 0):
            yield _read_one(path, kind, points, seed)


def describe(path: str | Path) -> SetInfo:
    """Return what a file says about its clouds; one unlabelled cloud for all but sets and e57.

    Raises:
        DataError: a set that cannot be opened. Other files are not opened.
    """
    path = _existing(Path(path))
    with _named(path):
        if path.suffix.lower() in SETS:
            return describe_set(path)
        if path.suffix.lower() == ".e57":
            return SetInfo(count=count_e57(path))
    return SetInfo(count=1)


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


def _read_one(path: Path, kind: str, points: int, seed: int) -> Cloud:
    large = read_large(path, 0, seed)
    if large is not None:
        return large
    if kind in MESHES:
        return meshes.read_mesh(path, points, seed)
    if kind == ".pcd":
        return read_pcd(path)
    if kind in (".las", ".laz"):
        return read_las(path)
    if kind == ".bin":
        return read_kitti(path)
    return read_table(path)


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
    except (UserError, MemoryError, GeneratorExit):
        raise
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {_first_line(error)}") from error
    except Exception as error:
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0]
