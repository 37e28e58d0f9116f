"""What a file's name says of it, also where it was compressed: `chair.PLY.gz` is a `.ply` called `chair`."""

import os
import zlib
from pathlib import Path

GZIP = ".gz"

NUSCENES = ".pcd.bin"
"""A double ending that says more than its last part: sweeps of nuScenes have five columns."""

_MOST = 100
"""Text of coordinates shrinks three- to tenfold; what claims more than this (and 16 MiB) is no such text."""


def kind_of(path: Path) -> str:
    """Return the ending in small letters, the one before `.gz` of a compressed file."""
    inner = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return NUSCENES if inner.name.lower().endswith(NUSCENES) else inner.suffix.lower()


def is_compressed(path: Path) -> bool:
    """Tell whether the name ends in `.gz`."""
    return path.suffix.lower() == GZIP


def name_of(path: Path) -> str:
    """Return the file's name without its ending, or endings (`.ply.gz`, `.copc.laz`)."""
    inner = path.with_suffix("") if is_compressed(path) else path
    return inner.name[: len(inner.name) - len(kind_of(inner))].removesuffix(".copc")


def printable(name: str | Path) -> str:
    """Return a name that can be written anywhere: bytes that are no UTF-8 become digits."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def impostor(path: Path) -> str:
    """Say what lies in the place of a file that could not be read, where it is a known stand-in; else nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return ""
    if head.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer and not the file itself; fetch that with: git lfs pull"
    if head.startswith((b"/annex/objects/", b"../.git/annex/", b".git/annex/")):
        return "it is a git-annex pointer and not the file itself; fetch that with: git annex get"
    if head[:100].lower().startswith((b"<!doctype html", b"<html")):
        return "it is a page of a website and not the file itself; download it again, perhaps after signing in"
    return ""


def contents(path: Path) -> bytes:
    """Return the bytes of a file, unpacked where it is compressed, also without saying so (VRML often is).

    Raises:
        ValueError: damaged or cut short, or far larger than any text of its size.
    """
    data = path.read_bytes()
    if not is_compressed(path) and not data.startswith(b"\x1f\x8b"):
        return data
    limit = (1 << 24) + _MOST * len(data)
    parts: list[bytes] = []
    while data:  # a file may hold several streams, one behind the other
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(data, limit))
        except zlib.error as error:
            raise ValueError(f"its compression is damaged ({error})") from error
        limit -= len(parts[-1])
        if stream.unconsumed_tail or limit <= 0:
            raise ValueError(f"it unpacks to more than {_MOST} times its size")
        if not stream.eof:
            raise ValueError("its compressed data are cut short")
        data = stream.unused_data.lstrip(b"\0")  # zeros behind the end are padding
    return b"".join(parts)
