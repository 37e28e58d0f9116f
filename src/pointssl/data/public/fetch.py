"""One file over HTTP that may break off at any time: what has arrived is kept and the rest is asked for.

A part is only continued where the server names the version of its file (ETag or Last-Modified) and confirms that it has
not changed; otherwise the file is fetched from its beginning.
"""

import errno
import http.client
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pointssl import strict
from pointssl.errors import DataError, DiskFullError, Interrupted
from pointssl.files import explain_full_disk, write_json
from pointssl.progress import bar

BLOCK = 2**20
TIMEOUT = 60.0
"""Seconds without a byte before a connection counts as broken."""
SLOWEST = 1024
"""Bytes a second, over `TIMEOUT` seconds, below which it counts as broken too: a drip would keep it open for ever."""


class BrokenTransferError(Exception):
    """The connection ended before the file did; trying again makes sense."""


def fetch(url: str, part: Path, *, attempts: int = 5, wait: float = 2.0) -> str:
    """Bring `url` to `part`, continuing what lies there from earlier, and return the server's name of this version.

    Raises:
        DataError: the server refuses, or the transfer broke off `attempts` times; the part is kept.
        DiskFullError: no space left; the part is kept.
        Interrupted: Ctrl-C; the part is kept.
    """
    for attempt in range(attempts):
        if attempt:
            time.sleep(wait * 2 ** (attempt - 1))
        try:
            with _explain(url, part):
                return _continue(url, part)
        except BrokenTransferError as error:
            reason = error
    kept = part.stat().st_size >> 20 if part.is_file() else 0
    raise DataError(f"{url}: {reason}; {kept} MiB are kept, run the same command again to continue")


def _continue(url: str, part: Path) -> str:
    """Ask for what is missing and append it, or for everything where the server cannot or the file has changed."""
    have, tag = _kept(url, part)
    request = urllib.request.Request(url, headers={"User-Agent": "pointssl"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", tag)
    try:
        answer = _OPENER.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            with error:
                if error.headers.get("Content-Range") == f"bytes */{have}":
                    return tag  # nothing is missing
                discard(part)  # longer than the file: it cannot be a part of it
                raise BrokenTransferError("the part that was kept does not belong to the file") from error
        raise
    with answer as response:
        if response.status == http.client.PARTIAL_CONTENT:
            # "bytes 100-999/1000": where the answer begins, and how long the whole file is.
            span, _, whole = response.headers.get("Content-Range", "").partition("/")
            total = _count(whole)
            if not have or total is None or span != f"bytes {have}-{total - 1}":
                discard(part)  # a piece that nobody asked for is no beginning of the file
                raise BrokenTransferError("the server sent another part of the file than was asked for")
        else:
            have, total = 0, _count(response.headers.get("Content-Length"))
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        _require_space(part, (total or 0) - have)
        write_json(_notes(part), {"url": url, "tag": tag})
        with part.open("ab" if have else "wb") as file:
            have = _copy(response, file, part.name, have, total)
    if total is not None and have < total:
        raise BrokenTransferError(f"the connection ended after {have} of {total} bytes")
    return tag


def _copy(response: http.client.HTTPResponse, file: IO[bytes], label: str, have: int, total: int | None) -> int:
    """Write all that comes and return the size that the file has now."""
    since, then = time.monotonic(), have
    with bar(f"fetching {label.strip('.')} (MiB)", max(1, (total or have) >> 20), have >> 20) as line:
        while block := response.read1(BLOCK):
            file.write(block)
            if time.monotonic() - since > TIMEOUT:
                if have - then < SLOWEST * TIMEOUT:
                    raise BrokenTransferError(f"only {have - then} bytes came in {TIMEOUT:.0f} s")
                since, then = time.monotonic(), have
            line.advance(((have + len(block)) >> 20) - (have >> 20))
            have += len(block)
    return have


def _count(text: str | None) -> int | None:
    """Return a number of bytes as a header tells it, or None where it tells none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to other addresses of the web, but never from a protected one to an open one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Make the next request, or refuse."""
        kinds = {"https": ("https",), "http": ("http", "https")}
        try:
            kind = urllib.parse.urlsplit(newurl).scheme.lower()
        except ValueError as error:
            raise DataError(f"{req.full_url} leads to an address that is none: {error}") from error
        if kind not in kinds.get(req.type, ()):
            raise DataError(f"{req.full_url} leads to {newurl[:100]}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Follow, or close the connection: urllib leaves it open where it does not like an address."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except urllib.error.HTTPError:  # holds the connection, and whoever takes the error closes it
            raise
        except BaseException:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


_OPENER = urllib.request.build_opener(_Redirects)


def _kept(url: str, part: Path) -> tuple[int, str]:
    """Return size and version of the part from an earlier try; 0 where it cannot be continued."""
    try:
        notes = strict.parse(_notes(part), DataError, "it is of no use")
        tag = str(notes["tag"])
        # A weak tag promises the same meaning, not the same bytes.
        if notes["url"] == url and tag and not tag.startswith("W/"):
            return part.stat().st_size, tag
    except (OSError, DataError, KeyError, TypeError):
        pass
    return 0, ""


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def discard(part: Path) -> None:
    """Remove a part and what is noted of it."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _require_space(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        raise DiskFullError(f"{part.parent} has {free >> 20} MiB free, {more >> 20} MiB are needed; make room there")


@contextmanager
def _explain(url: str, part: Path) -> Iterator[None]:
    """Sort errors into those worth another try and those that the user has to know."""
    try:
        with explain_full_disk(part):
            yield
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= http.client.INTERNAL_SERVER_ERROR:
                raise BrokenTransferError(f"the server answered {error.code} {error.reason}") from error
            message = (
                f"{url} answered {error.code} {str(error.reason)[:100]}; it may have moved, look on the data set's page"
            )
            raise DataError(message) from error
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: an address or a header that is none
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOENT):
            raise DataError(f"cannot write {part}: {error.strerror}") from error
        raise BrokenTransferError(str(getattr(error, "reason", error))[:200] or type(error).__name__) from error
    except KeyboardInterrupt as error:
        raise Interrupted(f"stopped; what has arrived is kept in {part}, the same command continues") from error
