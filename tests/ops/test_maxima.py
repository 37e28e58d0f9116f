"""All coalitions of a max-pooled feature at once, against a loop over coalitions."""

import pytest
import torch

from pointssl.ops.games import max_pool_coalitions
from pointssl.ops.games.coalitions import all_coalitions


def _reached(r: int = 5, e: int = 7, b: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(r)
    return torch.randn(b, r, e, generator=generator), torch.randn(b, e, generator=generator)


def _slow(reached: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """Max over the kept regions and the rest, coalition by coalition."""
    r = reached.shape[1]
    rows = [torch.cat([reached[:, kept], rest[:, None]], dim=1).amax(dim=1) for kept in all_coalitions(r)]
    return torch.stack(rows, dim=1)


def test_region_maxima__by_hand() -> None:
    features = torch.tensor([[[1.0, 5.0], [3.0, 2.0], [0.0, 9.0]]])
    found = max_pool_coalitions.region_maxima(features, torch.tensor([[0, 0, 2]]), 3)
    assert found.tolist() == [[[3.0, 5.0], [-torch.inf, -torch.inf], [0.0, 9.0]]]


@pytest.mark.parametrize("r", [1, 2, 5])
def test_coalition_maxima__agree_with_a_loop(r: int) -> None:
    reached, rest = _reached(r)
    assert torch.equal(max_pool_coalitions.coalition_maxima(reached, rest), _slow(reached, rest))


def test_pooled_of_coalitions__agree_with_those_of_all_coalitions() -> None:
    reached, rest = _reached(b=1)
    number = torch.tensor(
        [0, 30, 5, 18]
    )  # of the whole cloud, 31, no point is absent: the other leaves that to its caller
    found = max_pool_coalitions.pooled_of_coalitions(reached, rest, all_coalitions(5)[number][None])[0]
    assert torch.equal(found, max_pool_coalitions.coalition_maxima(reached, rest)[0, number])


@pytest.mark.parametrize("r", [1, 2, 5])
def test_linear_of_maxima__agrees_with_a_loop(r: int) -> None:
    reached, rest = (part.double() for part in _reached(r))
    weight = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = max_pool_coalitions.linear_of_maxima(reached[0], rest[0], weight)
    torch.testing.assert_close(found, _slow(reached, rest)[0] @ weight.mT, atol=1e-12, rtol=0)


def test_linear_of_maxima__equal_and_empty_regions() -> None:
    reached, rest = (part.double() for part in _reached(4))
    reached[0, 1], reached[0, 2] = reached[0, 0], -torch.inf
    weight = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = max_pool_coalitions.linear_of_maxima(reached[0], rest[0], weight)
    torch.testing.assert_close(found, _slow(reached, rest)[0] @ weight.mT, atol=1e-12, rtol=0)
