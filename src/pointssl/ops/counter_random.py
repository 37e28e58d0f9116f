"""Random numbers without a generator: a hash of (seed, number, slot), so that nothing has to be stored to draw again.

Source: the finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number
Generators", OOPSLA 2014), used on a counter. One pass over a batch, where generators would be set up one by one.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@lru_cache(maxsize=256)
def seed_of(*parts: int) -> int:
    """Mix integers, such as (seed, step, rank), into one seed of 63 bits; near parts give unrelated seeds."""
    # Their number goes in first, and every part as two words: otherwise (0, 1) and (0, 1, 0) would be one seed.
    words = np.array([len(parts), *(part % 2**64 for part in parts)], dtype=np.uint64).view(np.uint32)
    mixed = np.random.SeedSequence(words.tolist()).generate_state(1, np.uint64)
    return int(mixed[0] >> np.uint64(1))


def scramble(x: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """Return well mixed words: every bit depends on every bit, and different words stay different."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def keys(seed: int, numbers: Int64[np.ndarray, " b"]) -> UInt64[np.ndarray, " b"]:
    """Return one key for each number, such as the index of a cloud; different numbers never share a key."""
    return scramble(numbers.astype(np.uint64) + np.uint64(seed_of(seed)))


def words(key: UInt64[np.ndarray, " b"], count: int) -> UInt64[np.ndarray, "b n"]:
    """Return `count` random words of 64 bits for every key."""
    return scramble(key[:, None] + np.arange(count, dtype=np.uint64) * _GOLDEN)


def uniform(key: UInt64[np.ndarray, " b"], count: int) -> Float32[np.ndarray, "b n"]:
    """Return `count` numbers in [0, 1) for every key, of 24 bits each."""
    return (words(key, count) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


class Triple(NamedTuple):
    """Three independent numbers in [0, 1), of 21 bits each."""

    first: Float32[np.ndarray, "b n"]
    second: Float32[np.ndarray, "b n"]
    third: Float32[np.ndarray, "b n"]


def uniform_triples(key: UInt64[np.ndarray, " b"], count: int) -> Triple:
    """Return `count` triples for every key: what a point on a surface needs, from one word each."""
    word = words(key, count)
    parts = (word >> np.uint64(43), (word >> np.uint64(22)) & np.uint64(2**21 - 1), word & np.uint64(2**21 - 1))
    return Triple(*(part.astype(np.float32) * np.float32(2**-21) for part in parts))


def stream(key: UInt64[np.ndarray, " b"], number: int) -> UInt64[np.ndarray, " b"]:
    """Return keys for another use of the same numbers, unrelated to `key` and to other streams of it."""
    return scramble(key ^ np.uint64(seed_of(number)))
