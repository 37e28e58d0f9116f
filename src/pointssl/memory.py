"""How much memory there is, and one line instead of a dead process where something will not fit.

Linux hands out more memory than it has and ends whoever uses it, so what can be known before is asked before.
"""

import os
from pathlib import Path

from pointssl.errors import SettingError


def free() -> int | None:
    """Return the bytes of memory that this process may still take, or None where the system does not say."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        found += [int(limit) - int(used)] if limit.strip() != "max" else []
    except (OSError, ValueError):
        pass
    if not found and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        found = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    found += _limited()
    return max(0, min(found)) if found else None


def require(needed: int, what: str, advice: str) -> None:
    """Raise `SettingError` where `what`, of at least `needed` bytes, will not fit; `advice` ends the line."""
    available = free()
    if available is not None and needed > available:
        raise SettingError(f"{what} needs at least {size(needed)} of memory, and {size(available)} is free; {advice}")


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def is_exhausted(error: BaseException) -> bool:
    """Tell whether an error means that memory, or what can be counted of it, was not enough; torch has no one class."""
    if isinstance(error, MemoryError):
        return True
    told = str(error)
    signs = ("DefaultCPUAllocator", "out of memory", "Storage size calculation overflowed", "multiplication overflow")
    return isinstance(error, RuntimeError) and any(sign in told for sign in signs)


def _limited() -> list[int]:
    """Return what is left of the limit that `ulimit -v` or a batch system has set, where there is one."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return []
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return [limit - pages * os.sysconf("SC_PAGE_SIZE")]
    except (ImportError, OSError, ValueError, AttributeError):
        return []
