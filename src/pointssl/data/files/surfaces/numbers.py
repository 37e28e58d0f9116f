"""Numbers in text, read to the last digit: whole blocks at once, and every row's length is still seen."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray


def flat(text: bytes, dtype: type[Any] = np.float64) -> NDArray[Any]:
    """Return all numbers in a text, between blanks and line ends.

    Raises:
        ValueError: a word that is no number, quoted.
    """
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
