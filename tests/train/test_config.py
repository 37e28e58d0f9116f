"""Settings to JSON and back: nothing is lost, nothing unknown gets in, and errors name the place."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pointssl.backbones import DGCNNConfig
from pointssl.data.augment import AugmentConfig
from pointssl.errors import SettingError
from pointssl.methods import METHODS, SUPERVISED
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig, from_json, to_json

FULL = PretrainConfig(
    backbone=DGCNNConfig(k=7, widths=(8, 8)),
    data=DataConfig(source="shapes", augment=AugmentConfig(scale=(0.8, 1.2), rotation="up")),
    optim=OptimConfig(kind="sgd", clip=1.5, betas=(0.5, 0.6)),
    steps=12,
    ema=0.99,
    keep_checkpoints_at=(0.1, 1.0),
    precision="bf16",
)


@pytest.mark.parametrize("config", [PretrainConfig(), FULL], ids=["default", "full"])
def test_json__there_and_back(config: PretrainConfig) -> None:
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_json__unions_carry_their_kind() -> None:
    value = to_json(FULL)
    assert value["method"]["kind"] == "parae"
    assert value["backbone"]["kind"] == "dgcnn"


def test_json__settings_left_out_are_the_defaults() -> None:
    assert from_json({"seed": 3}) == PretrainConfig(seed=3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.update(sed=3), r"run: unknown setting 'sed' \(did you mean 'seed'\?\)"),
        (
            lambda c: c["data"]["reading"].update(poinst=3),
            r"run: data.reading: unknown setting 'poinst' \(did you mean 'points'\?\)",
        ),
        (
            lambda c: c["data"]["augment"].update(sclae=3),
            r"data.augment: unknown setting 'sclae' \(did you mean 'scale'",
        ),
        (lambda c: c["method"].update(kind="parea"), r"run: method: unknown kind 'parea' \(did you mean 'parae'\?\)"),
        (lambda c: c["backbone"].update(kind="pointnet"), "backbone: unknown setting 'form'|unknown setting 'k'"),
        (
            lambda c: c["method"].pop("kind"),
            re.escape(f"method: needs a kind (choose from: {', '.join(sorted(METHODS | SUPERVISED))})"),
        ),
        (lambda c: c.update(method="parae"), "method: needs a kind"),
        (lambda c: c["method"].update(components=1), "run: method: components must be at least 2, got 1"),
        (lambda c: c["optim"].update(lr=-1.0), "run: optim: lr must be positive, got -1.0"),
        (lambda c: c.update(epochs="3"), "run: epochs: must be a number, got '3'"),
        (lambda c: c.update(seed=1.5), "run: seed: must be a whole number, got 1.5"),
        (lambda c: c.update(seed=True), "run: seed: must be a whole number, got True"),
        (lambda c: c.update(compile=1), "run: compile: must be true or false, got 1"),
        (lambda c: c["data"].update(source=4), "run: data.source: must be a text, got 4"),
        (lambda c: c.update(precision="fp16"), "run: precision: fp16 not in"),
        (lambda c: c.update(ema=float("nan")), "run: ema: must be a number"),
    ],
)
def test_json__faults_are_named(spoil: Callable[[dict[str, Any]], object], message: str) -> None:
    value = copy.deepcopy(to_json(FULL))
    spoil(value)
    with pytest.raises(SettingError, match=message):
        from_json(value, "run")


def test_json__must_be_an_object() -> None:
    with pytest.raises(SettingError, match=r"run: expected an object with settings, got \[\]"):
        from_json([], "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0.0}, "epochs must be positive"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"clouds_seen": 0.0}, "clouds_seen must be positive"),
        ({"minutes": -1.0}, "minutes must be positive"),
        ({"ema": 1.0}, "ema must be between 0 and 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1"),
        ({"keep_checkpoints_at": (2.0,)}, "keep_checkpoints_at must be training fractions"),
    ],
)
def test_config__refuses_impossible_values(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainConfig(**change)


def test_total_steps__epochs_and_accumulation_by_hand() -> None:
    # 3 epochs of 10 batches, two batches an update: 15 updates; `steps` counts updates and wins.
    assert PretrainConfig(epochs=3.0, optim=OptimConfig(accumulate=2)).total_steps(10, 4) == 15
    assert PretrainConfig(epochs=3.0, steps=4).total_steps(10, 4) == 4
    assert PretrainConfig(epochs=0.01).total_steps(10, 4) == 1


def test_total_steps__clouds_seen_by_hand() -> None:
    # 1000 clouds in updates of 2 batches of 64: seven whole updates, whatever an epoch is.
    config = PretrainConfig(epochs=3.0, clouds_seen=1e3, optim=OptimConfig(accumulate=2))
    assert config.total_steps(10, 64) == 7
    assert PretrainConfig(clouds_seen=1e3, steps=4).total_steps(10, 64) == 4
