"""Whole runs: resumed bit for bit, killed, interrupted, out of space, and refused before they begin."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import DGCNNConfig, PointNetConfig
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, DiskFullError, Interrupted, RunError, SettingError
from pointssl.methods import ParAEConfig
from pointssl.runs.checkpoint import checkpoints
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.record import read_metrics
from pointssl.runs.run import load
from pointssl.runs.weights import read_tensors, write_tensors
from pointssl.train.loop import Step
from pointssl.train.observe import Observer
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

ROOT = Path(__file__).parents[2]
FILES = ("model.safetensors", "optimizer.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, never stopped."""
    return pretrain(tiny_config(), tmp_path_factory.mktemp("whole") / "run", data=ToyClouds())


def _same_end(run: Path, other: Path, files: tuple[str, ...] = FILES) -> None:
    """Both runs end with the same bits and the same line of every step."""
    for name in files:
        one = read_tensors(run / "checkpoints" / "step-00000006" / name)
        two = read_tensors(other / "checkpoints" / "step-00000006" / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(value, two[key]) for key, value in one.items()), name
    assert [line["step"] for line in read_metrics(run)] == [line["step"] for line in read_metrics(other)]
    assert [line["loss"] for line in read_metrics(run)] == [line["loss"] for line in read_metrics(other)]


def _stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send this process a Ctrl-C while it takes note of `step`."""
    see = Observer.see

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)


def test_pretrain__leaves_a_whole_run_folder(whole: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        "checkpoints",
        "config.json",
        "encoder",
        "metrics.jsonl",
        "record.json",
    ]
    assert sorted(path.name for path in (whole / "encoder").iterdir()) == [
        "config.json",
        "model.safetensors",
        "record.json",
    ]
    assert [path.name for path in checkpoints(whole)] == ["step-00000004", "step-00000006"]
    record = json.loads((whole / "record.json").read_text())
    assert record["data"] == {"name": "toy", "clouds": 16, "fingerprint": ToyClouds().fingerprint, "up": "y"}
    assert record["versions"]["torch"] == torch.__version__
    assert record["finished"]["steps"] == 6
    assert {"commit", "seed", "hardware", "command", "started"} <= record.keys()


def test_pretrain__logs_what_the_page_promises(whole: Path) -> None:
    lines = read_metrics(whole)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "epoch", "lr", "grad_norm", "clouds_per_s", "nll", "effective_components"} <= lines[1].keys()
    assert ["effective_rank" in line for line in lines] == [True, False, True, False, False, True]
    assert lines[3]["epoch"] == 1.0  # 16 clouds in batches of 4


def test_pretrain__is_a_function_of_the_seed(whole: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)  # the caller's random state is of no matter
    before = torch.get_rng_state()
    again = pretrain(tiny_config(), tmp_path / "again", data=ToyClouds())
    _same_end(whole, again)
    assert torch.equal(torch.get_rng_state(), before)
    other = pretrain(tiny_config(seed=1), tmp_path / "other", data=ToyClouds())
    assert read_metrics(other)[0]["loss"] != read_metrics(whole)[0]["loss"]


@pytest.mark.parametrize("step", [1, 2, 5])
def test_resume__after_ctrl_c_ends_with_the_same_bits(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        _stop_after(patch, step)
        with pytest.raises(Interrupted, match=f"after step {step} of 6.*pointssl pretrain --resume {run}"):
            pretrain(tiny_config(), run, data=ToyClouds())
    assert checkpoints(run)[-1].name == f"step-{step:08d}"
    pretrain(tiny_config(), run, data=ToyClouds(), resume=True)
    _same_end(run, whole)
    assert len(json.loads((run / "record.json").read_text())["resumed"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"optim": OptimConfig(kind="sgd", momentum=0.0)},
        {"optim": OptimConfig(kind="sgd", lr=0.01, clip=0.1)},
        {"optim": OptimConfig(kind="adamw", weight_decay=0.1, warmup_steps=2, accumulate=2)},
        {"ema": 0.9},
        {"precision": "bf16"},
        {"backbone": DGCNNConfig(k=5, widths=(16, 16), pooled_dim=16)},
    ],
    ids=["sgd", "momentum", "adamw", "ema", "bf16", "dgcnn"],
)
def test_resume__holds_for_every_kind_of_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    config = tiny_config(**changes)
    expected = pretrain(config, tmp_path / "whole", data=ToyClouds())
    with monkeypatch.context() as patch:
        _stop_after(patch, 3)
        with pytest.raises(Interrupted):
            pretrain(config, tmp_path / "run", data=ToyClouds())
    pretrain(config, tmp_path / "run", data=ToyClouds(), resume=True)
    _same_end(tmp_path / "run", expected, (*FILES, "ema.safetensors") if config.ema else FILES)
    encoders = [read_tensors(tmp_path / name / "encoder" / "model.safetensors") for name in ("run", "whole")]
    assert all(torch.equal(value, encoders[1][key]) for key, value in encoders[0].items())


@pytest.mark.case("58-resume")
def test_resume__after_kill_9_within_a_checkpoint(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "tests.train.whole_run", str(run), "cut"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in checkpoints(run)] == ["step-00000002"]
    assert list((run / "checkpoints").glob(".*.partial")) != []
    assert load(run)(torch.randn(2, 24, 3)).pooled.isfinite().all()
    pretrain(tiny_config(), run, data=ToyClouds(), resume=True)
    assert list((run / "checkpoints").glob(".*")) == []
    _same_end(run, whole)


def test_sigterm__in_a_process_of_its_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "tests.train.whole_run", str(run), "slow"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while len(read_metrics(run)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "Interrupted: stopped after step" in said
    assert "Traceback" not in said
    assert len(checkpoints(run)) == 1


def test_ctrl_c_twice__stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see = Observer.see

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped at once; the checkpoint of step 2 is kept"):
        pretrain(tiny_config(), tmp_path / "run", data=ToyClouds())
    assert signal.getsignal(signal.SIGINT) is handler


def test_full_disk__keeps_earlier_checkpoints_and_says_how_to_go_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write = tmp_path / "run", write_tensors

    def full(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        if "step-00000004" in str(path):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, tensors)

    with monkeypatch.context() as patch:
        patch.setattr("pointssl.train.state.write_tensors", full)
        with pytest.raises(DiskFullError, match=r"no space left.*checkpoints to step 2 are whole; free some space"):
            pretrain(tiny_config(), run, data=ToyClouds())
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"]
    pretrain(tiny_config(), run, data=ToyClouds(), resume=True)
    _same_end(run, whole)


def test_resume__after_a_kill_between_the_last_checkpoint_and_the_encoder(tmp_path: Path) -> None:
    run = pretrain(tiny_config(), tmp_path / "run", data=ToyClouds())
    expected = read_tensors(run / "encoder" / "model.safetensors")
    (run / "encoder").rename(run / ".encoder.0a1b.partial")
    (run / ".record.json.0a1b.partial").touch()
    pretrain(tiny_config(), run, data=ToyClouds(), resume=True)
    found = read_tensors(run / "encoder" / "model.safetensors")
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    assert list(run.glob(".*")) == []


def test_resume__of_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = pretrain(tiny_config(steps=1), tmp_path / "run", data=ToyClouds())
    before = (run / "record.json").read_text()
    assert pretrain(tiny_config(steps=1), run, data=ToyClouds(), resume=True) == run
    assert (run / "record.json").read_text() == before


def test_keep__checkpoints_for_later_studies(tmp_path: Path) -> None:
    config = tiny_config(keep_checkpoints_at=(0.0, 0.5), checkpoint_every=1)
    run = pretrain(config, tmp_path / "run", data=ToyClouds())
    assert [path.name for path in checkpoints(run)] == [f"step-0000000{n}" for n in (0, 3, 5, 6)]


def test_ema__is_the_encoder(tmp_path: Path) -> None:
    run = pretrain(tiny_config(ema=0.9), tmp_path / "run", data=ToyClouds())
    last = run / "checkpoints" / "step-00000006"
    average, weights = read_tensors(last / "ema.safetensors"), read_tensors(last / "model.safetensors")
    encoder = load(run).state_dict()
    name = "local.0.linear.weight"
    assert torch.equal(encoder[name], average[f"backbone.{name}"])
    assert torch.equal(load(last).state_dict()[name], encoder[name])
    assert not torch.equal(encoder[name], weights[f"backbone.{name}"])


def _expect(error: type[Exception], message: str, config: PretrainConfig, run: Path, data: ToyClouds) -> None:
    with pytest.raises(error, match=message) as caught:
        pretrain(config, run, data=data)
    assert "\n" not in str(caught.value)
    assert not (run / "config.json").exists()


def test_refused__folder_that_holds_a_run(whole: Path) -> None:
    with pytest.raises(RunError, match="already holds a run; resume it with: pointssl pretrain --resume"):
        pretrain(tiny_config(), whole, data=ToyClouds())


def test_refused__folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    _expect(RunError, "exists and is not empty", tiny_config(), tmp_path, ToyClouds())


def test_refused__resuming_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        pretrain(tiny_config(), tmp_path / "nowhere", data=ToyClouds(), resume=True)
    with pytest.raises(RunError, match="is not a run"):
        pretrain(tiny_config(), tmp_path, data=ToyClouds(), resume=True)


def test_refused__resuming_with_other_settings_or_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    _stop_after(monkeypatch, 1)
    with pytest.raises(Interrupted):
        pretrain(tiny_config(), run, data=ToyClouds())
    with pytest.raises(SettingError, match=r"optim.lr was 0.001, is 0.1; seed was 0, is 1"):
        pretrain(tiny_config(seed=1, optim=OptimConfig(lr=0.1)), run, data=ToyClouds(), resume=True)
    with pytest.raises(DataError, match="was begun with other clouds: toy with 16, now toy with 20"):
        pretrain(tiny_config(), run, data=ToyClouds(clouds=20), resume=True)


def test_refused__too_few_clouds_and_points(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _expect(DataError, "toy has 3 clouds, fewer than one batch of 4", tiny_config(), run, ToyClouds(clouds=3))
    _expect(DataError, "toy is empty", tiny_config(), run, ToyClouds(clouds=0))
    few = ToyClouds(points=20)
    _expect(DataError, "cloud 0 of toy has 20 points, fewer than data.points 24", tiny_config(), run, few)
    single = tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=1))
    _expect(SettingError, "data.batch_size must be at least 2", single, run, ToyClouds())


def test_refused__more_neighbours_than_points(tmp_path: Path) -> None:
    config = tiny_config(backbone=DGCNNConfig(k=30, widths=(4,), pooled_dim=8))
    _expect(SettingError, "data.points is 24, but the backbone needs at least 30", config, tmp_path / "r", ToyClouds())


def test_refused__clouds_that_are_not_finite(tmp_path: Path) -> None:
    data = ToyClouds()
    data.points[7][3, 1] = np.nan
    _expect(DataError, "cloud 7 of toy has NaN or infinite", tiny_config(), tmp_path / "run", data)


def test_bad_cloud_found_on_the_way__the_steps_before_it_are_kept(tmp_path: Path) -> None:
    data, reads = ToyClouds(), []

    class Failing(ToyClouds):
        def xyz(self, index: int) -> Any:
            reads.append(index)
            return data.points[index] * (np.nan if len(reads) > 16 + 16 + 12 else 1)

    run = tmp_path / "run"
    config = tiny_config(checkpoint_every=100, data=DataConfig(reading=ReadConfig(points=24), batch_size=4, workers=0))
    with pytest.raises(DataError, match="NaN or infinite"):
        pretrain(config, run, data=Failing())
    assert [path.name for path in checkpoints(run)] == ["step-00000003"]


def test_init_from__the_whole_method_where_the_task_is_the_same(whole: Path, tmp_path: Path) -> None:
    config = tiny_config(steps=2, keep_checkpoints_at=(0.0,), optim=OptimConfig(lr=1e-4))
    run = pretrain(config, tmp_path / "run", data=ToyClouds(seed=1), init_from=whole)
    first = read_tensors(run / "checkpoints" / "step-00000000" / "model.safetensors")
    last = read_tensors(whole / "checkpoints" / "step-00000006" / "model.safetensors")
    assert all(torch.equal(value, last[name]) for name, value in first.items())
    start = json.loads((run / "record.json").read_text())["start"]
    assert (start["from"], start["weights"]) == (str(whole), "method")


def test_init_from__the_encoder_alone_where_the_task_is_another(whole: Path, tmp_path: Path) -> None:
    other = tiny_config(steps=2, keep_checkpoints_at=(0.0,), method=ParAEConfig(components=5, head=(8,)))
    run = pretrain(other, tmp_path / "run", data=ToyClouds(), init_from=whole)
    first = read_tensors(run / "checkpoints" / "step-00000000" / "model.safetensors")
    encoder = read_tensors(whole / "encoder" / "model.safetensors")
    assert all(torch.equal(first[f"backbone.{name}"], value) for name, value in encoder.items())
    assert json.loads((run / "record.json").read_text())["start"]["weights"] == "encoder"


def test_init_from__resumed_to_the_same_bits(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = pretrain(tiny_config(seed=3), tmp_path / "straight", data=ToyClouds(), init_from=whole)
    with monkeypatch.context() as patch:
        _stop_after(patch, 3)
        with pytest.raises(Interrupted):
            pretrain(tiny_config(seed=3), tmp_path / "stopped", data=ToyClouds(), init_from=whole)
    _same_end(straight, pretrain(tiny_config(seed=3), tmp_path / "stopped", data=ToyClouds(), resume=True))


def test_init_from__another_encoder_is_refused(whole: Path, tmp_path: Path) -> None:
    wider = tiny_config(backbone=PointNetConfig(local=(6,), hidden=(8,), pooled_dim=11))
    with pytest.raises(SettingError, match=r"other settings than this run's: backbone\.pooled_dim was 10, is 11"):
        pretrain(wider, tmp_path / "run", data=ToyClouds(), init_from=whole)
    assert not (tmp_path / "run" / "config.json").exists()
