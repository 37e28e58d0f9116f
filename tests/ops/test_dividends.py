"""Interactions of games that are known by hand, against definitions, brute force and an independent library."""

import numpy as np
import pytest
import torch

from pointssl.ops.games import dividends
from tests.ops import games


@pytest.mark.parametrize("r", [1, 3, 5, 7])
def test_moebius__agrees_with_the_definition(r: int) -> None:
    v = games.chance(r)
    torch.testing.assert_close(dividends.moebius(v), games.slow_moebius(v, r), atol=1e-12, rtol=0)


def test_moebius__leaves_its_input_alone_and_works_on_rows() -> None:
    v = games.chance(6, rows=3)
    before = v.clone()
    found = dividends.moebius(v)
    assert torch.equal(v, before)
    for row in range(3):
        torch.testing.assert_close(found[row], dividends.moebius(v[row]))


def test_moebius__additive_game_has_single_regions_alone() -> None:
    weight = [0.5, -2.0, 3.0, 1.0, 0.0]
    found = dividends.moebius(games.table(5, lambda kept: 7.0 + sum(weight[i] for i in kept)))
    expected = games.table(5, lambda kept: 7.0 if not kept else weight[next(iter(kept))] if len(kept) == 1 else 0.0)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_moebius__and_game_is_one_interaction() -> None:
    needed = frozenset({0, 2, 5})
    found = dividends.moebius(games.table(6, lambda kept: float(needed <= kept)))
    torch.testing.assert_close(found, games.table(6, lambda kept: float(kept == needed)), atol=1e-12, rtol=0)


def test_or_moebius__or_game_is_one_interaction() -> None:
    enough = frozenset({1, 3, 4})
    found = dividends.or_moebius(games.table(6, lambda kept: float(bool(enough & kept))))
    torch.testing.assert_close(found, games.table(6, lambda kept: float(kept == enough)), atol=1e-12, rtol=0)


def test_moebius__dummy_region_takes_part_in_nothing() -> None:
    other = games.chance(5)
    v = games.table(6, lambda kept: float(other[sum(1 << i for i in kept if i < 5)]))  # region 5 changes nothing
    for found in (dividends.moebius(v), dividends.or_moebius(v)):
        torch.testing.assert_close(found[32:], torch.zeros(32, dtype=torch.float64), atol=1e-12, rtol=0)


def test_moebius__symmetric_game_depends_on_the_order_alone() -> None:
    found = dividends.moebius(games.table(6, lambda kept: len(kept) ** 2.0))  # k² = k + 2 · (pairs)
    expected = torch.tensor([0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)[dividends.order(6)]
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_moebius__renaming_regions_renames_interactions() -> None:
    v, to = games.chance(5), [3, 0, 4, 1, 2]
    for transform in (dividends.moebius, dividends.or_moebius):
        renamed = transform(games.relabelled(v, 5, to))
        torch.testing.assert_close(renamed, games.relabelled(transform(v), 5, to), atol=1e-12, rtol=0)


@pytest.mark.parametrize("r", [1, 4, 10, 12])
def test_zeta__gives_every_value_back(r: int) -> None:
    v = games.chance(r)
    torch.testing.assert_close(dividends.zeta(dividends.moebius(v)), v, atol=1e-10, rtol=0)
    torch.testing.assert_close(dividends.or_zeta(dividends.or_moebius(v)), v, atol=1e-10, rtol=0)


def test_or_zeta__agrees_with_the_definition() -> None:
    table, every = games.chance(4), games.sets(4)
    expected = games.table(
        4, lambda kept: float(table[0]) + sum(float(table[k]) for k, s in enumerate(every) if k and s & kept)
    )
    torch.testing.assert_close(dividends.or_zeta(table), expected, atol=1e-12, rtol=0)


def test_moebius_adjoint__is_the_transpose() -> None:
    a, b = games.chance(7, seed=1), games.chance(7, seed=2)
    torch.testing.assert_close(a @ dividends.moebius(b), dividends.moebius_adjoint(a) @ b)


def test_order__counts_bits() -> None:
    assert dividends.order(5).tolist() == [number.bit_count() for number in range(32)]


def test_completeness_error__sees_one_wrong_interaction() -> None:
    v = games.chance(6, rows=2)
    found = dividends.moebius(v)
    assert float(dividends.completeness_error(v, found).max()) < 1e-13
    found[1, 5] += 0.1
    error = dividends.completeness_error(v, found)
    assert float(error[0]) < 1e-13
    torch.testing.assert_close(float(error[1]), 0.1 / float(v[1].abs().max()))


def test_players__of_a_table_that_is_none() -> None:
    with pytest.raises(ValueError, match="2\\^r of them for r regions, got 12"):
        dividends.moebius(torch.zeros(12))


@pytest.mark.parametrize("r", [6, 8, 10])
@pytest.mark.filterwarnings("ignore")
def test_moebius__agrees_with_shapiq(r: int) -> None:
    shapiq = pytest.importorskip("shapiq", reason="install shapiq to compare with an independent library")
    v = games.chance(r, seed=r).numpy()
    number = 2 ** np.arange(r)
    exact = shapiq.ExactComputer(n_players=r, game=lambda kept: v[(kept * number).sum(axis=1)])(
        index="Moebius", order=r
    )
    theirs = games.table(r, lambda kept: float(exact[tuple(sorted(kept))]))
    theirs[0] = v[0]  # it leaves the value of nothing to its baseline
    torch.testing.assert_close(dividends.moebius(torch.from_numpy(v)), theirs, atol=1e-9, rtol=0)
