"""Servers and archives that are not what they should be: one line, nothing outside, nothing believed too early."""

import gzip
import http.server
import io
import json
import shutil
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pointssl.data.public import fetch
from pointssl.data.public.download import download
from pointssl.data.public.sources import Source
from pointssl.data.public.unpack import unpack
from pointssl.errors import BusyError, DataError, UserError
from pointssl.files import lock

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class _Server(http.server.ThreadingHTTPServer):
    answer: Answer
    daemon_threads = True


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.answer(self)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def _sends(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Return an answer of these bytes; `headers` are written with _ for -."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def _get(server: _Server, out: Path, attempts: int = 1) -> Path:
    url = f"http://127.0.0.1:{server.server_port}/shapes.zip"
    source = Source(dataset="modelnet40", licence="for tests only", cite="nobody", url=url)
    return download("shapes", out, accept_licence=True, sources={"shapes": source}, attempts=attempts, wait=0.0)


def _zip(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _tar(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.case("download-junk-first")
@pytest.mark.parametrize(
    "junk", [b"<html>please log in</html>", _zip(a=b"x" * 500)[:-30], _zip(), b"", gzip.compress(b"not a tar", mtime=0)]
)
def test_download__what_was_no_archive_is_not_believed(server: _Server, tmp_path: Path, junk: bytes) -> None:
    server.answer = _sends(junk)
    with pytest.raises(DataError):
        _get(server, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == []
    server.answer = _sends(_zip(a=b"real"))
    root = _get(server, tmp_path)
    assert (root / "a").read_bytes() == b"real"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shapes", "shapes.lock.json"]


@pytest.mark.case("download-other-than-recorded")
def test_download__a_recorded_checksum_that_differs_names_the_way_on(server: _Server, tmp_path: Path) -> None:
    server.answer = _sends(_zip(a=b"one"))
    _get(server, tmp_path)
    shutil.rmtree(tmp_path / "shapes")
    server.answer = _sends(_zip(a=b"two"))
    with pytest.raises(DataError, match=r"recorded in .*shapes.lock.json is .*or remove .*shapes.lock.json"):
        _get(server, tmp_path)
    (tmp_path / "shapes.lock.json").unlink()
    assert (_get(server, tmp_path) / "a").read_bytes() == b"two"


@pytest.mark.case("download-two-at-once")
def test_download__one_process_at_a_time(server: _Server, tmp_path: Path) -> None:
    server.answer = _sends(_zip(a=b"x"))
    with (
        lock(tmp_path / ".shapes.lock", "it"),
        pytest.raises(BusyError, match="at work on the download"),
    ):
        _get(server, tmp_path)
    _get(server, tmp_path)


@pytest.mark.case("download-junk-server")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_sends(b"", 302, Location="http://[bad"), "an address that is none|Invalid IPv6"),
        (_sends(b"", 302, Location="ftp://127.0.0.1/x"), "not followed"),
        (_sends(b"", 302, Location="file:///etc/passwd"), "not allowed"),
        (_sends(b"abc", Content_Length="abc"), "neither a zip nor a tar"),
        (_sends(b"abc", 206, Content_Range="bytes xx"), "another part of the file"),
        (_sends(_zip(a=b"x"), 206, Content_Range="bytes 5-9/10"), "another part of the file"),
        (_sends(b"abc", Content_Length="99"), "the connection ended after 3 of 99 bytes|IncompleteRead"),
        (_sends(b"", 404), "404"),
        (_sends(b"", 200, Content_Length="9" * 15), "MiB are needed"),
    ],
)
def test_download__a_servers_junk_is_one_line(server: _Server, tmp_path: Path, answer: Answer, said: str) -> None:
    server.answer = answer
    with pytest.raises(UserError, match=said) as caught:
        _get(server, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "shapes.lock.json").exists()


@pytest.mark.case("download-junk-server")
def test_download__never_leaves_a_protected_address_for_an_open_one() -> None:
    request = urllib.request.Request("https://example.org/a.zip")
    with pytest.raises(DataError, match=r"leads to http://example\.org/b\.zip, which is not followed"):
        fetch._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/b.zip")


@pytest.mark.case("download-drip")
def test_download__a_drip_is_a_broken_connection(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        gone = threading.Event()
        for _ in range(1000):
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return
            gone.wait(0.02)

    server.answer = drip
    with pytest.raises(DataError, match=r"only \d+ bytes came in 0 s"):
        _get(server, tmp_path)


def _encrypted() -> bytes:
    content = bytearray(_zip(a=b"secret"))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1  # the flag; there is no key
    return bytes(content)


def _method(number: int) -> bytes:
    content = bytearray(_zip(a=b"packed"))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + place] = number
    return bytes(content)


def _flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)


_TWO = _tar(("a", b"1" * 600), ("b", b"2" * 600))
_ARCHIVES = {
    "member called nothing": _tar(("", b"x")),
    "member called .": _tar((".", b"x")),
    "file that is also a folder": _tar(("a", b"x"), ("a/b", b"y")),
    "two of one name": _tar(("a", b"x"), ("a", b"y")),
    "name of 300": _zip(**{"n" * 300: b"x"}),
    "1,500 levels": _tar(("/".join("d" * 1500), b"x")),
    "encrypted": _encrypted(),
    "method that is not known": _method(99),
    "flipped byte at the end of a tar.gz": _flipped(gzip.compress(_TWO, mtime=0), -6),
    "flipped byte in a tar.gz": _flipped(gzip.compress(_TWO, compresslevel=0, mtime=0), 700),
    "cut tar.gz": gzip.compress(_TWO, mtime=0)[:-20],
    "damaged header in a tar": _flipped(_TWO, 1536 + 148),
    "cut tar": _TWO[:1700],
    "no members": _tar(),
}


@pytest.mark.case("archives")
@pytest.mark.parametrize("name", _ARCHIVES)
def test_unpack__what_is_damaged_or_strange_is_one_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.download").write_bytes(_ARCHIVES[name])
    recorded: list[str] = []
    with pytest.raises(DataError) as caught:
        unpack(tmp_path / "x.download", tmp_path / "folder", before=lambda: recorded.append("recorded"))
    assert "\n" not in str(caught.value)
    assert recorded == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.download"]


@pytest.mark.case("archives")
@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_unpack__whole_ones_are_recorded_before_they_appear(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.download").write_bytes(_TWO if kind == "tar" else gzip.compress(_TWO, mtime=0))
    seen: list[bool] = []
    unpack(tmp_path / "x.download", tmp_path / "folder", before=lambda: seen.append((tmp_path / "folder").exists()))
    assert seen == [False]
    assert (tmp_path / "folder" / "b").read_bytes() == b"2" * 600


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("content", ["[]", "5", "[" * 100_000, "\xff", '"x"'])
def test_download__a_record_that_is_none_is_one_line(server: _Server, tmp_path: Path, content: str) -> None:
    server.answer = _sends(_zip(a=b"x"))
    (tmp_path / "shapes.lock.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match="remove it to start anew"):
        _get(server, tmp_path)
    (tmp_path / "shapes.lock.json").write_text(json.dumps({}))
    _get(server, tmp_path)
