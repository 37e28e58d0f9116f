"""The estimate of a run's cost: sums by hand, nothing written, the same refusals as a real run."""

from pathlib import Path

import pytest
import torch

from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError
from pointssl.runs.config import DataConfig, OptimConfig
from pointssl.train.estimate import duration, estimate
from tests.doubles import ToyClouds, tiny_config


def test_estimate__counts_by_hand_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state()
    config = tiny_config(steps=None, epochs=10.0, optim=OptimConfig(accumulate=2))
    found = estimate(config, data=ToyClouds(), device="cpu", steps=2)
    # Weights without bias, each with a norm of two vectors: 3·6 + 12, 6·8 + 16, 8·10 + 20.
    assert found.encoder_parameters == 30 + 64 + 100
    # Head: 6·8 + 16 and 10·8 of the context, then 8·3 + 3.
    assert found.parameters == found.encoder_parameters + 64 + 80 + 27
    assert found.steps_per_epoch == 2.0  # 16 clouds in updates of 2 batches of 4
    assert found.total_steps == 20
    assert found.seconds_per_step > 0
    assert found.seconds == pytest.approx(20 * found.seconds_per_step)
    assert found.clouds_per_s == pytest.approx(8 / found.seconds_per_step)
    assert [name for name, _ in found.table()][-1] == "time of the run"
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), before)


def test_estimate__sees_the_memory_of_a_step() -> None:
    config = tiny_config(data=DataConfig(reading=ReadConfig(points=3000), batch_size=16))
    found = estimate(config, data=ToyClouds(points=3000), device="cpu", steps=1)
    # Of 48,000 points: logits, their exponentials and gradients are 3 wide, layers 6, 8 and 10, all float32.
    assert found.memory is not None
    assert found.memory > 48_000 * (6 + 8 + 10) * 4


def test_estimate__refuses_what_a_run_would_refuse() -> None:
    with pytest.raises(DataError, match="fewer than one batch"):
        estimate(tiny_config(), data=ToyClouds(clouds=2), device="cpu")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.43, "0.4 s"), (42.4, "42 s"), (300.0, "5 min"), (7260.0, "2 h 1 min")]
)
def test_duration__as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
