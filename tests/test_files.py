"""Files and folders are whole or absent: after an exception, on a full disk, and after kill -9 at any moment."""

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
from pointssl.errors import DiskFullError


def names(folder: Path) -> list[str]:
    """List what lies in `folder`, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_atomic_file__replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    for text in ("old", "new"):
        with files.atomic_file(target) as partial:
            assert partial.parent == target.parent  # a rename within one folder is atomic, across disks it is not
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
