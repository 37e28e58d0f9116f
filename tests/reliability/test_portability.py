"""What cannot be run here, simulated: other systems' file calls, a torch built otherwise, terminals without letters.

Each test replaces the call that differs there; none of them was run on Windows or macOS.
"""

import builtins
import ctypes
import errno
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

from pointssl import files
from pointssl.app import cli
from pointssl.evaluation import record
from pointssl.train import estimate
from tests.doubles import ToyClouds, tiny_config

ROOT = Path(__file__).parents[2]


@pytest.mark.case("simulated-windows-files")
def test_windows__flushes_files_that_are_open_for_writing_and_no_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: fsync of what is open for reading alone is EBADF, and folders cannot be opened."""
    flags: dict[int, int] = {}
    opened, sync = os.open, os.fsync

    def windows_open(path: Any, how: int, *more: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        handle = opened(path, how, *more)
        flags[handle] = how
        return handle

    def windows_fsync(handle: int) -> None:
        if flags.get(handle, os.O_RDWR) & (os.O_RDWR | os.O_WRONLY) == 0:
            raise OSError(errno.EBADF, "Bad file descriptor")
        sync(handle)

    monkeypatch.setattr(files, "_WINDOWS", True)
    # For our module alone: Windows removes folders without opening them, and this system does not.
    there = {**vars(os), "open": windows_open, "fsync": windows_fsync}
    monkeypatch.setattr(files, "os", types.SimpleNamespace(**there))
    files.write_text(tmp_path / "a.txt", "content")
    with files.atomic_folder(tmp_path / "b") as made:
        (made / "inner").write_text("x")
    assert (tmp_path / "a.txt").read_text() == "content"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b"]


@pytest.mark.case("simulated-network-folder")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_network_folders__that_cannot_be_flushed_are_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Simulated: SMB and some FUSE refuse to flush a folder."""
    sync = os.fsync

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_dir():
            raise OSError(code, os.strerror(code))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_text(tmp_path / "a.txt", "content")
    assert (tmp_path / "a.txt").read_text() == "content"


@pytest.mark.case("simulated-names-of-windows")
def test_windows__no_file_is_called_by_what_has_colons(tmp_path: Path) -> None:
    for data in ("synthetic:48:0", "generated:unions:n=5", 'a"b|c?', "con", "x" * 300):
        name = record.path_of(tmp_path, data).name
        assert not set('<>:"/\\|?*') & set(name)
        assert len(name) < 150
        assert not name.lower().startswith("con.")


@pytest.mark.case("simulated-no-proc")
def test_dry_run__says_nothing_of_memory_where_the_system_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: no /proc, as on macOS and Windows; no `resource`, and no C library to load by None, as on Windows."""
    load = builtins.__import__

    def windows_import(name: str, *more: Any, **named: Any) -> Any:
        if name == "resource":
            raise ModuleNotFoundError(name)
        return load(name, *more, **named)

    library = ctypes.CDLL

    def no_library(name: str | None, *more: Any) -> Any:
        if name is None:
            raise TypeError("LoadLibrary() argument 1 must be str, not None")
        return library(name, *more)

    monkeypatch.setattr(builtins, "__import__", windows_import)
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    monkeypatch.setattr(estimate, "_status", lambda _: None)
    found = estimate.estimate(tiny_config(), data=ToyClouds(), steps=1)
    assert found.memory is None
    assert "memory per step" not in dict(found.table())


@pytest.mark.case("simulated-torch-without-distributed")
def test_torch__built_without_distributed_trains_on_one_process() -> None:
    """Simulated: its compiled part is not there, and says so."""
    script = """
        import sys
        import torch.distributed as dist
        dist.is_available = lambda: False
        sys.modules["torch._C._distributed_c10d"] = None
        from pointssl.errors import SettingError
        from pointssl.train.runtime import start
        with start("cpu") as runtime:
            print(runtime.world)
        import os
        os.environ["WORLD_SIZE"] = "2"
        try:
            with start("cpu"):
                pass
        except SettingError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[0] == "1"
    assert "built without torch.distributed" in done.stdout


@pytest.mark.case("terminal-without-letters")
def test_terminal__that_knows_ascii_alone_is_told_everything(tmp_path: Path) -> None:
    shapes = tmp_path / "stühle"
    shapes.mkdir()
    for name in ("a", "ü"):
        (shapes / f"{name}.xyz").write_text("".join(f"{i} {i * i} {i % 3}\n" for i in range(40)))
    done = subprocess.run(
        [sys.executable, "-m", "pointssl.app.cli", "data", "show", str(shapes)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert b"st\\xfchle" in done.stdout


@pytest.mark.case("script-without-guard")
@pytest.mark.skipif(os.name == "nt", reason="the same there, but slow")
def test_script__without_a_guard_is_told_so(tmp_path: Path) -> None:
    shapes = tmp_path / "shapes"
    shapes.mkdir()
    for name in "ab":
        (shapes / f"{name}.xyz").write_text("".join(f"{i} {i * i} {i % 3}\n" for i in range(40)))
    script = tmp_path / "mine.py"
    script.write_text(
        "from pointssl.data.store.pack import pack\n"
        f"pack({str(shapes)!r}, {str(tmp_path / 'out')!r}, points=16, shard_clouds=1, workers=2)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "UserError: this script starts processes" in done.stderr
    assert done.stderr.count("Traceback") <= 2  # of the script's own error, and of what it was raised from
    assert "bootstrapping" not in done.stderr
    script.write_text(
        "from pointssl.data.store.pack import pack\nif __name__ == '__main__':\n"
        f"    print(pack({str(shapes)!r}, {str(tmp_path / 'out')!r}, points=16, shard_clouds=1, workers=2).clouds)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "2\n"


@pytest.mark.case("permission")
@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["evaluate", "run"], "choose another place with --out"),
        (["data", "check", "x"], "change its rights, or use a copy of it in a place of your own"),
        (["data", "pack", "x", "y"], "choose another place to write to"),
        (["models"], "change its rights"),
    ],
)
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_permission__the_advice_is_one_that_the_command_can_take(
    words: list[str], advice: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: list[str]) -> None:
        raise OSError(code, os.strerror(code), "some/file")

    monkeypatch.setattr(cli, "_run", refused)
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"pointssl: no permission for some/file; {advice}")
