"""Kernels in C++, compiled on first use by the system's own compiler; without one everything runs in plain torch.

The sources are built once per processor and compiler into the user's cache folder and loaded with ctypes. Whatever
goes wrong (no compiler, another platform, POINTSSL_NATIVE=0) is no error: `library()` is None, `reason()` says why.
A library is code: it is loaded only from a folder, and as a file, that belongs to this user and that nobody else can
write to; one that is damaged is built again.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
HEADER = FOLDER / "selection.hpp"
SOURCES: dict[str, tuple[str, ...]] = {"kernels.cpp": (), "grouping.cpp": ("-ffp-contract=off",)}
"""What is compiled, each with flags of its own."""
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fPIC")
_DIGEST = 32
"""Bytes of the checksum that stands behind every library."""
_KERNEL = re.compile(r"^void (pointssl_\w+)\(", re.MULTILINE)
SECONDS = 120
"""Longest that a compilation may take."""


class UnavailableError(Exception):
    """Why there are no kernels on this machine."""


def available() -> bool:
    """Return whether the compiled kernels are in use; compiles them if this is the first question."""
    return library() is not None


def reason() -> str:
    """Return in one line where the kernels come from, or why there are none."""
    return _load()[1]


def library() -> ctypes.CDLL | None:
    """Return the loaded kernels, compiling them if need be, or None."""
    return _load()[0]


def call(name: str, *arguments: Tensor | int | float | None) -> None:
    """Call a kernel: tensors as pointers (None as null), integers as int64, floats as float32; then the threads.

    Tensors are contiguous, on the processor, and of the kernel's types; nothing here checks it.
    """
    loaded = library()
    assert loaded is not None
    converted = (_argument(a) for a in arguments)
    getattr(loaded, f"pointssl_{name}")(*converted, ctypes.c_int32(torch.get_num_threads()))


def _argument(value: Tensor | int | float | None) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_float:
    match value:
        case None:
            return ctypes.c_void_p(None)
        case int():
            return ctypes.c_int64(value)
        case float():
            return ctypes.c_float(value)
        case _:
            return ctypes.c_void_p(value.data_ptr())


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        path = _build()
        try:
            loaded = _opened(path)
        except (OSError, AttributeError):  # cut short, changed, or of something else: built once more
            path.unlink(missing_ok=True)
            path = _build()
            loaded = _opened(path)
    except (UnavailableError, OSError, AttributeError, subprocess.SubprocessError) as error:
        log.info("no compiled kernels, plain torch instead: %s", error)
        return None, f"plain torch: {error}"
    return loaded, f"compiled kernels: {path}"


def _opened(path: Path) -> ctypes.CDLL:
    """Load a library whose bytes are those that were built; a file that was cut short would end the process.

    Raises `OSError` for others, and `AttributeError` where a kernel is missing.
    """
    content = path.read_bytes()
    if content[-_DIGEST:] != hashlib.sha256(content[:-_DIGEST]).digest():
        raise OSError(f"{path} is not as it was built")
    loaded = ctypes.CDLL(str(path))
    for source in SOURCES:
        for name in _KERNEL.findall((FOLDER / source).read_text("utf-8")):
            getattr(loaded, name)
    return loaded


def _require_ours(path: Path) -> None:
    """Refuse a file or folder that somebody else owns or can write to, or that is a link: its content could be theirs.

    Raises:
        UnavailableError: saying which, and what to do.
    """
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnavailableError(
            f"{path} is a link, or belongs to or can be written by others, so nothing is loaded from it; remove it, or "
            "set POINTSSL_CACHE to a folder of your own"
        )


def _build() -> Path:
    """Return the shared library for this processor and compiler, compiled now if it is not in the cache."""
    if os.environ.get("POINTSSL_NATIVE", "1") == "0":
        raise UnavailableError("POINTSSL_NATIVE is 0")
    if sys.platform != "linux":
        raise UnavailableError(f"kernels are compiled on Linux only, not on {sys.platform}")
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise UnavailableError("no C++ compiler found (c++, or the one named by CXX)")
    version = _run([compiler, "--version"])
    flags = (*FLAGS, "-mprefer-vector-width=512") if platform.machine() == "x86_64" else FLAGS
    runtime = _openmp()
    texts = [path.read_text("utf-8") for path in (HEADER, *(FOLDER / name for name in SOURCES))]
    identity = "\n".join([*texts, *flags, str(SOURCES), version, _processor(), *runtime])
    path = _cache() / f"kernels-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_ours(path.parent)
    if path.exists():
        _require_ours(path)
        return path
    # Built under a name of its own, then renamed: several processes may compile at once, none sees half a file.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made, objects = Path(folder) / "kernels.so", []
        for name, own in SOURCES.items():
            objects.append(str(Path(folder) / f"{name}.o"))
            _run([compiler, *flags, *own, "-fopenmp", "-c", str(FOLDER / name), "-o", objects[-1]])
        _run([compiler, "-shared", *objects, "-o", str(made), *runtime])
        with made.open("ab") as library:  # behind its end, where no loader looks
            library.write(hashlib.sha256(made.read_bytes()).digest())
        made.chmod(0o700)  # whatever the umask
        made.replace(path)
    return path


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise UnavailableError(f"the compiler failed: {' '.join(done.stderr.split())[:200]}")
    return done.stdout


def _openmp() -> tuple[str, ...]:
    """Arguments that link the OpenMP runtime torch has loaded: a second one would bring its own threads."""
    bundled = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return (str(bundled[0]),) if bundled else ("-fopenmp",)


def _processor() -> str:
    """Return what tells processors with different instructions apart, for caches on a shared home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _cache() -> Path:
    """Return the folder that keeps compiled kernels; POINTSSL_CACHE overrides the user's cache folder."""
    base = os.environ.get("POINTSSL_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pointssl"
