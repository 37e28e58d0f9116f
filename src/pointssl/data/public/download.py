"""Public data sets by name: consent, fetch, checksum, unpack, in this order.

The terms are shown first and nothing is fetched before they are accepted. Where a set's makers publish no checksum, the
one of the first download that could be unpacked whole is recorded in `NAME.lock.json` beside the data, and every later
download must agree with it.
"""

from collections.abc import Mapping
from pathlib import Path

from pointssl import files, strict
from pointssl.data.public.fetch import discard, fetch
from pointssl.data.public.sources import SOURCES, Source
from pointssl.data.public.unpack import content_root, unpack
from pointssl.data.store.manifest import sha256
from pointssl.errors import DataError, SettingError, nearest
from pointssl.progress import console


def download(
    name: str,
    out: Path,
    *,
    accept_licence: bool,
    sources: Mapping[str, Source] = SOURCES,
    attempts: int = 5,
    wait: float = 2.0,
) -> Path:
    """Fetch the data set `name` into a folder of that name in `out` and return the path for `NAME:PATH`.

    Raises:
        SettingError: an unknown name, or terms that were not accepted.
        DataError: a form has to be signed first, a transfer that failed, a wrong checksum, a damaged archive.
        BusyError: another process is fetching it into the same folder.
        DiskFullError: no space left. Interrupted: Ctrl-C. Of both, what has arrived is kept.
    """
    if name not in sources:
        raise SettingError(f"unknown data set '{name}'{nearest(name, sources)}")
    source = sources[name]
    _say(f"{name}: {source.licence}", f"cite: {source.cite}")
    if source.url is None:
        raise DataError(f"{name} has no direct download: {source.manual}")
    if not accept_licence:
        raise SettingError(f"{name} comes under these terms: {source.licence}; add --accept-licence to agree to them")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {out}: {error.strerror}") from error
    with files.lock(out / f".{name}.lock", f"the download of {name} into {out}"):
        return _fetched(name, source, source.url, out, attempts, wait)


def _fetched(name: str, source: Source, url: str, out: Path, attempts: int, wait: float) -> Path:
    folder, lock = out / name, out / f"{name}.lock.json"
    if folder.is_dir():
        return _present(name, folder, lock, source)
    part = out / f".{name}.download"
    tag = fetch(url, part, attempts=attempts, wait=wait)
    digest = _verify(name, part, source, lock)
    record = {"url": url, "sha256": digest, "size": part.stat().st_size, "version": tag}
    try:
        # Recorded when all of it was read, and before the folder appears: one without a record would be taken for the
        # user's own.
        root = unpack(part, folder, before=lambda: files.write_json(lock, record))
    except DataError:
        if source.sha256 is None and not lock.is_file():  # not known to be the right file: the next try begins anew
            discard(part)
        raise
    discard(part)
    _say(f"ready: {source.dataset}:{root}")
    return root


def _verify(name: str, part: Path, source: Source, lock: Path) -> str:
    """Compare size and checksum with what is known, published or recorded; a file that differs is removed."""
    size, digest = part.stat().st_size, sha256(part)
    if source.size is not None and size != source.size:
        discard(part)
        raise DataError(f"{name} has {size} bytes, expected {source.size}; it was removed, download it again")
    recorded = _read(lock).get("sha256")
    for known, origin in ((source.sha256, "published"), (recorded, f"recorded in {lock}")):
        if known is not None and digest != known:
            discard(part)
            raise DataError(
                f"{name} has checksum {digest[:16]}..., {origin} is {known[:16]}...; the file was removed; download it "
                "again, and if it differs again ask whoever serves it"
                + (f" (or remove {lock}, to take the set as it is served now)" if known == recorded else "")
            )
    if source.sha256 is None and recorded is None:
        _say(f"no checksum is published for {name}; that of this download, {digest}, is recorded in {lock}")
    return digest


def _present(name: str, folder: Path, lock: Path, source: Source) -> Path:
    """Return the path of a set that was fetched before; a folder without a lock file may be anything."""
    if "sha256" not in _read(lock):
        raise DataError(f"{folder} is already there and was not made by a download of {name}; move it away first")
    root = content_root(folder)
    _say(f"already there: {source.dataset}:{root}")
    return root


def _read(lock: Path) -> dict[str, str]:
    """Return what an earlier download recorded, or nothing."""
    if not lock.is_file():
        return {}
    found = strict.parse(lock, DataError, "remove it to start anew")
    if not isinstance(found, dict):
        raise DataError(f"{lock} is not a record of a download; remove it to start anew")
    return {key: str(value) for key, value in found.items()}


def _say(*lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
