"""Kernels are compiled once, by one of many processes, or quietly not at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointssl.ops.kernels import native

COMPILER = shutil.which(os.environ.get("CXX", "c++"))
QUESTION = "from pointssl.ops.kernels import native; print(native.available(), native.reason())"


def ask(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", QUESTION],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_available__switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSSL_NATIVE", "0")
    with pytest.raises(native.UnavailableError, match="POINTSSL_NATIVE is 0"):
        native._build()


def test_available__no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(native.UnavailableError, match="no C\\+\\+ compiler found"):
        native._build()


def test_available__compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "c++"
    broken.write_text(
        "#!/bin/sh\ncase $1 in --version) echo broken 1.0;; *) echo 'no such header' >&2; exit 1;; esac\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("POINTSSL_CACHE", str(tmp_path))
    with pytest.raises(native.UnavailableError, match="the compiler failed: no such header"):
        native._build()
    assert not list(tmp_path.rglob("*.so"))


def test_available__reason_without_compiler() -> None:
    process = ask(CXX="no-such-compiler")
    output, errors = process.communicate(timeout=120)
    assert output.startswith("False plain torch: no C++ compiler found")
    assert errors == ""


@pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="kernels are compiled on Linux with a compiler")
def test_available__two_processes_at_once(tmp_path: Path) -> None:
    processes = [ask(POINTSSL_CACHE=str(tmp_path)) for _ in range(2)]
    outputs = [process.communicate(timeout=200) for process in processes]
    assert all(output.startswith("True compiled kernels") for output, _ in outputs), outputs
    assert len(list((tmp_path / "pointssl").iterdir())) == 1  # one library, nothing half made


@pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="kernels are compiled on Linux with a compiler")
def test_available__one_openmp_runtime() -> None:
    code = "import torch; from pointssl.ops.kernels.native import available; available()"
    code += "; print(open('/proc/self/maps').read())"
    maps = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True).stdout
    runtimes = {line.split()[-1] for line in maps.splitlines() if "libgomp" in line or "libiomp" in line}
    assert len(runtimes) == 1, runtimes
