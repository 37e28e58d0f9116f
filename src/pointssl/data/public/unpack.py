"""Archives from strangers: unpacked atomically, and never outside the folder that they are meant for."""

import lzma
import shutil
import stat
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


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a .zip or .tar(.gz) as the new `folder`; return its `content_root`.

    Raises:
        DataError: damaged, of another kind, or with members that point out of the folder (nothing is written then).
        DiskFullError: no space left; nothing stays behind.
    """
    with _members(archive) as members:
        needed = sum(size for _, size, _ in members)
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if needed > free:
            raise DiskFullError(f"{archive} unpacks to {needed >> 20} MiB, {folder.parent} has {free >> 20} MiB free")
        with atomic_folder(folder) as made:
            for name, _, opener in track(members, f"unpacking {folder.name}", len(members)):
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with _damaged(archive), opener() as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
    return content_root(folder)


def content_root(folder: Path) -> Path:
    """Return the one folder that holds everything in `folder`, or `folder` itself."""
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


Member = tuple[PurePosixPath, int, Callable[[], Any]]
"""Where it goes, its size, and a function that opens it for reading."""


@contextmanager
def _members(archive: Path) -> Iterator[list[Member]]:
    """List the plain files of an archive after every name was looked at."""
    if zipfile.is_zipfile(archive):
        with _damaged(archive), zipfile.ZipFile(archive) as opened:
            yield [
                (_inside(info.filename, archive), info.file_size, partial(opened.open, info))
                for info in opened.infolist()
                if not info.is_dir() and _plain(stat.S_ISLNK(info.external_attr >> 16), info.filename, archive)
            ]
    elif tarfile.is_tarfile(archive):
        with _damaged(archive), tarfile.open(archive) as tar:
            yield [
                (_inside(info.name, archive), info.size, partial(tar.extractfile, info))
                for info in tar.getmembers()
                if not info.isdir() and _plain(not info.isfile(), info.name, archive)
            ]
    else:
        raise DataError(f"{archive} is neither a zip nor a tar archive; the address may lead to a web page")


def _plain(special: bool, name: str, archive: Path) -> bool:
    """Links and devices can lead anywhere; data sets need none."""
    if special:
        raise DataError(f"{archive} has a link or device '{name}'; such archives are not unpacked")
    return True


def _inside(name: str, archive: Path) -> PurePosixPath:
    """Return the relative path of a member, or refuse one that would leave the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{archive} has a member '{name}' that points out of its folder; it is not unpacked")
    return path


@contextmanager
def _damaged(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise DataError(f"{archive} is damaged: {error}; remove it and download again") from error
