"""Files and folders are atomic: after an exception, on a full disk, and after kill -9 at any moment."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointssl import files
from pointssl.errors import BusyError, DiskFullError


def names(folder: Path) -> list[str]:
    """List what lies in `folder`, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_atomic_file__replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    for text in ("old", "new"):
        with files.atomic_file(target) as partial:
            # A rename within one folder and those below it is atomic, across disks it is not.
            assert partial.parent.parent == target.parent
            partial.write_text(text)
        assert target.read_text() == text
    assert names(target.parent) == ["a.txt"]


def test_atomic_file__keeps_the_old_one_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with files.atomic_file(target) as partial:
            partial.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_atomic_file__is_not_visible_before_it_is_whole(tmp_path: Path) -> None:
    with files.atomic_file(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        assert not (tmp_path / "a.txt").exists()
        assert all(name.startswith(".") for name in names(tmp_path))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk__is_one_clear_line(tmp_path: Path, code: int) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with files.atomic_file(target) as partial:
            partial.write_text("half")
            raise OSError(code, os.strerror(code))

    with pytest.raises(DiskFullError, match=r"no space left while writing .*a\.txt; free some space"):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk__of_a_real_device(tmp_path: Path) -> None:
    def write() -> None:
        with files.explain_full_disk(tmp_path), Path("/dev/full").open("w") as handle:
            handle.write("x")

    with pytest.raises(DiskFullError):
        write()


def test_explain_full_disk__leaves_other_errors_alone(tmp_path: Path) -> None:
    def read() -> None:
        with files.explain_full_disk(tmp_path):
            (tmp_path / "absent").read_text()

    with pytest.raises(FileNotFoundError):
        read()


def test_atomic_folder__appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "run" / "step-1"
    with files.atomic_folder(target) as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "a.txt").write_text("a")
        assert not target.exists()
    assert (target / "deep" / "a.txt").read_text() == "a"
    assert names(target.parent) == ["step-1"]


def test_atomic_folder__leaves_nothing_when_writing_fails(tmp_path: Path) -> None:
    def write() -> None:
        with files.atomic_folder(tmp_path / "step-1") as partial:
            (partial / "a.txt").write_text("half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(DiskFullError, match="step-1"):
        write()
    assert names(tmp_path) == []


def test_atomic_folder__does_not_overwrite_another(tmp_path: Path) -> None:
    (tmp_path / "step-1").mkdir()
    (tmp_path / "step-1" / "old.txt").write_text("old")

    def write() -> None:
        with files.atomic_folder(tmp_path / "step-1") as partial:
            (partial / "new.txt").write_text("new")

    with pytest.raises(OSError, match="not empty"):
        write()
    assert names(tmp_path) == ["step-1"]
    assert names(tmp_path / "step-1") == ["old.txt"]


def test_write_json__is_readable_and_refuses_nan(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    files.write_json(target, {"loss": 1.5, "classes": ["é"]})
    assert json.loads(target.read_text(encoding="utf-8")) == {"loss": 1.5, "classes": ["é"]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(target, {"loss": float("nan")})
    assert json.loads(target.read_text(encoding="utf-8"))["loss"] == 1.5


WRITER = """
import sys
from pathlib import Path
from pointssl import files

target = Path(sys.argv[1])
round = 0
while True:
    round += 1
    with files.atomic_file(target) as partial, partial.open("w") as handle:
        for _ in range(200):
            handle.write(f"{round}\\n" * 50)
            handle.flush()
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("delay", [0.0, 0.013, 0.031])
def test_atomic_file__survives_kill_in_the_middle_of_a_write(tmp_path: Path, delay: float) -> None:
    target = tmp_path / "a.txt"
    target.write_text("0\n" * 10_000)
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(target)])
    try:
        limit = time.monotonic() + 60
        while not any(name.endswith(".partial") for name in names(tmp_path)) and time.monotonic() < limit:
            time.sleep(0.001)
        time.sleep(delay)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    lines = target.read_text().splitlines()
    # Whichever round it is of, all its lines are there.
    assert len(lines) == 10_000
    assert len(set(lines)) == 1


HOLDER = """
import sys, time
from pathlib import Path
from pointssl import files

with files.atomic_file(Path(sys.argv[1])) as partial, files.lock(Path(sys.argv[2]), "it"):
    partial.write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.case("leftovers")
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_leftovers__of_the_killed_are_swept_and_those_of_the_living_stay(tmp_path: Path) -> None:
    target, held = tmp_path / "a.txt", tmp_path / ".lock"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(target), str(held)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        files.write_text(tmp_path / "b.txt", "b")
        assert len([name for name in names(tmp_path) if name.endswith(".partial")]) == 1  # the other's, at work
        with pytest.raises(BusyError, match="another process is at work on the run"), files.lock(held, "the run"):
            pass
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    with files.lock(held, "the run"):  # a kill frees it
        assert held.exists()
    files.write_text(tmp_path / "b.txt", "b")
    assert names(tmp_path) == ["b.txt"]


def test_sweep__leaves_the_users_own_hidden_files(tmp_path: Path) -> None:
    (tmp_path / ".mine.partial").mkdir()
    (tmp_path / ".12345678.partial").write_text("a file, not a folder")
    (tmp_path / ".deadbeef.partial").mkdir()  # killed before it held a lock
    files.sweep(tmp_path)
    assert names(tmp_path) == [".12345678.partial", ".mine.partial"]


def test_remove_folder__is_gone_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("c")
    files.remove_folder(tmp_path / "a")
    assert names(tmp_path) == []


@pytest.mark.case("long-names")
def test_atomic_file__of_the_longest_name(tmp_path: Path) -> None:
    files.write_text(tmp_path / ("a" * 255), "x")
    assert names(tmp_path) == ["a" * 255]


@pytest.mark.case("folder-flush")
def test_flush__of_a_folder_may_fail_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMB and some FUSE file systems answer EINVAL; simulated here."""
    real = os.fsync

    def refuse_folders(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_dir():
            raise OSError(errno.EINVAL, "not on this file system")
        real(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    files.write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"


@pytest.mark.case("windows-flush")
def test_flush__on_windows_opens_for_writing_and_leaves_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: there fsync of a file that is open for reading only is EBADF, and folders cannot be opened."""
    opened: list[tuple[Path, int]] = []
    real = os.open

    def watch(path: Path, flags: int, *more: int) -> int:
        opened.append((Path(path), flags))
        return real(path, flags, *more)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(os, "open", watch)
    files.write_text(tmp_path / "a.txt", "a")
    ours = [(path.name, flags) for path, flags in opened if path.name == "a.txt" or path == tmp_path]
    assert ours == [("a.txt", os.O_RDWR)]


@pytest.mark.case("windows-rename")
def test_rename__is_tried_again_while_a_virus_scanner_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: Windows refuses to replace a file that another process has open."""
    real, refused = Path.replace, [3]

    def replace(self: Path, target: Path) -> Path:
        if refused[0]:
            refused[0] -= 1
            raise PermissionError(errno.EACCES, "in use", str(target))
        return real(self, target)

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(Path, "replace", replace)
    files.write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"
    refused[0] = 1000
    with pytest.raises(PermissionError):
        files.write_text(tmp_path / "a.txt", "b")
    assert (tmp_path / "a.txt").read_text() == "a"


@pytest.mark.case("windows-names")
@pytest.mark.parametrize("text", ["synthetic:48:0", "con", "a?b", "x" * 300, "end.", "nul.txt", "a\ud8ffb", ""])
def test_portable_name__has_nothing_that_windows_refuses(text: str) -> None:
    name = files.portable_name(text)
    assert not set(name) & set('<>:"/\\|?*')
    assert name.split(".")[0].lower() not in ("con", "nul", "")
    assert not name.endswith((".", " "))
    assert len(name.encode()) < 200
    assert name != files.portable_name(text + "?")


def test_portable_name__keeps_plain_names() -> None:
    assert files.portable_name("modelnet40/test") == "modelnet40-test"
