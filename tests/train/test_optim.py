"""The learning rate by hand at its corners, and which weights are pulled towards zero."""

import pytest
import torch
from torch import nn

from pointssl.runs.config import OptimConfig
from pointssl.train.optim import build_optimizer, learning_rate


def test_learning_rate__warm_up_rises_in_a_line() -> None:
    config = OptimConfig(lr=0.4, warmup_steps=4)
    assert [learning_rate(config, step, 10, 5.0) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_learning_rate__warm_up_in_epochs_is_that_many_updates() -> None:
    config = OptimConfig(lr=0.4, warmup_epochs=1.6)  # of 2.5 updates: four
    assert [learning_rate(config, step, 10, 2.5) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    steps = OptimConfig(lr=0.4, warmup_steps=4)
    assert [learning_rate(config, s, 10, 2.5) for s in range(10)] == [
        learning_rate(steps, s, 10, 2.5) for s in range(10)
    ]
    with pytest.raises(ValueError, match=r"warmup_epochs must be 0 where warmup_steps is given \(4\), got 1.0"):
        OptimConfig(warmup_steps=4, warmup_epochs=1.0)
    with pytest.raises(ValueError, match="warmup_epochs must be at least 0"):
        OptimConfig(warmup_epochs=-1.0)


def test_learning_rate__cosine_starts_at_the_top_and_halves_in_the_middle() -> None:
    config = OptimConfig(lr=1.0, final_lr=0.2, warmup_steps=2)
    assert learning_rate(config, 2, 10, 5.0) == pytest.approx(1.0)
    assert learning_rate(config, 6, 10, 5.0) == pytest.approx(0.6)
    assert learning_rate(config, 10, 10, 5.0) == pytest.approx(0.2)


def test_learning_rate__steps_are_cut_by_the_factor_to_the_floor() -> None:
    config = OptimConfig(lr=1.0, schedule="step", step_epochs=2.0, step_factor=0.5, final_lr=0.2)
    # An epoch of 2.5 updates: cuts at updates 5, 10, 15.
    found = [learning_rate(config, step, 99, 2.5) for step in (0, 4, 5, 9, 10, 15)]
    assert found == pytest.approx([1.0, 1.0, 0.5, 0.5, 0.25, 0.2])


def test_learning_rate__constant() -> None:
    assert {learning_rate(OptimConfig(schedule="constant", lr=0.3), s, 9, 3.0) for s in range(9)} == {0.3}


@pytest.mark.parametrize(
    ("kind", "expected"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_build_optimizer__decays_matrices_only(kind: str, expected: type) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = build_optimizer(module, OptimConfig(kind=kind, weight_decay=0.1))  # type: ignore[arg-type]
    assert type(optimizer) is expected
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(module[0].weight)}
