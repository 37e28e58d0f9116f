"""Which clouds belong to a split, and a clear line where a data set has no such split."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from pointssl.errors import DataError, nearest


def check_split(split: str, known: Sequence[str], where: str) -> None:
    """Raise a `DataError` unless `split` is 'all' or one of `known`."""
    if split != "all" and split not in known:
        raise DataError(f"{where} has no split '{split}'{nearest(split, ('all', *known))}")


def split_mask(
    codes: Shaped[np.ndarray, " b"] | None, names: Sequence[str], split: str, count: int, where: str
) -> Bool[np.ndarray, " b"]:
    """Return which of `count` clouds belong to `split`; `codes` index `names`; without codes there is only 'all'."""
    check_split(split, names if codes is not None else (), where)
    if codes is None or split == "all":
        return np.ones(count, dtype=bool)
    mask = np.asarray(codes == list(names).index(split))
    if not mask.any():
        raise DataError(f"{where} has no cloud in its split '{split}'")
    return mask
