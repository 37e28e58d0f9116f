"""Supervised runs: scored, resumed bit for bit, started from others, with few labels, and refused before they begin."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Subset
from pointssl.errors import DataError, Interrupted, RunError, SettingError, TrainingStopped
from pointssl.methods import ClassifyConfig
from pointssl.methods.interaction import InteractionConfig
from pointssl.runs.config import DataConfig, PretrainConfig, from_json, to_json
from pointssl.runs.record import read_metrics
from pointssl.runs.run import Run, load
from pointssl.runs.weights import read_tensors
from pointssl.train.classifier import load_classifier, resume_classifier, train_classifier
from pointssl.train.labels import LabelConfig, divide
from pointssl.train.loop import Step
from pointssl.train.observe import Observer
from pointssl.train.pretrain import pretrain
from pointssl.train.scores import predict
from tests.doubles import ToyClouds, tiny_config

INTERACTION = InteractionConfig(regions=5, low=(1, 2), high=(4, 5), alpha=0.1, ramp=0.5, every=2)
DATA = (ToyClouds(), ToyClouds(8, seed=1))


def config(**changes: Any) -> PretrainConfig:
    """The tiny run with a classifier in it, whose loss pauses, rises and drops activations."""
    method = ClassifyConfig(hidden=(8,), dropout=0.3, interaction=INTERACTION)
    return tiny_config(**({"method": method} | changes))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    return train_classifier(config(), tmp_path_factory.mktemp("whole") / "run", data=DATA)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained encoder with the same settings."""
    return pretrain(tiny_config(), tmp_path_factory.mktemp("pretrained") / "run", data=ToyClouds())


def state(run: Path, step: int, file: str = "model") -> dict[str, torch.Tensor]:
    return read_tensors(run / "checkpoints" / f"step-{step:08d}" / f"{file}.safetensors")


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    see = Observer.see

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)


def test_run__is_scored_on_the_test_clouds(whole: Path) -> None:
    scores = Run.open(whole).scores()
    made = load_classifier(whole)
    predictions = predict(made, DATA[1], config().data.reading, device="cpu")
    assert scores.predictions == predictions.tolist()
    assert DATA[1].labels is not None
    assert scores.accuracy == np.mean(predictions == DATA[1].labels)
    by_class = [np.mean(predictions[DATA[1].labels == c] == c) for c in (0, 1)]
    assert scores.class_accuracy == pytest.approx(np.mean(by_class))
    assert (scores.clouds, scores.learned_from, scores.scored_on) == (8, 16, "test")
    assert made.classes == ("a", "b")
    assert not made.training
    xyz = torch.randn(2, 24, 3)
    torch.testing.assert_close(made(xyz), made.head(made.backbone(xyz).pooled))


def test_run__record_says_what_it_came_from(whole: Path) -> None:
    kept = json.loads((whole / "record.json").read_text())["training"]
    assert kept["start"] is None
    assert kept["classes"] == ["a", "b"]
    assert kept["scored_on"]["fingerprint"] == DATA[1].fingerprint
    settings = json.loads((whole / "config.json").read_text())
    assert (settings["method"]["kind"], settings["method"]["classes"]) == ("classify", 2)
    assert from_json(to_json(config())) == config()


def test_run__its_encoder_is_one_like_any_other(whole: Path) -> None:
    encoder = load(whole)
    torch.testing.assert_close(
        encoder(torch.ones(1, 24, 3)).pooled, load_classifier(whole).backbone(torch.ones(1, 24, 3)).pooled
    )


def test_run__loss_pauses_and_rises(whole: Path) -> None:
    lines = read_metrics(whole)
    assert ["interaction" in line for line in lines] == [False, False, True, False, True, False]
    # Progress 2/6 of a ramp over 1/2, then past it; doubled, because every second update pauses.
    weights = [line["interaction_weight"] for line in lines if "interaction" in line]
    assert weights == [pytest.approx(0.1 * (2 / 6) / 0.5 * 2), pytest.approx(0.1 * 2)]


@pytest.mark.parametrize("step", [1, 3, 5])
def test_resume__ends_as_if_never_stopped(
    step: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        with pytest.raises(Interrupted, match=f"pointssl train --resume {tmp_path}"):
            train_classifier(config(), tmp_path / "run", data=DATA)
    assert not (tmp_path / "run" / "scores.json").exists()
    with pytest.raises(RunError, match="has no scores yet"):
        Run.open(tmp_path / "run").scores()
    run = train_classifier(config(), tmp_path / "run", data=DATA, resume=True)
    assert same(state(run, 6), state(whole, 6))
    assert same(state(run, 6, "optimizer"), state(whole, 6, "optimizer"))
    assert [line["loss"] for line in read_metrics(run)] == [line["loss"] for line in read_metrics(whole)]
    assert Run.open(run).scores() == Run.open(whole).scores()


def test_resume__of_a_finished_run_only_scores(tmp_path: Path) -> None:
    run = train_classifier(config(), tmp_path / "run", data=DATA)
    before = (run / "scores.json").read_text()
    (run / "scores.json").unlink()
    train_classifier(config(), run, data=DATA, resume=True)
    assert (run / "scores.json").read_text() == before


def test_resume__refuses_other_data_labels_and_start(whole: Path, pretrained: Path) -> None:
    with pytest.raises(DataError, match="begun with other scored_on"):
        train_classifier(config(), whole, data=(DATA[0], ToyClouds(8, seed=2)), resume=True)
    with pytest.raises(DataError, match="begun with other labels"):
        train_classifier(config(), whole, data=DATA, labels=LabelConfig(label_fraction=0.5), resume=True)
    with pytest.raises(RunError, match="was begun from scratch, not from these weights"):
        train_classifier(config(), whole, data=DATA, init_from=pretrained, resume=True)
    with pytest.raises(RunError, match="already holds a run; resume it with: pointssl train --resume"):
        train_classifier(config(), whole, data=DATA)


def test_start__takes_the_encoder_and_the_same_head(pretrained: Path, tmp_path: Path) -> None:
    kept = config(keep_checkpoints_at=(0.0,))
    scratch = train_classifier(kept, tmp_path / "scratch", data=DATA)
    started = train_classifier(kept, tmp_path / "started", data=DATA, init_from=pretrained)
    first, other = state(started, 0), state(scratch, 0)
    encoder = read_tensors(pretrained / "encoder" / "model.safetensors")
    assert all(torch.equal(first[f"backbone.{name}"], value) for name, value in encoder.items())
    assert not same(first, other)
    assert all(torch.equal(value, other[name]) for name, value in first.items() if name.startswith("head."))
    start = json.loads((started / "record.json").read_text())["training"]["start"]
    assert start["from"] == str(pretrained)
    again = train_classifier(kept, tmp_path / "again", data=DATA, init_from=load(pretrained))
    assert same(state(again, 6), state(started, 6))
    assert json.loads((again / "record.json").read_text())["training"]["start"]["digest"] == start["digest"]


def test_start__is_found_again_when_a_run_goes_on(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train_classifier(config(), tmp_path / "expected", data=DATA, init_from=pretrained)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Interrupted):
            train_classifier(config(), tmp_path / "run", data=DATA, init_from=pretrained)
    run = train_classifier(config(), tmp_path / "run", data=DATA, resume=True)
    assert same(state(run, 6), state(expected, 6))
    assert json.loads((run / "record.json").read_text())["training"]["start"]["from"] == str(pretrained)


def test_start__other_encoder_settings(pretrained: Path, tmp_path: Path) -> None:
    wider = config(backbone=PointNetConfig(local=(6,), hidden=(8,), pooled_dim=12))
    with pytest.raises(SettingError, match=r"other settings than this run's: backbone\.pooled_dim was 10, is 12"):
        train_classifier(wider, tmp_path / "run", data=DATA, init_from=pretrained)
    with pytest.raises(SettingError, match="init_from does not fit the settings' encoder"):
        train_classifier(wider, tmp_path / "run", data=DATA, init_from=load(pretrained))
    with pytest.raises(RunError, match="does not exist"):
        train_classifier(config(), tmp_path / "run", data=DATA, init_from=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


def test_start__nan_stops_with_evidence(tmp_path: Path) -> None:
    broken = build_backbone(config().backbone)
    torch.nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(TrainingStopped, match="training stopped at step 1: the loss"):
        train_classifier(config(), tmp_path / "run", data=DATA, init_from=broken)
    assert (tmp_path / "run" / "failure" / "batch.safetensors").is_file()


def labelled(counts: tuple[int, ...], seed: int = 0) -> ArrayDataset:
    """Noise, as many clouds of each class as asked for."""
    labels = np.repeat(np.arange(len(counts)), counts)
    xyz = np.random.default_rng(seed).normal(size=(len(labels), 30, 3)).astype(np.float32)
    names = [f"class{c}" for c in range(len(counts))]
    return ArrayDataset(xyz, name="noise/train", classes=names, labels=labels)


def test_fraction__keeps_a_cloud_of_every_class_and_is_the_same_for_all() -> None:
    train, test = labelled((50, 9, 3, 1)), labelled((2, 2, 2, 2), seed=1)
    few = divide((train, test), LabelConfig(label_fraction=0.01))
    # 1 % of 50, 9, 3 and 1 rounds to nothing but for the first.
    assert np.bincount(few.train_labels).tolist() == [1, 1, 1, 1]
    half, again = (divide((train, test), LabelConfig(label_fraction=0.5, label_seed=3)) for _ in range(2))
    assert half.train.fingerprint == again.train.fingerprint
    assert np.bincount(half.train_labels).tolist() == [25, 4, 2, 1]
    assert half.test is test
    other = divide((train, test), LabelConfig(label_fraction=0.5, label_seed=4))
    assert other.train.fingerprint != half.train.fingerprint


def test_validate__holds_out_training_clouds_and_leaves_the_test_alone() -> None:
    train, test = labelled((50, 10, 5, 1)), labelled((2, 2, 2, 2), seed=1)
    parts = divide((train, test), LabelConfig(validate=0.2, label_fraction=0.5))
    held, learned = parts.test, parts.train
    assert isinstance(held, Subset)
    assert np.bincount(parts.test_labels).tolist() == [10, 2, 1]  # the only cloud of a class is learned from
    assert np.bincount(parts.train_labels).tolist() == [20, 4, 2, 1]
    clouds = [
        {learned.xyz(i).tobytes() for i in range(len(learned))},
        {held.xyz(i).tobytes() for i in range(len(held))},
    ]
    assert not clouds[0] & clouds[1]
    full = divide((train, test), LabelConfig(validate=0.2))
    assert full.test.fingerprint == held.fingerprint  # the same clouds, however many labels


def test_validate__is_said_in_the_scores(tmp_path: Path) -> None:
    run = train_classifier(config(), tmp_path / "run", data=DATA, labels=LabelConfig(validate=0.25))
    scores = Run.open(run).scores()
    assert (scores.scored_on, scores.clouds, scores.learned_from) == ("validation", 4, 12)


def test_fraction__fewer_clouds_than_a_batch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fewer than one batch of 4; set data\.batch_size to at most 2"):
        train_classifier(config(), tmp_path / "run", data=DATA, labels=LabelConfig(label_fraction=0.1))
    assert not (tmp_path / "run").exists()


def test_data__classes_that_do_not_match(tmp_path: Path) -> None:
    five = config(method=ClassifyConfig(classes=5))
    with pytest.raises(DataError, match=r"method\.classes is 5, but toy has 2 classes"):
        train_classifier(five, tmp_path / "run", data=DATA)
    with pytest.raises(DataError, match="the classes of noise/train and toy do not match"):
        train_classifier(config(), tmp_path / "run", data=(labelled((5, 5)), DATA[1]))


def test_data__without_labels_or_of_one_class(tmp_path: Path) -> None:
    bare = ArrayDataset(np.zeros((8, 30, 3), dtype=np.float32), name="bare")
    with pytest.raises(DataError, match="bare has no labels"):
        train_classifier(config(), tmp_path / "run", data=(bare, bare))
    one = labelled((8,))
    with pytest.raises(DataError, match="clouds of one class only"):
        train_classifier(config(), tmp_path / "run", data=(one, one))


def test_settings__that_train_no_classifier(pretrained: Path, whole: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="needs the method classify, got ParAE"):
        train_classifier(tiny_config(), tmp_path / "run", data=DATA)
    with pytest.raises(SettingError, match=r"regions must be at most data\.points \(4\), got 5"):
        train_classifier(
            config(data=DataConfig(reading=ReadConfig(points=4), batch_size=4)), tmp_path / "run", data=DATA
        )
    with pytest.raises(RunError, match="holds an encoder, no classifier"):
        load_classifier(pretrained)
    with pytest.raises(RunError, match="is no run of `pointssl train`"):
        resume_classifier(pretrained)
    with pytest.raises(ValueError, match=r"label_fraction must be in \(0, 1\]"):
        LabelConfig(label_fraction=0.0)
    with pytest.raises(ValueError, match="validate must be at least 0"):
        LabelConfig(validate=1.0)
    broken = load_classifier(whole)
    torch.nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(RunError, match="logits are NaN"):
        predict(broken, DATA[1], config().data.reading, device="cpu")


def test_run__leaves_the_callers_randomness_alone(pretrained: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_classifier(replace(config(), steps=1), tmp_path / "run", data=DATA, init_from=pretrained)
    assert torch.equal(torch.rand(1), expected)


def test_average__is_what_is_scored(tmp_path: Path) -> None:
    run = train_classifier(config(ema=0.9), tmp_path / "run", data=DATA)
    averaged, loaded = state(run, 6, "ema"), load_classifier(run).state_dict()
    assert all(torch.equal(loaded[name], averaged[name]) for name in loaded)


def test_real__every_class_of_a_real_set_at_one_per_cent(shared_data: Path) -> None:
    few = divide(str(shared_data / "psb-shrec12"), LabelConfig(label_fraction=0.01))
    assert set(few.train_labels) == set(range(len(few.train.classes)))
    assert len(few.train) < 100
