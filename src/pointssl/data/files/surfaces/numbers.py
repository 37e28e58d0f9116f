"""Numbers in text, read fast and to the last digit: whole blocks at once, and every row's length is still seen.

NumPy reads whole numbers ten times faster than fractions. A fraction of up to 15 digits is a whole number divided by a
power of ten, and both are exact, so their quotient is the nearest number to what is written.
Source: W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990 (the fast path).
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

_LEAST = 1000
"""Bytes from which the fast way pays."""
_EXACT = 2**53
_POWERS = 10.0 ** np.arange(23)
"""All powers of ten that float64 holds exactly."""
_BLANKS = bytes.maketrans(b"eE", b"  ")


def flat(text: bytes, dtype: type[Any] = np.float64) -> NDArray[Any]:
    """Return all numbers in a text, between blanks and line ends.

    Raises:
        ValueError: a word that is no number, quoted.
    """
    values = _exact(text) if dtype is np.float64 and len(text) >= _LEAST else None
    if values is None:
        values = _plain(text, dtype)
    if values is None:
        raise ValueError(f"'{_odd_word(text)}' is not a number")
    return values


def ragged(rows: Sequence[bytes], dtype: type[Any] = np.float64) -> tuple[NDArray[Any], Int64[np.ndarray, " r"]]:
    """Return the numbers of all rows end to end, and how many each row has.

    Raises:
        ValueError: as `flat`.
    """
    text = b"\n".join(rows) + b"\n"
    raw = np.frombuffer(text, np.uint8)
    counts = np.diff(np.cumsum(_begins(raw <= 32), dtype=np.int32)[raw == 10], prepend=0)
    return flat(text, dtype), counts if len(counts) == len(rows) else np.array([len(row.split()) for row in rows])


def table(rows: Sequence[bytes]) -> Float64[np.ndarray, "r c"]:
    """Return rows that are all as long as the shortest (what longer ones have behind that is left out).

    Raises:
        ValueError: as `flat`, or no rows.
    """
    if not rows:
        raise ValueError("it holds no points")
    values, counts = ragged(rows)
    width = int(counts.min())
    if (counts == width).all():
        return values.reshape(len(rows), width)
    starts = np.cumsum(counts) - counts
    return np.asarray(values[starts[:, None] + np.arange(width)])


def _plain(text: bytes, dtype: type[Any]) -> NDArray[Any] | None:
    """Read as NumPy does, or return None where it stops before the end."""
    if not text or text.isspace():  # NumPy makes a -1 of blanks
        return np.zeros(0, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how NumPy says that it stopped
        try:
            return np.asarray(np.fromstring(text, dtype=dtype, sep=" "))
        except (DeprecationWarning, ValueError):
            return None


def _exact(text: bytes) -> NDArray[np.float64] | None:
    """Read decimal numbers by way of whole ones, or return None where one of them has too many digits or is none."""
    whole = _plain(text.translate(_BLANKS, b"."), np.int64)
    if whole is None or len(whole) == 0 or np.abs(whole).max() >= _EXACT:
        return None
    raw = np.frombuffer(text, np.uint8)
    exponent = (raw | 32) == ord("e")
    apart = (raw <= 32) | exponent
    begins = _begins(apart)
    first, dots = np.flatnonzero(begins), np.flatnonzero(raw == ord("."))
    behind = np.flatnonzero(~apart[:-1] & apart[1:]) + 1  # the last sign of each number
    if not apart[-1]:
        behind = np.append(behind, len(raw))
    if len(first) != len(whole) or len(behind) != len(first):
        return None
    power = np.zeros(len(first), dtype=np.int64)
    owner = np.cumsum(begins, dtype=np.int32)[dots] - 1
    if (np.diff(owner) <= 0).any():  # two points in one number
        return None
    power[owner] = dots + 1 - behind[owner]
    if exponent.any():
        mine = exponent[first - 1] & (first > 0)
        if mine[0] or mine[1:][mine[:-1]].any() or power[mine].any() or mine.sum() != exponent.sum():
            return None
        before = np.flatnonzero(mine) - 1
        if (behind[before] != first[mine] - 1).any():  # a blank before the e
            return None
        power[before] += whole[mine]
        whole, power = whole[~mine], power[~mine]
    if np.abs(power).max(initial=0) >= len(_POWERS):
        return None
    factor = _POWERS[np.abs(power)]
    return np.asarray(np.where(power < 0, whole / factor, whole * factor))


def _begins(apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell where words begin: what is not `apart` behind what is, or at the very beginning."""
    begins = ~apart
    begins[1:] &= apart[:-1]
    return begins


def _odd_word(text: bytes) -> str:
    for word in text.split():
        try:
            float(word)
        except ValueError:
            return word[:40].decode("utf-8", errors="replace")
    return text[:40].decode("utf-8", errors="replace")
