"""What happens to a run between a stop and the day it is taken up: damage, other settings, other machines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointssl.errors import BusyError, DataError, RunError, SettingError, TrainingStopped
from pointssl.files import lock
from pointssl.runs.checkpoint import checkpoints
from pointssl.runs.config import OptimConfig
from pointssl.runs.record import Metrics, read_metrics
from pointssl.runs.run import Run, load
from pointssl.runs.weights import read_tensors, write_tensors
from pointssl.train import checks
from pointssl.train.observe import Observer
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps with checkpoints after 2, 4 (and 6, the end)."""
    return pretrain(tiny_config(), tmp_path_factory.mktemp("whole") / "run", data=ToyClouds())


@pytest.fixture
def stopped(whole: Path, tmp_path: Path) -> Path:
    """The same run as it lay after step 6 was lost: checkpoints of steps 2 and 4 would do, kept are 4 and 6."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "encoder")
    return run


def _end(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(run / "encoder" / "model.safetensors")


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 64
    file.write_bytes(content)


def _zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.case("checkpoint-damaged")
@pytest.mark.parametrize("damage", [_flip, _zeros], ids=["bit", "zeros"])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "config.json"])
def test_resume__a_damaged_checkpoint_falls_back_to_the_one_before(
    whole: Path, stopped: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], name: str
) -> None:
    if name == "config.json" and damage is _flip:
        pytest.skip("too short")
    last = checkpoints(stopped)[-1]
    assert last.name == "step-00000006"
    damage(last / name)
    pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    assert "has changed since it was written" in capsys.readouterr().err.replace("\n", " ")
    assert all(torch.equal(value, _end(whole)[key]) for key, value in _end(stopped).items())


@pytest.mark.case("checkpoint-damaged")
def test_resume__the_watchs_figures_are_sealed_too(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = checkpoints(stopped)[-1] / "state.json"
    held = json.loads(file.read_text())
    held["watch"]["sum"] += 1.0
    file.write_text(json.dumps(held))
    pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    assert "has changed" in capsys.readouterr().err


@pytest.mark.case("checkpoint-damaged")
def test_load__a_changed_encoder_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(whole / "encoder", folder)
    _flip(folder / "model.safetensors")
    with pytest.raises(RunError, match=r"model.safetensors has changed since it was written \(its checksum differs\)"):
        load(folder)


def test_weights__without_a_checksum_are_read(tmp_path: Path) -> None:
    """Files of other programs, and ours of before there were checksums, have none."""
    import safetensors.torch

    (tmp_path / "a.safetensors").write_bytes(safetensors.torch.save({"a": torch.arange(3.0)}))
    assert read_tensors(tmp_path / "a.safetensors")["a"].tolist() == [0, 1, 2]
    write_tensors(tmp_path / "b.safetensors", {"a": torch.arange(3.0), "none": torch.empty(0)})
    assert safetensors.torch.load_file(tmp_path / "b.safetensors")["a"].tolist() == [0, 1, 2]


@pytest.mark.case("config-by-hand")
def test_resume__settings_changed_by_hand_are_refused_with_the_way_to_do_it(stopped: Path) -> None:
    config = tiny_config()
    changed = replace(config, optim=replace(config.optim, lr=0.5))
    _write_config(stopped, changed)
    with pytest.raises(SettingError, match=r"optim.lr was .*is 0.5.*pointssl pretrain RECIPE --init-from"):
        pretrain(changed, stopped, data=ToyClouds(), resume=True)
    harmless = replace(config, log_every=3)
    _write_config(stopped, harmless)
    pretrain(harmless, stopped, data=ToyClouds(), resume=True)


def _write_config(run: Path, config: Any) -> None:
    from pointssl.runs.config import to_json

    (run / "config.json").write_text(json.dumps(to_json(config)))


@pytest.mark.case("world-size")
def test_resume__on_another_number_of_processes_is_refused(stopped: Path) -> None:
    record = json.loads((stopped / "record.json").read_text())
    record["hardware"]["processes"] = 2
    (stopped / "record.json").write_text(json.dumps(record))
    with pytest.raises(SettingError, match=r"begun on 2 processes and would go on with 1.*torchrun --nproc-per-node 2"):
        pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize(
    "content", ["[]", "5", "null", '"x"', "[" * 100_000, "\xff\xfe", "{}", '{"data": [-5]}', "1" * 5000]
)
def test_resume__a_record_of_the_wrong_kind_is_one_line(stopped: Path, content: str) -> None:
    (stopped / "record.json").write_bytes(content.encode("latin-1"))
    with pytest.raises((RunError, DataError, SettingError)) as caught:
        pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("content", ["[]", '{"step": "4"}', '{"step": 6, "watch": {"sum": null}}', "[" * 100_000])
def test_resume__a_state_of_the_wrong_kind_is_passed_over(whole: Path, stopped: Path, content: str) -> None:
    (checkpoints(stopped)[-1] / "state.json").write_text(content)
    pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    assert all(torch.equal(value, _end(whole)[key]) for key, value in _end(stopped).items())


@pytest.mark.case("metrics-never-block")
@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'{"step": "x"}\n', b"\0" * 50, b'{"step": 1e999}\n']
)
def test_metrics__whatever_stands_in_them_never_blocks(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "loss": 2.0}\n' + junk)
    assert [line["step"] for line in read_metrics(tmp_path)][:1] == [1]
    Metrics(tmp_path, 1).close()
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 2.0}]


@pytest.mark.case("two-at-once")
def test_a_run__is_trained_by_one_process_at_a_time(stopped: Path) -> None:
    with (
        lock(stopped / checks.LOCK, "it"),
        pytest.raises(BusyError, match=f"another process is at work on the run {stopped}"),
    ):
        pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    pretrain(tiny_config(), stopped, data=ToyClouds(), resume=True)
    assert not (stopped / checks.LOCK).exists()


@pytest.mark.case("killed-before-the-first-file")
def test_a_kill_before_the_first_file__leaves_a_folder_that_can_be_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / ".deadbeef.partial").mkdir(parents=True)
    (run / ".config.json.82170fb9.partial").write_text("{")  # as earlier versions called it
    (run / checks.LOCK).touch()
    pretrain(tiny_config(), run, data=ToyClouds())
    assert sorted(path.name for path in run.iterdir() if path.name.startswith(".")) == []


@pytest.mark.case("max-restarts")
def test_restart__takes_up_what_the_first_try_of_the_same_job_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: torchrun's words in the environment, on one process."""
    run, see = tmp_path / "run", Observer.see
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")

    def dying(self: Observer, now: Any, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index == 3:
            raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(Observer, "see", dying)
        with pytest.raises(SystemExit):
            pretrain(tiny_config(), run, data=ToyClouds())
    with pytest.raises(RunError, match="already holds a run"):  # not a restart
        pretrain(tiny_config(), run, data=ToyClouds())
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    with pytest.raises(RunError, match="already holds a run"):  # somebody else's
        pretrain(tiny_config(seed=5), run, data=ToyClouds())
    pretrain(tiny_config(), run, data=ToyClouds())
    assert (run / "encoder").is_dir()


@pytest.mark.case("shapeless")
@pytest.mark.parametrize("kind", ["one place", "sentinel", "huge"])
def test_clouds_that_are_nothing__are_refused_before_training(tmp_path: Path, kind: str) -> None:
    data = ToyClouds()
    for points in data.points:
        if kind == "one place":
            points[:] = 1.0
        elif kind == "sentinel":
            points[0, 0] = 1e30
        else:
            points *= np.float32(1e37)
    with pytest.raises(DataError, match=r"cloud 0 of toy has (all its points in one place|coordinates beyond 1e\+18)"):
        pretrain(tiny_config(), tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists() or list((tmp_path / "run").iterdir()) == []


@pytest.mark.case("nan-has-a-way-on")
def test_nan__the_message_names_a_way_on(tmp_path: Path) -> None:
    config = tiny_config(optim=OptimConfig(kind="sgd", lr=1e18), steps=40)
    with pytest.raises(TrainingStopped, match=r"--init-from .*run --out NEW --optim.lr 1e\+17"):
        pretrain(config, tmp_path / "run", data=ToyClouds())


@pytest.mark.case("sighup")
@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGHUP")
@pytest.mark.parametrize("number", ["SIGHUP", "SIGUSR1"])
def test_signals__a_closed_terminal_and_a_schedulers_warning_save_the_state(tmp_path: Path, number: str) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "tests.train.whole_run", str(run), "slow"]
    # What started the tests may ignore a hang-up, as nohup does, and processes inherit that.
    ignored = signal.signal(getattr(signal, number), signal.SIG_DFL)
    try:
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(getattr(signal, number), ignored)
    with process:
        deadline = time.monotonic() + 60
        while len(read_metrics(run)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(getattr(signal, number))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "stopped after step" in said
    assert len(checkpoints(run)) == 1


@pytest.mark.case("stranger-shapes")
@pytest.mark.parametrize("change", [{"pooled_dim": 10**9}, {"widths": [8] * 200_000}], ids=["wide", "deep"])
def test_load__a_strangers_settings_take_no_memory(whole: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(whole / "encoder", folder)
    config = json.loads((folder / "config.json").read_text())
    known = {key: value for key, value in change.items() if key in config["backbone"]}
    if not known:
        pytest.skip("this backbone has no such setting")
    config["backbone"] |= known
    (folder / "config.json").write_text(json.dumps(config))
    began = time.monotonic()
    with pytest.raises(RunError, match="does not fit"):
        load(folder)
    assert time.monotonic() - began < 30


@pytest.mark.case("stranger-shapes")
@pytest.mark.parametrize("width", [10**9, 10**18])
@pytest.mark.parametrize("part", ["encoder", "method"])
def test_open__a_strangers_run_takes_no_memory_either(stopped: Path, width: int, part: str) -> None:
    config = json.loads((stopped / "config.json").read_text())
    if part == "method":
        config["method"]["components"] = width
    else:
        config["backbone"]["pooled_dim"] = width
    (stopped / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="does not fit"):
        Run.open(stopped).method()
