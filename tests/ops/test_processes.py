"""Sums over processes, for a process alone; `tests/train/test_distributed.py` has two."""

import torch

from pointssl.ops import distributed


def test_alone__everything_is_the_tensor_itself() -> None:
    x = torch.randn(3, 2)
    assert distributed.world() == 1
    assert distributed.total(x, 1) is x
    assert distributed.mean(x, 1).equal(x)


def test_mean__operator_is_well_formed() -> None:
    torch.library.opcheck(torch.ops.pointssl.mean_over_processes.default, (torch.randn(4, requires_grad=True), 1))
