"""Precision auto: decided once, by the device, told, and kept by the run wherever it goes on."""

from pathlib import Path

import pytest
import torch

from pointssl.runs.run import Run
from pointssl.train import pretrain
from pointssl.train.runtime import Runtime, bf16_is_fast, bf16_is_slow
from tests.doubles import ToyClouds, tiny_config

CPU = Runtime(torch.device("cpu"))


@pytest.mark.parametrize(("fast", "precision", "why"), [(True, "bf16", "has"), (False, "float32", "lacks")])
def test_auto__is_decided_by_the_device_and_kept(
    fast: bool,
    precision: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pretrain, "bf16_is_fast", lambda _: fast)
    config = tiny_config(precision="auto", steps=2)
    run = pretrain.pretrain(config, tmp_path / "run", data=ToyClouds(), device="cpu")
    assert Run.open(run).config.precision == precision
    told = " ".join(capsys.readouterr().err.split())
    assert f"precision: {precision}, because this device {why} bf16 arithmetic" in told
    # Elsewhere, with another device, the run goes on as it began.
    monkeypatch.setattr(pretrain, "bf16_is_fast", lambda _: not fast)
    assert pretrain.decided(config, run, CPU).precision == precision


def test_bf16__is_not_both_fast_and_slow() -> None:
    cpu = torch.device("cpu")
    assert not (bf16_is_fast(cpu) and bf16_is_slow(cpu))


def test_given_precision__is_left_alone(tmp_path: Path) -> None:
    config = tiny_config(precision="bf16")
    assert pretrain.decided(config, tmp_path, CPU) is config
