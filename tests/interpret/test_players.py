"""Which clouds are measured."""

import numpy as np
import pytest

from pointssl.interpret.players import choose


@pytest.mark.parametrize(("count", "expected"), [(9, [3, 3, 3]), (12, [4, 4, 4]), (20, [8, 8, 4]), (200, [90, 12, 4])])
def test_choose__as_many_of_each_class_as_there_are(count: int, expected: list[int]) -> None:
    labels = np.repeat([0, 1, 2], [90, 12, 4])
    chosen = choose(labels, count, seed=3)
    assert np.bincount(labels[chosen], minlength=3).tolist() == expected
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, choose(labels, count, seed=3))
    if count < 100:
        assert not np.array_equal(chosen, choose(labels, count, seed=4))
