"""Alarms: NaN, divergence and collapse are noticed, and healthy runs are left in peace."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pointssl.backbones import Backbone
from pointssl.errors import TrainingStopped
from pointssl.runs.weights import read_tensors
from pointssl.train.loop import Step
from pointssl.train.monitor import CollapseMonitor, LossWatch, effective_rank, spread
from pointssl.train.pretrain import pretrain
from pointssl.types import Features
from tests.doubles import ToyClouds, tiny_config

HEALTHY = Step(index=0, loss=1.0, grad_norm=1.0, lr=0.1, applied=True, logs={}, batches=())


def test_effective_rank__equal_directions_count_in_full() -> None:
    # Corners of a cross in 3 dimensions: centred, three equal singular values.
    cross = torch.cat([torch.eye(3), -torch.eye(3)])
    assert effective_rank(cross) == pytest.approx(3.0)
    assert effective_rank(torch.nn.functional.pad(cross, (0, 5)) + 7) == pytest.approx(3.0)


def test_effective_rank__by_hand_for_unequal_directions() -> None:
    features = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))  # singular values 3 and 1 times the same root of 2
    assert effective_rank(features) == pytest.approx(math.exp(entropy))


def test_effective_rank__collapsed_features() -> None:
    assert effective_rank(torch.ones(5, 4)) == 1.0
    assert effective_rank(torch.arange(5.0)[:, None] * torch.ones(1, 4)) == pytest.approx(1.0, abs=1e-6)


def test_spread__by_hand() -> None:
    # Standard deviations (n - 1 below the sum of squares) of (0, 2) and (5, 5): sqrt 2 and 0.
    assert spread(torch.tensor([[0.0, 5.0], [2.0, 5.0]])) == pytest.approx(math.sqrt(2) / 2)


def test_loss_watch__nan_and_infinite_gradient() -> None:
    watch = LossWatch(10.0)
    assert watch.fault(HEALTHY) is None
    assert watch.fault(replace(HEALTHY, loss=math.nan, applied=False)) == "the loss became nan"
    fault = watch.fault(replace(HEALTHY, grad_norm=math.inf, applied=False))
    assert fault is not None
    assert "the gradient became inf" in fault


def test_loss_watch__a_falling_and_a_noisy_loss_are_healthy() -> None:
    falling, noisy = LossWatch(10.0), LossWatch(10.0)
    noise = torch.randn(500, generator=torch.Generator().manual_seed(0)).tolist()
    for step in range(500):
        assert falling.fault(replace(HEALTHY, loss=2 - 0.01 * step)) is None
        assert noisy.fault(replace(HEALTHY, loss=2 + noise[step])) is None


def test_loss_watch__divergence_is_said_and_can_be_switched_off() -> None:
    strict, off = LossWatch(10.0), LossWatch(0.0)
    losses = [1.0] * 20 + [1.5**n for n in range(40)]
    faults = [(strict.fault(replace(HEALTHY, loss=x)), off.fault(replace(HEALTHY, loss=x))) for x in losses]
    said = [fault for fault, _ in faults if fault]
    assert "diverged" in said[0]
    assert "from 1 at the start" in said[0]
    assert not any(other for _, other in faults)


def test_loss_watch__one_bad_batch_is_not_divergence() -> None:
    watch = LossWatch(10.0)
    for _ in range(30):
        watch.fault(HEALTHY)
    assert watch.fault(replace(HEALTHY, loss=8.0)) is None


def test_loss_watch__goes_on_from_its_figures() -> None:
    whole, first = LossWatch(10.0), LossWatch(10.0)
    losses = [1.0 + 0.01 * n for n in range(60)]
    for loss in losses[:30]:
        whole.fault(replace(HEALTHY, loss=loss))
        first.fault(replace(HEALTHY, loss=loss))
    second = LossWatch(10.0, json.loads(json.dumps(first.figures)))
    for loss in losses[30:]:
        whole.fault(replace(HEALTHY, loss=loss))
        second.fault(replace(HEALTHY, loss=loss))
    assert whole.figures == second.figures


class _Shrinking(Backbone):
    """Pooled features are the first coordinates times a factor that the test sets."""

    factor = 1.0

    def forward(self, xyz: torch.Tensor) -> Features:
        return Features(points=xyz, pooled=xyz.flatten(1)[:, :6] * self.factor)


def test_collapse_monitor__warns_once_for_each_fall() -> None:
    monitor, backbone = CollapseMonitor(torch.randn(20, 4, 3)), _Shrinking()
    warnings = []
    for factor in (1.0, 0.5, 0.05, 0.04, 1.0, 0.01):
        backbone.factor = factor
        warnings.append(monitor.warning(monitor.look(backbone)))
    assert [warning is not None for warning in warnings] == [False, False, True, False, False, True]
    assert warnings[2] is not None
    assert "feature_std" in warnings[2]
    assert backbone.training


class _Poisoned(Backbone):
    """A network that breaks at its third training step."""

    point_dim, pooled_dim, calls = 3, 6, 0

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, xyz: torch.Tensor) -> Features:
        self.calls += self.training
        points = xyz * self.weight * (math.nan if self.calls == 3 else 1.0)
        return Features(points=points, pooled=torch.cat([points.amax(dim=1), points.amin(dim=1)], dim=-1))


def test_stop__keeps_batch_weights_and_reason(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingStopped, match=r"stopped at step 3: the loss became nan.*run/failure") as caught:
        pretrain(tiny_config(), run, data=ToyClouds(), backbone=_Poisoned())
    assert "\n" not in str(caught.value)
    reason = json.loads((run / "failure" / "reason.json").read_text())
    assert reason["step"] == 3
    assert reason["weights_updated"] is False
    assert read_tensors(run / "failure" / "batch.safetensors")["xyz.0"].shape == (4, 24, 3)
    kept = read_tensors(run / "failure" / "model.safetensors")
    after_two = read_tensors(run / "checkpoints" / "step-00000002" / "model.safetensors")
    # The running statistics of the norms have met the bad batch; the weights have not.
    trained = [name for name in kept if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(kept[name], after_two[name]) for name in trained)
