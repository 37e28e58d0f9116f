"""Atomic files: either whole or not there, whatever happens to the process, the disk or the machine.

What is being written lies in a hidden folder beside its place, is flushed, and is then renamed into it. That folder
holds a lock, which the system lets go of when its process ends, however it ends: so whoever writes there next can tell
what was left behind from what somebody else is at work on, and removes only the first.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pointssl.errors import BusyError, DiskFullError, SettingError

_WORKSHOP = re.compile(r"\.[0-9a-f]{8}\.partial")
_WINDOWS = os.name == "nt"
_HELD_BY_A_SCANNER = 20
"""Tries, a twentieth of a second apart, for a rename that Windows refuses while something looks at the file."""


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn 'no space left' (and an exceeded quota) into one clear line about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"no space left while writing {path}; free some space and run the same command again"
            raise DiskFullError(message) from error
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path`, on any error nothing is left behind."""
    with explain_full_disk(path), _workshop(path.parent) as workshop:
        partial = workshop / path.name
        yield partial
        _flush(partial)
        _rename(partial, path)
        _flush(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; on success it takes the place of `path`, which must not hold another folder."""
    with explain_full_disk(path), _workshop(path.parent) as workshop:
        partial = workshop / path.name
        partial.mkdir()
        yield partial
        for file in sorted(partial.rglob("*")):
            _flush(file)
        _flush(partial)
        _rename(partial, path)
        _flush(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder so that a kill in the middle leaves no half of it: it is first moved out of its place."""
    with _workshop(path.parent) as workshop:
        _rename(path, workshop / path.name)


def sweep(parent: Path) -> None:
    """Remove what killed processes were writing in `parent`; what others are writing at this moment stays."""
    with suppress(OSError):
        for folder in [one for one in parent.iterdir() if _WORKSHOP.fullmatch(one.name) and one.is_dir()]:
            held = FileLock(folder / "lock")
            with suppress(Timeout, OSError, NotImplementedError):
                held.acquire(timeout=0)
                held.release()
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while working on `what`; it is gone afterwards, and a kill frees it.

    Raises:
        BusyError: another process holds it.
    """
    new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path)
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(f"another process is at work on {what}; wait for it, or choose another place") from error
    except NotImplementedError:  # a file system without locks: then nobody can be kept out
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # while it is held: whoever comes now makes a new one; Windows removes no open file
            path.unlink(missing_ok=True)
        held.release()
        if new:  # a folder made for the lock alone goes with it
            with suppress(OSError):
                path.parent.rmdir()


def require_place(path: Path) -> None:
    """Refuse a file that could not be written, before the work that it is meant to hold; nothing is made.

    Raises:
        SettingError: a folder is there, a file stands where a folder should be, no permission, or a name that is none.
    """
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
        if path.is_dir():
            raise SettingError(f"{path} is a folder; name a file to write")
        above = next(one for one in path.absolute().parents if one.exists())
    except (OSError, ValueError) as error:  # a name that is too long, or has a NUL in it
        raise SettingError(f"'{str(path)[:60]}' is no name that a file can have ({error}); choose another") from error
    if not above.is_dir():
        raise SettingError(f"{path} cannot be written: {above} is a file; choose another place")
    if not os.access(above, os.W_OK | os.X_OK):
        raise SettingError(f"{path} cannot be written: no permission in {above}; choose another place")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, atomically."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def portable_name(text: str) -> str:
    """Return `text` as a file name that Windows, macOS and Linux all take; a changed one ends in a mark of its own.

    Colons, slashes, quotes and the like become dashes. A plain name of up to 100 characters is returned as it is.
    """
    plain = re.sub(r'[<>:"/\\|?*\x00-\x1f\ud800-\udfff]', "-", text).rstrip(". ")[:100]
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", plain) or plain in ("", ".", ".."):
        plain = f"_{plain}"
    # Slashes alone were always dashes; anything else could make two names one.
    if plain == text.replace("/", "-"):
        return plain
    return f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


@contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """Yield a hidden folder of this process's own in `parent`, which is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    while True:
        # Short, whatever the name of the file: paths may have 260 characters on Windows, names 255 elsewhere.
        folder = parent / f".{uuid.uuid4().hex[:8]}.partial"
        try:
            folder.mkdir()
        except OSError as error:
            error.filename = str(parent)  # what the user knows
            raise
        held = FileLock(folder / "lock")
        try:
            held.acquire(timeout=0)
        except NotImplementedError:
            break
        except (Timeout, FileNotFoundError):
            continue  # somebody swept here in the moment before the lock was held
        if (folder / "lock").exists():
            break
        held.release()
    try:
        yield folder
    finally:
        held.release()  # Windows removes no open file
        shutil.rmtree(folder, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`; on Windows again and again while a virus scanner looks at either."""
    for attempt in range(_HELD_BY_A_SCANNER):
        try:
            source.replace(target)
        except PermissionError:
            if not _WINDOWS or attempt == _HELD_BY_A_SCANNER - 1:
                raise
            time.sleep(0.05)
        else:
            return


def _flush(path: Path) -> None:
    """Ask the system to put `path` on the disk.

    Folders cannot be flushed on Windows, nor on every network file system: there it may fail quietly.
    """
    if not path.is_dir():
        _sync(path, os.O_RDWR if _WINDOWS else os.O_RDONLY)  # Windows flushes only what is open for writing
    elif not _WINDOWS:
        with suppress(OSError):
            _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
