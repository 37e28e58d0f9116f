"""Will 2^n values fit into memory? Said before anything is computed, with the n that does fit."""

from pointssl.errors import SettingError
from pointssl.interpret.config import MOST_EXACT
from pointssl.memory import free, size

__all__ = ["check", "free", "needed"]

WIDTH = 512
"""Numbers per coalition that a head's first layer is taken to make."""


def needed(regions: int, clouds: int) -> int:
    """Return the bytes that a table and its reading take: values, dividends, a copy, and one cloud's head."""
    return (1 << regions) * (3 * 8 * clouds + 4 * 4 * WIDTH)


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
        f"regions = {regions} with {clouds} clouds needs {size(needed(regions, clouds))} of memory for 2^{regions} "
        f"coalitions, and {size(available)} is free; {advice}"
    )
