"""Random numbers that do not depend on how a batch is split."""

import pytest
import torch

from pointssl.ops.batch_rng import Draws


def test_draws__a_part_of_a_batch_gets_its_part_of_the_numbers() -> None:
    whole = Draws(torch.Generator().manual_seed(3), 6)
    part = Draws(torch.Generator().manual_seed(3), 2, first=4, total=6)
    assert torch.equal(whole.uniform(3)[4:], part.uniform(3))
    assert torch.equal(whole.normal(5, 2)[4:], part.normal(5, 2))
    with pytest.raises(ValueError, match="total must be at least 6"):
        Draws(torch.Generator(), 2, first=4, total=5)


@pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 20, None])
def test_spread__processes_weigh_to_the_mean_of_one(count: int | None) -> None:
    value = torch.randn(8, generator=torch.Generator().manual_seed(0))
    rows, factor = Draws(None, 8).spread(count)
    assert len(rows) == min(8, count or 8)
    assert factor == pytest.approx(1.0)
    parts = [Draws(None, 4, first=first, total=8).spread(count) for first in (0, 4)]
    assert torch.equal(torch.cat([own + first for (own, _), first in zip(parts, (0, 4), strict=True)]), rows)
    means = [
        share * float(value[first : first + 4][own].mean()) if len(own) else 0.0
        for (own, share), first in zip(parts, (0, 4), strict=True)
    ]
    assert sum(means) / 2 == pytest.approx(float(value[rows].mean()), abs=1e-6)


def test_draws__of_a_process_alone_are_all() -> None:
    alone = Draws.of_process(torch.Generator().manual_seed(3), 4)
    assert torch.equal(alone.uniform(2), torch.rand(4, 2, generator=torch.Generator().manual_seed(3)))
