"""Budgets of a run: clouds seen, minutes that become steps once, and those that are too small or have no meaning."""

import json
from pathlib import Path

import pytest
import torch

from pointssl.app.pretrain_commands import own_budget
from pointssl.app.recipes import recipe
from pointssl.data.batches import Batches
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import Interrupted, SettingError
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.layout import read_json
from pointssl.runs.run import load
from pointssl.train import budget
from pointssl.train.estimate import estimate
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

ENDLESS = DataConfig(source="generated:unions", reading=ReadConfig(points=24), batch_size=4)


def lines(run: Path) -> list[dict[str, float]]:
    """Return the run's metrics."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path) -> list[torch.Tensor]:
    """Return the encoder's tensors."""
    return list(load(run).state_dict().values())


def test_clouds_seen__of_an_endless_set(tmp_path: Path) -> None:
    config = tiny_config(data=ENDLESS, steps=None, clouds_seen=25.0)
    run = pretrain(config, tmp_path / "run", device="cpu")
    logged = lines(run)
    assert [line["clouds_seen"] for line in logged] == [4, 8, 12, 16, 20, 24]  # six whole batches of 4
    assert "epoch" not in logged[0]
    record = read_json(run / "record.json")
    assert record["data"]["name"] == "generated:unions"
    assert record["data"]["clouds"] is None
    assert record["data"]["fingerprint"] == open_dataset("generated:unions").fingerprint


def test_endless__stopped_and_resumed_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(data=ENDLESS)
    whole = pretrain(config, tmp_path / "whole", device="cpu")
    stop_after(monkeypatch, 3)
    with pytest.raises(Interrupted):
        pretrain(config, tmp_path / "stopped", device="cpu")
    monkeypatch.undo()
    resumed = pretrain(config, tmp_path / "stopped", resume=True, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let every run be interrupted after `step` updates, as by Ctrl-C."""
    from pointssl.train.runtime import Runtime

    asked: list[bool] = []

    def stopped(self: Runtime, flag: bool) -> bool:
        asked.append(flag)
        return len(asked) >= step

    monkeypatch.setattr(Runtime, "any", stopped)


def test_minutes__become_steps_once_and_the_run_is_one_of_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"minutes": 0.5, "steps": 6, "seconds_per_step": 1.0}
    fit = budget.fit_to_time

    def six(*arguments: object) -> object:
        state, real = fit(*arguments)  # type: ignore[arg-type]
        assert real["steps"] > 6
        return state, found

    monkeypatch.setattr(budget, "fit_to_time", six)
    config = tiny_config(steps=None, minutes=0.5)
    timed = pretrain(config, tmp_path / "timed", data=ToyClouds(), device="cpu")
    assert "0.5 min at 1 s a step: 6 steps, 24 clouds" in " ".join(capsys.readouterr().err.split())
    assert read_json(timed / "record.json")["budget"] == found
    # What was measured is forgotten: the weights are those of a run of six steps from the beginning.
    plain = pretrain(tiny_config(steps=6), tmp_path / "plain", data=ToyClouds(), device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(weights(timed), weights(plain), strict=True))


def test_minutes__resume_takes_the_steps_from_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(steps=None, minutes=0.5)
    found = {"minutes": 0.5, "steps": 6, "seconds_per_step": 1.0}
    monkeypatch.setattr(budget, "fit_to_time", lambda _c, _b, state, _r: (state, found))
    stop_after(monkeypatch, 3)
    with pytest.raises(Interrupted, match="stopped after step 3 of 6"):
        pretrain(config, tmp_path / "run", data=ToyClouds(), device="cpu")
    monkeypatch.undo()
    monkeypatch.setattr(budget, "fit_to_time", lambda *_: pytest.fail("measured again"))
    run = pretrain(config, tmp_path / "run", data=ToyClouds(), resume=True, device="cpu")
    plain = pretrain(tiny_config(steps=6), tmp_path / "plain", data=ToyClouds(), device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(weights(run), weights(plain), strict=True))


def test_minutes__schedule_fits_the_time(tmp_path: Path) -> None:
    # Three seconds on whatever machine: that many steps, within a factor that a busy machine may take.
    run = pretrain(tiny_config(steps=None, minutes=0.05), tmp_path / "run", data=ToyClouds(), device="cpu")
    record = read_json(run / "record.json")
    steps, per_step = record["budget"]["steps"], record["budget"]["seconds_per_step"]
    assert 0.5 < steps * per_step < 3.0
    assert lines(run)[-1]["step"] == steps
    assert lines(run)[-1]["lr"] < 0.2 * lines(run)[0]["lr"]  # the cosine has come down


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "data without an end has no epochs; give another budget: --clouds-seen"),
        ({"steps": None, "clouds_seen": 3.0}, "clouds_seen is 3, less than one step of 4 clouds"),
        ({"optim": OptimConfig(warmup_steps=6)}, "the budget is 6 steps, and the warm-up .* alone takes 6"),
        ({"steps": None, "clouds_seen": 24.0, "optim": OptimConfig(warmup_steps=7)}, "alone takes 7"),
        ({"optim": OptimConfig(schedule="step")}, "has no end and so no epochs; use optim.schedule cosine"),
        ({"optim": OptimConfig(warmup_epochs=1.0)}, "has no end and so no epochs"),
    ],
)  # fmt: skip
def test_budget__that_cannot_be_is_one_line_before_any_work(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=message) as raised:
        pretrain(tiny_config(data=ENDLESS, **change), tmp_path / "run", device="cpu")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_minutes__too_few_for_the_warm_up(tmp_path: Path) -> None:
    config = tiny_config(steps=None, minutes=0.5, optim=OptimConfig(warmup_steps=10**6))
    with pytest.raises(SettingError, match=r"0.5 min at .* s a step is \d+ steps, and the warm-up .* takes 1000000"):
        pretrain(config, tmp_path / "run", data=ToyClouds(), device="cpu")
    assert not (tmp_path / "run" / "config.json").exists()  # the folder can be used for another try


def test_estimate__of_an_endless_set_and_of_minutes() -> None:
    found = estimate(tiny_config(data=ENDLESS, steps=None, clouds_seen=400.0), device="cpu", steps=1)
    assert (found.clouds, found.steps_per_epoch, found.total_steps) == (None, None, 100)
    rows = dict(found.table())
    assert rows["clouds"] == "without end"
    assert rows["steps"] == "100"
    assert "time per epoch" not in rows
    timed = estimate(tiny_config(steps=None, minutes=2.0), data=ToyClouds(), device="cpu", steps=1)
    assert timed.total_steps == int(120 / timed.seconds_per_step)


def test_command_line__its_budget_replaces_the_recipes() -> None:
    config = recipe("contrast-pointnet")
    assert config.clouds_seen == 1.4e6
    assert own_budget(config, ["--data", "x"]) == config
    assert own_budget(config, ["--epochs", "3"]).clouds_seen is None
    assert own_budget(config, ["--clouds_seen=5"]).clouds_seen is None  # the flag brings its own
    with pytest.raises(SettingError, match="one budget, got --epochs and --steps"):
        own_budget(PretrainConfig(), ["--steps", "3", "--epochs=2"])


def test_planned_steps__of_a_set_with_an_end_are_its_epochs() -> None:
    batches = Batches(ToyClouds(), batch=4, points=8, seed=0)
    assert budget.planned_steps(PretrainConfig(epochs=2.5), batches) == 10
    assert budget.planned_steps(PretrainConfig(minutes=1.0), batches) is None
