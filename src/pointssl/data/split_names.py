"""Which clouds belong to a split, and a clear line where a data set has no such split."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from pointssl.errors import DataError, nearest

WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What folders, lists and archives call a split, and what it is called here."""

_BEHIND = re.compile(r"(?<=[a-z])[-_ ]?(?:set|data|split|files)$")
"""What is written behind such a word: train_set, TestData."""

_LIKE = re.compile(
    r"(train|val|valid|test|eval|dev|split|fold|holdout)(ing|idation|ation|s)?([-_ ]?(set|data|split))?[-_ ]?\d*",
    re.IGNORECASE,
)


def canonical_split(word: str) -> str:
    """Return train, val or test for the usual words, whatever their case; other words as they are."""
    return WORDS.get(_BEHIND.sub("", word.strip().lower()), word.strip())


def is_split(word: str) -> bool:
    """Tell whether a folder's name is one of the usual words for a split."""
    return _BEHIND.sub("", word.strip().lower()) in WORDS


def looks_like_split(word: str) -> bool:
    """Tell whether a class name looks as if it were meant as a split: Train, val2, test_data, splits."""
    return _LIKE.fullmatch(word.strip()) is not None


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
