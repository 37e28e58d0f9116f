"""Rows of numbers in text, read fast: whole blocks at once, and every row's length is still seen."""

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
    if not text or text.isspace():  # NumPy makes a -1 of blanks
        return np.zeros(0, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how NumPy says that it stopped before the end
        try:
            values: NDArray[Any] = np.fromstring(text, dtype=dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            raise ValueError(f"'{_odd_word(text)}' is not a number") from None
    return values


def ragged(rows: Sequence[bytes]) -> tuple[Float64[np.ndarray, " n"], Int64[np.ndarray, " r"]]:
    """Return the numbers of all rows end to end, and how many each row has.

    Raises:
        ValueError: as `flat`.
    """
    # A mark between the rows survives the fast way. Where rows hold it themselves, they are counted one by one.
    values = flat(b" nan ".join(rows))
    marks = np.flatnonzero(np.isnan(values))
    if len(marks) != len(rows) - 1:
        return flat(b" ".join(rows)), np.array([len(row.split()) for row in rows], dtype=np.int64)
    counts = np.diff(marks, prepend=-1, append=len(values)) - 1
    return np.delete(values, marks), counts


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


def _odd_word(text: bytes) -> str:
    for word in text.split():
        try:
            float(word)
        except ValueError:
            return word[:40].decode("utf-8", errors="replace")
    return text[:40].decode("utf-8", errors="replace")
