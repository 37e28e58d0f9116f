"""The sparsifier on games of both kinds."""

import pytest
import torch

from pointssl.ops.games.and_or import and_or
from pointssl.ops.games.dividends import moebius
from tests.ops import games

AND, OR = frozenset({0, 1, 4}), frozenset({2, 3})


def _mixed() -> torch.Tensor:
    """3 where regions 0, 1 and 4 are all kept, and 2 where one of 2 and 3 is."""
    return games.table(6, lambda kept: 3.0 * (kept >= AND) + 2.0 * bool(kept & OR))[None]


def test_and_or__finds_the_two_interactions_that_made_the_game() -> None:
    found = and_or(_mixed(), noise=0.0, steps=2000)
    place = {s: k for k, s in enumerate(games.sets(6))}
    # 5 is the least possible: |v| rises by 5 from nothing to all, and no interaction can be in both kinds for free.
    assert float(found.size()) == pytest.approx(5.0, abs=0.05)
    assert float(found.ands[0, place[AND]]) == pytest.approx(3.0, abs=0.05)
    assert float(found.ors[0, place[OR]]) == pytest.approx(2.0, abs=0.05)


def test_and_or__values_are_v_without_noise() -> None:
    v = games.chance(6, rows=3)
    exact = and_or(v, noise=0.0, steps=50)
    torch.testing.assert_close(exact.values(), v, atol=1e-10, rtol=0)
    noisy = and_or(v, noise=0.04, steps=50)
    torch.testing.assert_close(noisy.values() + noisy.noise, v, atol=1e-10, rtol=0)
    bound = 0.04 * (v[:, -1] - v[:, 0]).abs()
    assert bool((noisy.noise.abs() <= bound[:, None] + 1e-12).all())
    assert float(noisy.noise.abs().max()) > 0


def test_and_or__never_worse_than_the_even_split_and_noise_helps() -> None:
    v = games.chance(7, rows=4)
    even, exact, noisy = (and_or(v, steps=s, noise=q) for s, q in ((0, 0.0), (100, 0.0), (100, 0.04)))
    assert bool((exact.size() < even.size()).all())
    assert bool((noisy.size() < exact.size()).all())


def test_and_or__even_split_is_half_of_each() -> None:
    v = games.chance(5, rows=2)
    torch.testing.assert_close(and_or(v, steps=0).ands, moebius(v / 2))


def test_and_or__bad_settings() -> None:
    with pytest.raises(ValueError, match="steps and noise must be at least 0"):
        and_or(games.chance(3, rows=1), steps=-1)
