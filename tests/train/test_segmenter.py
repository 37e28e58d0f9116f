"""Segmenters: a planted answer is found and scored on every point, runs resume exactly, faults come before the work."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointssl.app.cli import main
from pointssl.data.augment import AugmentConfig
from pointssl.data.point_labels import PointLabelled, labelled_splits
from pointssl.data.splits import open_splits
from pointssl.errors import DataError, Interrupted, RunError, SettingError
from pointssl.methods import SegmentConfig
from pointssl.ops import segmentation
from pointssl.runs.config import PretrainConfig
from pointssl.runs.record import read_metrics
from pointssl.runs.run import Run
from pointssl.runs.weights import read_tensors
from pointssl.train.labels import LabelConfig
from pointssl.train.loop import Step
from pointssl.train.observe import Observer
from pointssl.train.point_scores import groups_of, predict_points, probabilities
from pointssl.train.pretrain import pretrain
from pointssl.train.segmenter import load_segmenter, resume_segmenter, train_segmenter
from tests.data.test_point_labels import halves
from tests.doubles import tiny_config

DATA = (halves(16), halves(4, seed=1))


def config(**changes: Any) -> PretrainConfig:
    """The tiny run with a segmenter in it."""
    return tiny_config(**({"method": SegmentConfig(hidden=(8,), dropout=0.3)} | changes))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    return train_segmenter(config(), tmp_path_factory.mktemp("whole") / "run", data=DATA)


def test_planted__parts_are_found(tmp_path: Path) -> None:
    # The part is 1 where x > 0 of what the network is given: only the mean of a group of points moves the border.
    settings = config(steps=150, method=SegmentConfig(hidden=(8,), dropout=0.0))
    settings = replace(settings, optim=replace(settings.optim, lr=0.02))
    run = train_segmenter(settings, tmp_path / "run", data=DATA)
    scores = Run.open(run).point_scores()
    assert scores.miou > 0.75
    assert Run.open(train_segmenter(config(steps=1), tmp_path / "one", data=DATA)).point_scores().miou < 0.7


def test_run__every_stored_point_is_scored(whole: Path) -> None:
    scores, network = Run.open(whole).point_scores(), load_segmenter(whole)
    splits, _ = labelled_splits(open_splits(DATA, classes=False))
    predicted = list(predict_points(network, splits.test, config().data.reading, device="cpu"))
    truth = [PointLabelled(DATA[1]).point_label(index) for index in range(4)]
    matrix = segmentation.confusion(np.concatenate(truth), np.concatenate(predicted), 2)
    assert scores.confusion == matrix.tolist()
    assert (scores.points, scores.clouds, scores.learned_from) == (160, 4, 16)
    assert scores.miou == segmentation.mean_iou(matrix)
    assert scores.instance_miou is None  # these clouds have no class
    assert scores.parts == ["part 0", "part 1"]


def test_groups__hold_every_point() -> None:
    groups = groups_of(50, 24, seed=3)
    assert groups.shape == (3, 24)
    assert set(groups.reshape(-1).tolist()) == set(range(50))
    assert sorted(groups_of(10, 24, seed=3)[0].tolist()) == sorted([*range(10), *range(10), *groups_of(10, 4, 3)[0]])


def test_probabilities__are_the_mean_over_groups_and_votes(whole: Path) -> None:
    network, reading = load_segmenter(whole), replace(config().data.reading, normalise=False)
    xyz = DATA[1].xyz(0)
    found = probabilities(network, xyz, reading, votes=2, seed=5)
    total, seen = np.zeros((40, 2)), np.zeros(40)
    from pointssl.ops.counter_random import seed_of

    for vote in range(2):
        for rows in groups_of(40, 24, seed_of(5, vote)):
            with torch.no_grad():
                made = network(torch.from_numpy(xyz[rows])[None]).softmax(-1)[0].numpy()
            for row, p in zip(rows, made, strict=True):
                total[row] += p
                seen[row] += 1
    np.testing.assert_allclose(found, total / seen[:, None], atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_probabilities__stay_inside_the_category(tmp_path: Path) -> None:
    run = train_segmenter(
        config(data=replace(config().data, reading=replace(config().data.reading, points=64))),
        tmp_path / "run",
        data="synthetic:24",
    )
    scores, network = Run.open(run).point_scores(), load_segmenter(run)
    assert network.allowed is not None
    assert network.categories == 24
    assert scores.instance_miou == pytest.approx(np.mean(scores.per_cloud))
    splits, _ = labelled_splits(open_splits("synthetic:24", classes=False))
    labels = splits.test.labels
    assert labels is not None
    reading = Run.open(run).reading
    for index, predicted in enumerate(predict_points(network, splits.test, reading, device="cpu")):
        assert network.allowed[labels[index]][predicted].all()


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    see = Observer.see

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)


@pytest.mark.parametrize("step", [1, 4])
def test_resume__ends_as_if_never_stopped(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        with pytest.raises(Interrupted, match="pointssl train --resume"):
            train_segmenter(config(), tmp_path / "run", data=DATA)
    run = train_segmenter(config(), tmp_path / "run", data=DATA, resume=True)
    ours, theirs = (read_tensors(one / "checkpoints" / "step-00000006" / "model.safetensors") for one in (run, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert Run.open(run).point_scores() == Run.open(whole).point_scores()


def test_resume__refuses_other_parts(whole: Path) -> None:
    other = halves(4, seed=1, channels={"part": 2 * (halves(4, seed=1)[0].channels["part"] > 0)[None].repeat(4, 0)})
    with pytest.raises(DataError, match=r"was begun with other classes"):
        train_segmenter(config(), whole, data=(DATA[0], other), resume=True)


def test_start__head_alone_learns_on_a_frozen_encoder(tmp_path: Path) -> None:
    encoder = pretrain(tiny_config(), tmp_path / "pre", data=halves())
    frozen = config(method=SegmentConfig(hidden=(8,), frozen=True))
    run = train_segmenter(frozen, tmp_path / "run", data=DATA, init_from=encoder)
    before, after = (Run.open(one).encoder().state_dict() for one in (encoder, run))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    moved = train_segmenter(config(), tmp_path / "moved", data=DATA, init_from=encoder)
    assert not torch.equal(
        before["pool.layer.linear.weight"], Run.open(moved).encoder().state_dict()["pool.layer.linear.weight"]
    )


def test_epochs__last_is_the_score_and_the_best_is_called_so(tmp_path: Path) -> None:
    run = train_segmenter(config(), tmp_path / "run", data=DATA, score_epochs=True)
    scores = Run.open(run).point_scores()
    lines = [line["test_miou"] for line in read_metrics(run) if "test_miou" in line]
    assert lines[-1] == pytest.approx(scores.miou)
    assert scores.best_miou == max(lines)


def test_faults__come_before_the_work(tmp_path: Path) -> None:
    dropping = config(data=replace(config().data, augment=AugmentConfig(dropout=0.5)))
    with pytest.raises(SettingError, match=r"data\.augment\.dropout puts copies of a point"):
        train_segmenter(dropping, tmp_path / "run", data=DATA)
    with pytest.raises(SettingError, match="a segmenter needs the method segment, got ParAE"):
        train_segmenter(tiny_config(), tmp_path / "run", data=DATA)
    with pytest.raises(DataError, match=r"method\.parts is 5, but the points of halves have 2"):
        train_segmenter(config(method=SegmentConfig(parts=5)), tmp_path / "run", data=DATA)
    with pytest.raises(DataError, match=r"method\.categories is 3, but halves has clouds of no classes"):
        train_segmenter(config(method=SegmentConfig(categories=3)), tmp_path / "run", data=DATA)
    assert not (tmp_path / "run").exists()


def test_faults__logits_that_are_not_finite(whole: Path) -> None:
    network = load_segmenter(whole)
    with torch.no_grad():
        network.head.scores.bias[0] = torch.nan
    with pytest.raises(RunError, match="logits are NaN or infinite"):
        probabilities(network, DATA[1].xyz(0), config().data.reading)


def test_faults__run_that_tells_no_points_apart(tmp_path: Path) -> None:
    encoder = pretrain(tiny_config(), tmp_path / "pre", data=halves())
    with pytest.raises(RunError, match="tells no points apart; train a run that does with: pointssl train segment"):
        load_segmenter(encoder)
    with pytest.raises(RunError, match="is no run of `pointssl train`"):
        resume_segmenter(encoder)


def test_few_labels__are_fewer_clouds_or_fewer_points(tmp_path: Path) -> None:
    few = config(method=SegmentConfig(hidden=(8,), point_fraction=0.1), steps=2)
    run = train_segmenter(few, tmp_path / "points", data=DATA)
    assert Run.open(run).point_scores().learned_from == 16
    run = train_segmenter(config(steps=2), tmp_path / "clouds", data=DATA, labels=LabelConfig(label_fraction=0.5))
    assert Run.open(run).point_scores().learned_from == 8


def test_command__trains_scores_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    main(["train", "segment-tiny", "--data", "synthetic:48", "--epochs", "1", "--out", str(out), "--device", "cpu"])
    said = capsys.readouterr()
    assert "mean IoU: " in said.out + said.err
    main(["train", "--resume", str(out), "--device", "cpu"])
    np.savez(tmp_path / "bare.npz", points=np.random.default_rng(0).normal(size=(20, 300, 3)).astype(np.float32))
    with pytest.raises(SystemExit):
        main(["train", "segment-tiny", "--data", str(tmp_path / "bare.npz"), "--out", str(tmp_path / "no")])
    assert "has no label for its points" in capsys.readouterr().err
