"""The sparsifier against a linear program, and on games whose interactions are planted."""

from typing import Any

import numpy as np
import pytest
import torch

from pointssl.ops.games.and_or import and_or
from pointssl.ops.games.dividends import or_zeta, zeta
from tests.ops import games


def least(v: torch.Tensor) -> float:
    """The least sum of |I| + |J| by a linear program over the plain definitions of AND and OR games."""
    optimize: Any = pytest.importorskip("scipy.optimize")
    count = len(v)
    sets = np.arange(1, count)
    ands = (sets[:, None] & sets[None, :]) == sets[None, :]  # T holds all of S
    ors = (sets[:, None] & sets[None, :]) > 0  # T meets S
    both = np.concatenate([ands, ors], axis=1).astype(float)
    wanted = (v[1:] - v[0]).numpy()
    sign = np.concatenate([both, -both], axis=1)
    return float(optimize.linprog(np.ones(sign.shape[1]), A_eq=sign, b_eq=wanted, bounds=(0, None)).fun)


def planted(r: int, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values of a game with few interactions of both kinds, and these."""
    generator = np.random.default_rng(seed)
    tables = torch.zeros(2, 1, 1 << r, dtype=torch.float64)
    for place in generator.choice(np.arange(1, 1 << r), size=count, replace=False):
        # One region alone is both an AND and an OR; it stands for an AND here.
        kind = int(generator.integers(2)) if bin(place).count("1") > 1 else 0
        tables[kind, 0, place] = generator.choice([-1.0, 1.0]) * generator.uniform(0.5, 2.0)
    return zeta(tables[0]) + or_zeta(tables[1]), tables[0], tables[1]


@pytest.mark.parametrize(("r", "gap"), [(2, 1e-6), (3, 1e-6), (5, 1e-5), (7, 1e-4)])
def test_and_or__is_the_linear_programs_least(r: int, gap: float) -> None:
    v = games.chance(r, rows=2)
    found = and_or(v, gap=gap)
    assert found.size().numpy() == pytest.approx([least(row) for row in v], rel=1.01 * gap)
    assert bool((found.gap <= gap).all())
    torch.testing.assert_close(found.values(), v, atol=1e-10, rtol=0)


def test_and_or__eight_regions_like_the_linear_program() -> None:
    v = games.chance(8, rows=1)
    found = and_or(v, gap=1e-4)
    lowest = least(v[0])
    assert float(found.size()) == pytest.approx(lowest, rel=1e-4)
    # The bound holds: the true least is not below what `gap` promises.
    assert lowest >= float(found.size() * (1 - found.gap)) - 1e-9


@pytest.mark.parametrize("r", [10, 12])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_and_or__one_or_is_one_interaction(r: int, size: int) -> None:
    ors = torch.zeros(1, 1 << r, dtype=torch.float64)
    ors[0, (1 << size) - 1] = 1.0
    found = and_or(or_zeta(ors))
    torch.testing.assert_close(found.ors, ors, atol=1e-3, rtol=0)
    assert float(found.size()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("r", [10, 12])
def test_and_or__sparse_games_are_found_again(r: int) -> None:
    v, ands, ors = planted(r, 20, seed=r)
    found = and_or(v)
    assert float(found.size()) == pytest.approx(float(ands.abs().sum() + ors.abs().sum()), rel=1e-3)
    torch.testing.assert_close(found.ands, ands, atol=1e-2, rtol=0)
    torch.testing.assert_close(found.ors, ors, atol=1e-2, rtol=0)


def test_and_or__rows_scale_and_shift_apart() -> None:
    v = games.chance(5, rows=2)
    both = and_or(torch.cat([1000 * v + 7.0, v]))
    torch.testing.assert_close(both.ors[:2], 1000 * both.ors[2:], atol=0.1, rtol=1e-3)
    assert both.ands[:2, 0].tolist() == pytest.approx((1000 * v[:, 0] + 7.0).tolist())


def test_and_or__a_game_of_nothing() -> None:
    found = and_or(torch.full((1, 16), 3.0))
    assert float(found.size()) == 0
    assert float(found.gap) == 0
    assert found.values().unique().tolist() == [3.0]


def test_and_or__few_steps_say_how_far_they_got() -> None:
    found = and_or(games.chance(7, rows=2), steps=3)
    assert bool((found.gap > 1e-4).all())


def test_and_or__bad_settings() -> None:
    with pytest.raises(ValueError, match="gap must be above 0 and steps at least 1, got 0"):
        and_or(games.chance(3, rows=1), gap=0.0)
