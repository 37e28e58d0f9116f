"""Dropout over the rows of all processes."""

import pytest
import torch

from pointssl.backbones.layers import Dropout
from pointssl.ops import distributed


def test_dropout__keeps_the_mean_and_drops_its_share() -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.25)(torch.ones(400, 100))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert dropped[dropped > 0].unique().tolist() == pytest.approx([1 / 0.75])


def test_dropout__is_nothing_in_evaluation() -> None:
    x = torch.randn(4, 3)
    assert Dropout(0.5).eval()(x) is x


def test_dropout__two_processes_drop_what_one_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    x, layer = torch.randn(6, 5, 7), Dropout(0.5)
    torch.manual_seed(3)
    alone = layer(x)
    monkeypatch.setattr(distributed, "world", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        torch.manual_seed(3)
        assert torch.equal(layer(x[3 * rank : 3 * rank + 3]), alone[3 * rank : 3 * rank + 3])
