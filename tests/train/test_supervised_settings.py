"""Every setting of a supervised run is at work: seen in what the network is given, in the loss and in the update."""

from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.base import Backbone
from pointssl.data.augment import AugmentConfig
from pointssl.data.batches import Batches
from pointssl.data.reading import ReadConfig
from pointssl.errors import SettingError
from pointssl.methods import Classify, ClassifyConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.record import read_metrics
from pointssl.runs.run import Run
from pointssl.runs.weights import read_tensors
from pointssl.train.classifier import load_classifier, resume_classifier, train_classifier
from pointssl.train.ema import Average
from pointssl.train.scores import predict
from pointssl.train.state import TrainingState
from pointssl.types import Features
from tests.doubles import ToyClouds

DATA = (ToyClouds(16), ToyClouds(8, seed=1))
SEEN: list[Tensor] = []
"""What `Watching` was given in training, in order."""


@final
class Watching(Backbone):
    """Pooled feature: the mean of the squares of the coordinates, weighted; keeps what it is given in training."""

    def __init__(self) -> None:
        super().__init__()
        self.point_dim, self.pooled_dim, self.min_points = 3, 3, 1
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        if self.training:
            SEEN.append(xyz.clone())
        return Features(points=xyz, pooled=(xyz.square() * self.weight).mean(dim=1))


def config(**changes: Any) -> PretrainConfig:
    """Eight updates of four clouds, two epochs, with every random change of the clouds left out."""
    settings: dict[str, Any] = {
        "method": ClassifyConfig(hidden=(), dropout=0.0),
        "data": DataConfig(reading=ReadConfig(points=24), batch_size=4, workers=0),
        "optim": OptimConfig(kind="sgd", lr=0.5, momentum=0.0, schedule="constant"),
        "epochs": 2.0,
        "log_every": 1,
        "monitor_every": 0,
        "keep_checkpoints_at": (0.0, 1 / 8),
        "checkpoint_every": 100,
    }
    return PretrainConfig(**(settings | changes))


def trained(folder: Path, **changes: Any) -> tuple[Path, list[Tensor]]:
    """Return a run of `Watching` and what it was given."""
    SEEN.clear()
    run = train_classifier(config(**changes), folder, data=DATA, backbone=Watching(), device="cpu")
    return run, list(SEEN)


def weights(run: Path, step: int) -> dict[str, Tensor]:
    return read_tensors(run / "checkpoints" / f"step-{step:08d}" / "model.safetensors")


def test_points__are_drawn_afresh_in_every_epoch(tmp_path: Path) -> None:
    _, seen = trained(tmp_path / "run")
    assert len(seen) == 8
    first, second = (torch.cat(seen[epoch : epoch + 4]) for epoch in (0, 4))
    # The same sixteen clouds in another order: none of them is seen twice with the same points.
    spread = [epoch.square().sum(dim=1) for epoch in (first, second)]  # per axis, whatever the order of the points
    assert (spread[0][:, None] - spread[1]).abs().amax(dim=2).min() > 1e-3


def test_order__is_new_in_every_epoch_and_the_seeds(tmp_path: Path) -> None:
    batches = Batches(DATA[0], batch=4, points=24, seed=0)
    orders = [np.concatenate([batches.indices(step) for step in range(start, start + 4)]) for start in (0, 4)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(16))
    assert orders[0].tolist() != orders[1].tolist()
    _, seen = trained(tmp_path / "run")
    torch.testing.assert_close(seen[3], batches(3).xyz)


def test_augment__changes_what_the_network_is_given(tmp_path: Path) -> None:
    _, plain = trained(tmp_path / "plain")
    doubled = DataConfig(
        reading=ReadConfig(points=24), batch_size=4, workers=0, augment=AugmentConfig(scale=(2.0, 2.0))
    )
    _, changed = trained(tmp_path / "changed", data=doubled)
    torch.testing.assert_close(torch.cat(changed), 2 * torch.cat(plain))


def test_warmup__in_epochs_rises_over_its_updates(tmp_path: Path) -> None:
    optim = OptimConfig(kind="sgd", lr=0.4, schedule="constant", warmup_epochs=0.5)  # two of four updates an epoch
    run, _ = trained(tmp_path / "run", optim=optim)
    assert [line["lr"] for line in read_metrics(run)] == pytest.approx([0.2, *[0.4] * 7])
    steps = OptimConfig(kind="sgd", lr=0.4, schedule="constant", warmup_steps=4)
    run, _ = trained(tmp_path / "steps", optim=steps)
    assert [line["lr"] for line in read_metrics(run)] == pytest.approx([0.1, 0.2, 0.3, *[0.4] * 5])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing__first_loss_by_hand(smoothing: float, tmp_path: Path) -> None:
    method = ClassifyConfig(hidden=(), dropout=0.0, label_smoothing=smoothing)
    run, seen = trained(tmp_path / "run", method=method)
    start, batch = weights(run, 0), Batches(DATA[0], batch=4, points=24, seed=0)(0)
    [head, bias] = [value.double() for name, value in sorted(start.items(), reverse=True) if name.startswith("head")]
    logits = seen[0].double().square().mean(dim=1) @ head.T + bias
    share = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    assert batch.label is not None
    # Two classes: 1 - s on the own one, s on the other.
    own, other = (share[torch.arange(4), label].log() for label in (batch.label, 1 - batch.label))
    expected = -((1 - smoothing) * own + smoothing * other).mean()
    assert read_metrics(run)[0]["loss"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_clip__bounds_the_update(clip: float | None, tmp_path: Path) -> None:
    run, _ = trained(tmp_path / "run", optim=OptimConfig(kind="sgd", lr=0.5, momentum=0.0, clip=clip))
    before, after = weights(run, 0), weights(run, 1)
    moved = torch.stack([(after[name] - before[name]).square().sum() for name in before]).sum().sqrt()
    norm = read_metrics(run)[0]["grad_norm"]
    assert norm > 0.05
    assert float(moved) == pytest.approx(0.5 * (norm if clip is None else clip), rel=1e-3)


def test_weight_decay__pulls_at_the_head(tmp_path: Path) -> None:
    plain, _ = trained(tmp_path / "plain", optim=OptimConfig(kind="sgd", lr=0.5, momentum=0.0))
    pulled, _ = trained(tmp_path / "pulled", optim=OptimConfig(kind="sgd", lr=0.5, momentum=0.0, weight_decay=0.1))
    first, moved, less = weights(plain, 0), weights(plain, 1), weights(pulled, 1)
    [matrix] = [name for name, value in first.items() if value.ndim == 2]
    torch.testing.assert_close(moved[matrix] - less[matrix], 0.5 * 0.1 * first[matrix])
    assert all(torch.equal(moved[name], less[name]) for name in first if name != matrix)


def test_backbone__of_ones_own_is_copied_trained_and_resumed(tmp_path: Path) -> None:
    own = Watching()
    run = train_classifier(config(), tmp_path / "run", data=DATA, backbone=own, device="cpu")
    assert torch.equal(own.weight, torch.ones(3))
    assert not torch.equal(weights(run, 8)["backbone.weight"], torch.ones(3))
    before = Run.open(run).scores()
    (run / "scores.json").unlink()
    train_classifier(config(), run, data=DATA, backbone=own, resume=True, device="cpu")
    assert Run.open(run).scores() == before
    with pytest.raises(SettingError, match="give init_from or backbone, not both"):
        train_classifier(config(), tmp_path / "other", data=DATA, backbone=own, init_from=own)


def test_head__is_the_same_whatever_encoder_it_gets(tmp_path: Path) -> None:
    first, _ = trained(tmp_path / "first")
    torch.manual_seed(17)
    again, _ = trained(tmp_path / "again")
    assert all(torch.equal(value, weights(again, 0)[name]) for name, value in weights(first, 0).items())
    other, _ = trained(tmp_path / "other", seed=1)
    assert not torch.equal(weights(first, 0)["head.0.weight"], weights(other, 0)["head.0.weight"])


def small(**changes: Any) -> PretrainConfig:
    """A PointNet with everything that score_epochs could disturb: batch norm, dropout, random points, an average."""
    method = ClassifyConfig(hidden=(8,), dropout=0.5)
    backbone = PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10)
    return config(method=method, backbone=backbone, optim=OptimConfig(lr=0.02), **changes)


def test_head__is_the_same_for_a_built_and_a_passed_encoder(tmp_path: Path) -> None:
    """Building an encoder draws random numbers, passing one draws none; the head must not feel it."""
    settings = small()
    built = train_classifier(settings, tmp_path / "built", data=DATA, device="cpu")
    net = build_backbone(settings.backbone)
    passed = train_classifier(settings, tmp_path / "passed", data=DATA, backbone=net, device="cpu")
    heads = [{k: v for k, v in weights(run, 0).items() if k.startswith("head.")} for run in (built, passed)]
    assert any(value.is_floating_point() and value.std() > 0 for value in heads[0].values())
    assert all(torch.equal(value, heads[1][name]) for name, value in heads[0].items())


@pytest.mark.parametrize("ema", [None, 0.5])
def test_score_epochs__changes_nothing_and_ends_at_the_score(ema: float | None, tmp_path: Path) -> None:
    plain = train_classifier(small(ema=ema), tmp_path / "plain", data=DATA, device="cpu")
    watched = train_classifier(small(ema=ema), tmp_path / "watched", data=DATA, device="cpu", score_epochs=True)
    assert all(torch.equal(value, weights(watched, 8)[name]) for name, value in weights(plain, 8).items())
    lines = [(line["step"], line["test_accuracy"]) for line in read_metrics(watched) if "test_accuracy" in line]
    scores = Run.open(watched).scores()
    assert [step for step, _ in lines] == [4, 8]
    assert lines[-1][1] == scores.accuracy == Run.open(plain).scores().accuracy
    best = max(accuracy for _, accuracy in lines)
    assert (scores.best_accuracy, scores.best_epoch) == (best, 1 + [a for _, a in lines].index(best))
    assert Run.open(plain).scores().best_accuracy is None
    assert replace(scores, best_accuracy=None, best_epoch=None) == Run.open(plain).scores()


def test_averaged__is_a_copy_with_the_averaged_weights() -> None:
    """Epochs are scored with the weights that the run would end with; those in training stay as they are."""
    method = Classify(
        build_backbone(PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10)), ClassifyConfig(hidden=(), classes=2)
    )
    average = Average(method, 0.5)
    average.tensors = {name: torch.full_like(value, 3) for name, value in average.tensors.items()}
    before = {name: value.clone() for name, value in method.state_dict().items()}
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
    averaged = TrainingState(method, optimizer, average).averaged()
    assert all((value == 3).all() for value in averaged.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert TrainingState(method, optimizer, None).averaged() is method


def test_score_epochs__middle_accuracy_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    config = small(keep_checkpoints_at=(0.5,))
    run = train_classifier(config, tmp_path / "run", data=DATA, device="cpu", score_epochs=True)
    network = load_classifier(run / "checkpoints" / "step-00000004")
    predictions = predict(network, DATA[1], config.data.reading, device="cpu")
    assert DATA[1].labels is not None
    [middle] = [line["test_accuracy"] for line in read_metrics(run) if line["step"] == 4]
    assert middle == np.mean(predictions == DATA[1].labels)


def test_score_epochs__is_remembered_when_a_run_goes_on(tmp_path: Path) -> None:
    data = DataConfig(source="synthetic:24", reading=ReadConfig(points=24), batch_size=4, workers=0)
    run = train_classifier(small(data=data, steps=2), tmp_path / "run", score_epochs=True, device="cpu")
    before = Run.open(run).scores()
    (run / "scores.json").unlink()
    resume_classifier(run, device="cpu")
    assert Run.open(run).scores() == before
    assert before.best_epoch is not None
