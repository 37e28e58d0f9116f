"""Downloads from a server on this machine that breaks off, refuses ranges, changes its file, or answers with errors."""

import errno
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from pointssl.data import DATASETS
from pointssl.data.public import fetch
from pointssl.data.public.download import download
from pointssl.data.public.sources import SOURCES, Source
from pointssl.data.public.unpack import unpack
from pointssl.errors import DataError, DiskFullError, Interrupted, SettingError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


@dataclass
class Server:
    """What the server has and how it behaves."""

    url: str = ""
    body: bytes = b""
    tag: str | None = '"one"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off."""
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    """The Range header of every request."""
    sent: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(body=zipped(shapes__a=CONTENT, shapes__b=b"small"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            state.asked.append(span)
            if state.status != 200:
                self.send_error(state.status)
                return
            first = 0
            if span and state.ranges and self.headers.get("If-Range") == state.tag:
                first = int(span.removeprefix("bytes=").removesuffix("-"))
                if first >= len(state.body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(state.body)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(state.body) - 1}/{len(state.body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(state.body) - first))
            if state.tag:
                self.send_header("ETag", state.tag)
            self.end_headers()
            end = first + state.break_after.pop(0) if state.break_after else len(state.body)
            self.wfile.write(state.body[first:end])
            state.sent += len(state.body[first:end])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{listener.server_port}/shapes.zip"
    yield state
    listener.shutdown()
    listener.server_close()
    thread.join()


def get(server: Server, out: Path, *, accept: bool = True, attempts: int = 3, **changes: Any) -> Path:
    source = Source(dataset="modelnet40", licence="for tests only", cite="nobody", url=server.url)
    sources = {"shapes": replace(source, **changes)}
    return download("shapes", out, accept_licence=accept, sources=sources, attempts=attempts, wait=0.0)


def leftovers(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir()) if out.is_dir() else []


def test_download__complete(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = get(server, tmp_path)
    assert root == tmp_path / "shapes" / "shapes"
    assert (root / "a").read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["shapes", "shapes.lock.json"]
    lock = json.loads((tmp_path / "shapes.lock.json").read_text())
    assert lock["sha256"] == hashlib.sha256(server.body).hexdigest()
    told = capsys.readouterr().err
    assert "for tests only" in told
    assert "no checksum is published" in told
    assert get(server, tmp_path) == root  # at once, nothing is asked for again
    assert server.asked == [None]


def test_download__broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_after = [1_000_000, 500_000]
    root = get(server, tmp_path)
    assert (root / "a").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000000-", "bytes=1500000-"]
    assert server.sent == len(server.body)  # not a byte twice


def test_download__next_run_goes_on(server: Server, tmp_path: Path) -> None:
    server.break_after = [1_200_000]
    with pytest.raises(DataError, match=r"ended after 1200000 of .* run the same command again to continue"):
        get(server, tmp_path, attempts=1)
    assert (get(server, tmp_path, attempts=1) / "a").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1200000-"]


@pytest.mark.parametrize("way", ["no ranges", "no tag", "changed"])
def test_download__starts_over_where_it_must(server: Server, tmp_path: Path, way: str) -> None:
    server.break_after = [1_200_000]
    server.ranges = way != "no ranges"
    server.tag = None if way == "no tag" else server.tag
    with pytest.raises(DataError):
        get(server, tmp_path, attempts=1)
    if way == "changed":
        server.body, server.tag = zipped(shapes__a=b"new"), '"two"'
    root = get(server, tmp_path, attempts=1)
    assert (root / "a").read_bytes() == (b"new" if way == "changed" else CONTENT)


def test_download__wrong_checksum(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"published is 0{16}.*removed; download it again"):
        get(server, tmp_path, sha256="0" * 64)
    assert leftovers(tmp_path) == []
    assert get(server, tmp_path, sha256=hashlib.sha256(server.body).hexdigest()).is_dir()


def test_download__wrong_size(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 17; it was removed"):
        get(server, tmp_path, size=17)
    assert leftovers(tmp_path) == []


def test_download__differs_from_the_first_time(server: Server, tmp_path: Path) -> None:
    first = get(server, tmp_path)
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    first.parent.rmdir()
    server.body = zipped(shapes__a=b"other")
    with pytest.raises(DataError, match=r"recorded in .*shapes\.lock\.json"):
        get(server, tmp_path)
    assert leftovers(tmp_path) == ["shapes.lock.json"]


def test_download__no_consent(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="terms: for tests only; add --accept-licence"):
        get(server, tmp_path / "new", accept=False)
    assert server.asked == []
    assert not (tmp_path / "new").exists()


def test_download__disk_full_while_fetching(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.BytesIO):
        name, mode = "full", "wb"

        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    plain = Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **more: Any) -> IO[Any]:
        return FullDisk() if path.name.endswith(".download") and "b" in mode else plain(path, mode, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(DiskFullError, match="no space left while writing"):
            get(server, tmp_path)
    assert len(server.asked) == 1  # trying again would not help
    assert (get(server, tmp_path) / "a").read_bytes() == CONTENT


def test_download__disk_full_while_unpacking(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pointssl.data.public.unpack.shutil.copyfileobj", full)
        with pytest.raises(DiskFullError):
            get(server, tmp_path)
    assert not (tmp_path / "shapes").exists()
    assert (get(server, tmp_path) / "a").read_bytes() == CONTENT
    assert server.sent == len(server.body)  # the whole file was there: nothing was fetched twice


def test_download__too_little_space_is_told_before(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointssl.data.public.fetch.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DiskFullError, match="0 MiB free, 2 MiB are needed"):
        get(server, tmp_path)


def test_download__interrupted_keeps_what_arrived(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "_copy", stop)
    with pytest.raises(Interrupted, match="the same command continues"):
        get(server, tmp_path)


def test_download__server_errors(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DataError, match="answered 404 Not Found; it may have moved"):
        get(server, tmp_path)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(DataError, match="answered 503"):
        get(server, tmp_path)
    assert len(server.asked) == 4  # a busy server is worth three attempts


def test_download__no_server(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x: .*refused"):
        get(Server(url="http://127.0.0.1:9/x"), tmp_path)


def test_download__a_folder_of_that_name_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "mine").write_text("mine")
    with pytest.raises(DataError, match="already there and was not made by a download"):
        get(server, tmp_path)
    assert server.asked == []


def test_download__a_web_page_is_not_an_archive(server: Server, tmp_path: Path) -> None:
    server.body = b"<html>sign in</html>"
    with pytest.raises(DataError, match="neither a zip nor a tar archive"):
        get(server, tmp_path)


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "C:/out", "..\\out"])
def test_unpack__never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", "good")
        archive.writestr(name, "bad")
    with pytest.raises(DataError, match="points out of its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "in" / "folder")
    assert leftovers(tmp_path) in (["a.zip"], ["a.zip", "in"])
    assert leftovers(tmp_path / "in") == []


def test_unpack__tar_with_a_link_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    with pytest.raises(DataError, match="link or device 'link'"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "folder")


def test_unpack__tar(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in ("one", "deep/two"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    assert unpack(tmp_path / "a.tar.gz", tmp_path / "folder") == tmp_path / "folder"
    assert (tmp_path / "folder" / "deep" / "two").read_bytes() == b"abc"


def test_unpack__damaged(tmp_path: Path) -> None:
    body = bytearray(zipped(a=b"x" * 1000))
    body[50] ^= 255  # inside the stored member: its checksum no longer fits
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(DataError, match="damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "folder")
    assert leftovers(tmp_path) == ["a.zip"]


def test_sources__every_named_set_can_be_asked_for() -> None:
    assert set(SOURCES) >= set(DATASETS)
    assert {source.dataset for source in SOURCES.values()} == set(DATASETS)
    for name, source in SOURCES.items():
        assert (source.url is None) == bool(source.manual), name
        assert source.licence
        assert source.cite


def test_sources__what_needs_a_form_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no direct download: agree to the terms at .* h5_files\.zip"):
        download("scanobjectnn-obj_bg", tmp_path, accept_licence=True)
    with pytest.raises(SettingError, match="did you mean 'modelnet40'"):
        download("modelnet4", tmp_path, accept_licence=True)
