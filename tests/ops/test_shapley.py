"""Shapley values and pairs, exact against all orders of arrival and an independent library, sampled against exact."""

import numpy as np
import pytest
import torch

from pointssl.ops.games import pairs, shapley
from pointssl.ops.games.dividends import moebius
from tests.ops import games


def _slow_delta(v: torch.Tensor, r: int, i: int, j: int) -> dict[int, list[float]]:
    """Return the differences of a pair in every context, by the size of the context."""
    found: dict[int, list[float]] = {m: [] for m in range(r - 1)}
    for number, kept in enumerate(games.sets(r)):
        if not kept & {i, j}:
            a, b = 1 << i, 1 << j
            found[len(kept)].append(float(v[number | a | b] - v[number | a] - v[number | b] + v[number]))
    return found


def test_shapley__agrees_with_all_orders_of_arrival() -> None:
    v = games.chance(6)
    torch.testing.assert_close(shapley.shapley(moebius(v)), games.slow_shapley(v, 6))


def test_shapley__and_game_is_shared_alike() -> None:
    v = games.table(5, lambda kept: 3.0 * (kept >= {0, 2, 3}))
    expected = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(shapley.shapley(moebius(v)), expected)


def test_pair_orders__agree_with_the_definition_and_average_to_the_shapley_pairs() -> None:
    v, r = games.chance(6), 6
    found = pairs.pair_orders(moebius(v))
    for i, j in ((0, 1), (2, 5), (4, 3)):
        expected = [float(np.mean(values)) for values in _slow_delta(v, r, i, j).values()]
        torch.testing.assert_close(found[i, j], torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(found.mean(dim=2), shapley.shapley_pairs(moebius(v)))
    assert float(found.diagonal().abs().max()) == 0


@pytest.mark.filterwarnings("ignore")
def test_shapley_pairs__agree_with_shapiq() -> None:
    shapiq = pytest.importorskip("shapiq", reason="install shapiq to compare with an independent library")
    v, r = games.chance(7).numpy(), 7
    number = 2 ** np.arange(r)
    exact = shapiq.ExactComputer(n_players=r, game=lambda kept: v[(kept * number).sum(axis=1)])
    found, theirs = shapley.shapley_pairs(moebius(torch.from_numpy(v))), exact(index="SII", order=2)
    for i in range(r):
        for j in range(i):
            assert float(found[i, j]) == pytest.approx(float(theirs[(j, i)]), abs=1e-9)
    values = exact(index="SV", order=1)
    for i in range(r):
        assert float(shapley.shapley(moebius(torch.from_numpy(v)))[i]) == pytest.approx(float(values[(i,)]), abs=1e-9)


def test_sampled_shapley__is_within_its_errors_and_complete() -> None:
    v, r = games.chance(8), 8
    found = shapley.sampled_shapley(games.as_game(v, r), r, orders=400, generator=torch.Generator().manual_seed(0))
    exact = shapley.shapley(moebius(v))
    assert bool(((found.value - exact).abs() < 4 * found.error).all())  # 4 standard errors: 1 in 2,000 for all 8
    torch.testing.assert_close(found.value.sum(), v[-1] - v[0])
    more = shapley.sampled_shapley(games.as_game(v, r), r, orders=1600, generator=torch.Generator().manual_seed(0))
    assert float((more.error / found.error).mean()) == pytest.approx(0.5, abs=0.05)  # four times the work halves it


def test_sampled_shapley__converges_where_there_is_no_chance_and_not_where_there_is_only_chance() -> None:
    additive = games.table(6, lambda kept: sum(float(i) for i in kept))
    generator = torch.Generator().manual_seed(0)
    assert shapley.sampled_shapley(games.as_game(additive, 6), 6, orders=2, generator=generator).converged()
    wild = games.as_game(games.chance(6), 6)
    assert not shapley.sampled_shapley(wild, 6, orders=4, generator=generator).converged()


def test_sampled_shapley__needs_two_orders() -> None:
    with pytest.raises(ValueError, match="orders must be at least 2, got 1"):
        shapley.sampled_shapley(games.as_game(games.chance(3), 3), 3, orders=1, generator=torch.Generator())


def test_sampled_pairs__are_within_their_errors() -> None:
    v, r = games.chance(8), 8
    exact = pairs.pair_orders(moebius(v))
    generator = torch.Generator().manual_seed(0)
    found = pairs.sampled_pairs(games.as_game(v, r), r, pairs=10, contexts=200, sizes=(0, 3, 6), generator=generator)
    truth = exact[found.pair[:, 0], found.pair[:, 1]][:, list(found.size)]
    sampled = found.error > 0
    assert sampled.any(dim=0).tolist() == [False, True, False]  # one context each of sizes 0 and 6
    torch.testing.assert_close(found.value[~sampled], truth[~sampled])
    assert bool(((found.value - truth).abs()[sampled] < 4 * found.error[sampled]).all())
    strength, error = found.strength()
    torch.testing.assert_close(strength[0], truth[:, 0].abs().mean())
    assert float(error[0]) > 0
    assert found.converged(tolerance=1.0)
    assert not found.converged(tolerance=0.001)


def test_context_sizes__of_the_source_at_32_regions() -> None:
    assert pairs.context_sizes(32) == (0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)


def test_sampled_pairs__impossible_size() -> None:
    with pytest.raises(ValueError, match="sizes must be between 0 and 1 for 3 regions"):
        pairs.sampled_pairs(games.as_game(games.chance(3), 3), 3, sizes=(2,), generator=torch.Generator())
