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


def test_draws__of_a_process_alone_are_all() -> None:
    alone = Draws.of_process(torch.Generator().manual_seed(3), 4)
    assert torch.equal(alone.uniform(2), torch.rand(4, 2, generator=torch.Generator().manual_seed(3)))
