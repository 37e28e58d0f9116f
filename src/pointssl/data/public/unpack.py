"""Archives from strangers: unpacked atomically, and never outside the folder that they are meant for."""

import errno
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pointssl.errors import DataError, DiskFullError
from pointssl.files import atomic_folder
from pointssl.progress import track


def unpack(archive: Path, folder: Path, *, before: Callable[[], None] = lambda: None) -> Path:
    """Unpack a .zip or .tar(.gz) as the new `folder`; return its `content_root`.

    `before` is called when all of the archive was read and found whole, just before the folder appears.

    Raises:
        DataError: damaged, of another kind, or with members that point out of the folder (nothing is written then).
        DiskFullError: no space left; nothing stays behind.
    """
    with _members(archive) as (members, read_to_its_end):
        needed = sum(size for _, size, _ in members)
        if not members:
            raise DataError(f"{archive} holds no files; it is not what it should be")
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise DiskFullError(f"{archive} unpacks to {needed >> 20} MiB, {folder.parent} has {free >> 20} MiB free")
        with atomic_folder(folder) as made:
            for name, _, opener in track(members, f"unpacking {folder.name}", len(members)):
                path = made / name
                with _damaged(archive), _nameable(archive, name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with opener() as source, path.open("xb") as target:
                        shutil.copyfileobj(source, target, 2**20)
            with _damaged(archive):
                read_to_its_end()
            before()
    return content_root(folder)


def content_root(folder: Path) -> Path:
    """Return the one folder that holds everything in `folder`, or `folder` itself."""
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


Member = tuple[PurePosixPath, int, Callable[[], Any]]
"""Where it goes, its size, and a function that opens it for reading."""


@contextmanager
def _members(archive: Path) -> Iterator[tuple[list[Member], Callable[[], None]]]:
    """List the plain files of an archive after every name was looked at; the function reads what is behind them."""
    with _damaged(archive):
        kind = "zip" if zipfile.is_zipfile(archive) else "tar" if tarfile.is_tarfile(archive) else ""
    if kind == "zip":
        with _opened(archive, zipfile.ZipFile) as opened:
            with _damaged(archive):
                found: list[Member] = [
                    (_inside(info.filename, archive), info.file_size, partial(opened.open, info))
                    for info in opened.infolist()
                    if not info.is_dir() and _plain(stat.S_ISLNK(info.external_attr >> 16), info.filename, archive)
                ]
            yield found, lambda: None  # each member of a zip has a checksum of its own
    elif kind == "tar":
        with _opened(archive, tarfile.open) as tar:
            with _damaged(archive):
                found = [
                    (_inside(info.name, archive), info.size, partial(tar.extractfile, info))
                    for info in tar.getmembers()
                    if not info.isdir() and _plain(not info.isfile(), info.name, archive)
                ]
            yield found, partial(_rest_of, tar)
    else:
        raise DataError(f"{archive} is neither a zip nor a tar archive; the address may lead to a web page")


def _opened(archive: Path, opener: Callable[[Path], Any]) -> Any:
    with _damaged(archive):
        return opener(archive)


def _rest_of(tar: tarfile.TarFile) -> None:
    """Read a tar to its end: there stands the checksum of what it is compressed with, and before it nothing but zeros.

    tarfile takes a damaged header for the end of the archive; what would then be lost is no zeros.
    """
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    while block := tar.fileobj.read(2**20):
        if block.count(0) != len(block):
            raise tarfile.ReadError("a member's header cannot be read")


def _plain(special: bool, name: str, archive: Path) -> bool:
    """Links and devices can lead anywhere; data sets need none."""
    if special:
        raise DataError(f"{archive} has a link or device '{name}'; such archives are not unpacked")
    return True


def _inside(name: str, archive: Path) -> PurePosixPath:
    """Return the relative path of a member, or refuse one that would leave the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or "\0" in name:
        raise DataError(f"{archive} has a member without a name; it is not unpacked")
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{archive} has a member '{name}' that points out of its folder; it is not unpacked")
    return path


@contextmanager
def _damaged(archive: Path) -> Iterator[None]:
    try:
        yield
    except (
        *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError),
        *(struct.error, UnicodeError, OverflowError, ValueError, RecursionError),
    ) as error:
        raise DataError(f"{archive} is damaged: {error}; remove it and download again") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed by a method that zipfile lacks
        raise DataError(f"{archive} cannot be unpacked here: {error}") from error


@contextmanager
def _nameable(archive: Path, name: PurePosixPath) -> Iterator[None]:
    """Explain members that no folder can hold: two of one name, a file that is also a folder, names without end."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL):
            short = str(name) if len(str(name)) <= 60 else f"{str(name)[:57]}..."
            raise DataError(f"{archive} has a member '{short}' that cannot be written: {error.strerror}") from error
        raise
