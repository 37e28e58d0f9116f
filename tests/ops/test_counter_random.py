"""Random numbers by counting: uniform, unrelated between seeds, numbers, slots and streams, and always the same."""

import numpy as np

from pointssl.ops import counter_random


def test_uniform__is_even_and_within_bounds() -> None:
    drawn = counter_random.uniform(counter_random.keys(0, np.arange(500)), 400)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts, _ = np.histogram(drawn, 20, (0, 1))
    # Binomial(200000, 1/20): standard deviation 97.
    assert np.abs(counts - 10_000).max() < 5 * 97


def test_uniform__neighbours_in_every_direction_are_unrelated() -> None:
    drawn = np.stack([counter_random.uniform(counter_random.keys(seed, np.arange(200)), 200) for seed in (0, 1)])
    for axis in range(3):
        one, two = (np.moveaxis(drawn, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        # 40000 pairs or more: a standard error of 0.005.
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.025


def test_triples__are_independent_and_even() -> None:
    triple = counter_random.uniform_triples(counter_random.keys(2, np.arange(300)), 200)
    for one in triple:
        assert abs(float(one.mean()) - 0.5) < 0.006
    assert np.abs(np.corrcoef([one.ravel() for one in triple]) - np.eye(3)).max() < 0.02


def test_streams__of_the_same_keys_share_nothing() -> None:
    key = counter_random.keys(0, np.arange(1000))
    parts = [key, *(counter_random.stream(key, number) for number in range(5))]
    assert len(np.unique(np.concatenate(parts))) == 6000


def test_words__are_a_function_of_seed_number_and_slot() -> None:
    key = counter_random.keys(7, np.array([3, 2**62]))
    np.testing.assert_array_equal(counter_random.words(key, 5), counter_random.words(key, 9)[:, :5])
    np.testing.assert_array_equal(counter_random.words(key[1:], 5)[0], counter_random.words(key, 5)[1])
