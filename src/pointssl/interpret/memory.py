"""Will 2^n values fit into memory? Said before anything is computed, with the n that does fit."""

import os
from pathlib import Path

from pointssl.errors import SettingError
from pointssl.interpret.config import MOST_EXACT

WIDTH = 512
"""Numbers per coalition that a head's first layer is taken to make."""


def needed(regions: int, clouds: int) -> int:
    """Return the bytes that a table and its reading take: values, dividends, a copy, and one cloud's head."""
    return (1 << regions) * (3 * 8 * clouds + 4 * 4 * WIDTH)


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
    return min(found) if found else None


def check(regions: int, clouds: int, available: int | None) -> None:
    """Raise `SettingError` for more regions than can be tried exactly, or than fit into `available` bytes."""
    if regions > MOST_EXACT:
        raise SettingError(
            f"regions must be at most {MOST_EXACT} for all 2^n coalitions, got {regions}; "
            "estimates for more are in pointssl.interpret.sampled"
        )
    if available is None or needed(regions, clouds) <= available:
        return
    fits = max((n for n in range(2, regions) if needed(n, clouds) <= available), default=0)
    advice = f"regions = {fits} fits" if fits else "take fewer clouds"
    raise SettingError(
        f"regions = {regions} with {clouds} clouds needs {_size(needed(regions, clouds))} of memory for 2^{regions} "
        f"coalitions, and {_size(available)} is free; {advice}"
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
