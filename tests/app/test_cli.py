"""The command line: what a user does wrong is one line on standard error, exit code 2 and no traceback."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pointssl.app import cli
from pointssl.app.recipes import RECIPES
from pointssl.backbones import PointNetConfig
from pointssl.errors import DiskFullError
from pointssl.runs.checkpoint import latest

CLOUDS = "synthetic:64"
TINY = ["pretrain", "parae-tiny", "--steps", "4", "--data.workers", "0"]


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail, and return its one line."""
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pointssl: ")]
    assert len(said) == 1
    return said[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny recipe."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    cli.main([*TINY, "--data", CLOUDS, "--out", str(folder)])
    return folder


def test_help__needs_no_torch() -> None:
    code = "import sys; from pointssl.app.cli import main; main(['--help']); print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "False"
    assert all(command in said for command in cli.COMMANDS)


@pytest.mark.parametrize("command", [name for name in cli.COMMANDS if name != "data"])
def test_help__of_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "get", "list", "pack", "show", "views"])
def test_help__of_every_data_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["data", command, "--help"])
    assert left.value.code == 0
    assert f"pointssl data {command}" in capsys.readouterr().out


def test_command__unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'evaluate'" in complaint(["evaluat"], capsys)


def test_recipe__unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'parae-dgcnn'" in complaint(["pretrain", "parae-dgnn"], capsys)


def test_setting__unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean --epochs" in complaint(["pretrain", "parae-tiny", "--epoch", "3"], capsys)


def test_setting__impossible(capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["pretrain", "parae-tiny", "--method.components", "1"], capsys)
    assert "components must be at least 2, got 1" in line


def test_data__forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([*TINY], ["pretrain", "mm-point-dgcnn"], ["train", "train-tiny"], [*TINY, "--dry-run"]):
        line = complaint([*words, "--out", str(tmp_path / "run")], capsys)
        assert "no clouds are named: give --data PATH" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["pretrain", "parae-tiny", "--data", CLOUDS],
        ["train", "train-tiny", "--data", CLOUDS],
        ["evaluate", "RUN", "--data", CLOUDS],
        ["embed", "RUN", "--data", CLOUDS, "--out", "e.csv"],
        ["compare", "RUN", "RUN/encoder", "--data", CLOUDS],
        ["study", "pretraining", "--runs", "RUN", "--data", CLOUDS, "--out", "study"],
    ],
    ids=lambda words: str(words[0]),
)
def test_device__unknown(words: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint([*(word.replace("RUN", str(run)) for word in words), "--device", "gpu"], capsys)
    assert "device must be cpu, cuda or cuda:NUMBER, got 'gpu'" in line


@pytest.mark.parametrize("command", ["evaluate", "embed"])
@pytest.mark.parametrize("points", ["0", "-3"])
def test_points__impossible(command: str, points: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", "e.csv"] if command == "embed" else []
    line = complaint([command, str(run), "--data", CLOUDS, *out, "--points", points], capsys)
    assert f"points must be at least 1, got {points}" in line


def test_data__missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nowhere"
    assert str(path) in complaint([*TINY, "--data", str(path), "--out", str(tmp_path / "run")], capsys)


def test_data__empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    line = complaint([*TINY, "--data", str(tmp_path / "empty"), "--out", str(tmp_path / "run")], capsys)
    assert "empty" in line


def test_data__one_readable_file_in_ten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    np.save(folder / "good.npy", np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32))
    for i in range(9):
        (folder / f"bad{i}.ply").write_bytes(b"not a ply")
    line = complaint(["data", "pack", str(folder), str(tmp_path / "store")], capsys)
    assert "1 of 10 files" in line


def test_data__fewer_points_than_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for i in range(16):
        np.save(folder / f"{i}.npy", np.random.default_rng(i).normal(size=(100, 3)).astype(np.float32))
    line = complaint([*TINY, "--data", str(folder), "--out", str(tmp_path / "run")], capsys)
    assert "100" in line
    assert "256" in line


def test_data__fewer_points_than_neighbours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pretrain", "parae-dgcnn", "--data", "synthetic:32", "--data.points", "16", "--steps", "1"]
    line = complaint([*words, "--out", str(tmp_path / "run")], capsys)
    assert "20" in line
    assert "16" in line


def test_data__labels_do_not_match_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "listed"
    folder.mkdir()
    np.save(folder / "a.npy", np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32))
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\na.npy,chair\nb.npy,table\n")
    words = ["data", "pack", str(folder), str(tmp_path / "store"), "--labels", str(labels)]
    assert "b.npy" in complaint(words, capsys)


def test_check__exit_code_says_whether_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["data", "check", "synthetic:6"])
    assert "6" in capsys.readouterr().out
    assert "fit for training" in complaint(["data", "check", "synthetic:6", "--points", "4000"], capsys)


def test_run__is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["evaluate", str(tmp_path), "--data", "synthetic:24"], ["report", str(tmp_path)]):
        assert str(tmp_path) in complaint(words, capsys)
    assert "no run" in complaint(["pretrain", "--resume", str(tmp_path / "nothing")], capsys)


def test_run__exists_already(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--resume {run}" in complaint([*TINY, "--data", CLOUDS, "--out", str(run)], capsys)


def test_run__half_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    weights = broken / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "model.safetensors" in complaint(["embed", str(broken), "--data", "synthetic:6", "--out", "x.npz"], capsys)


def test_run__weights_of_other_widths(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    file = other / "encoder" / "config.json"
    config = json.loads(file.read_text())
    config["backbone"]["pooled_dim"] = 96
    file.write_text(json.dumps(config))
    words = ["embed", str(other / "encoder"), "--data", "synthetic:6", "--out", str(tmp_path / "x.npz")]
    line = complaint(words, capsys)
    assert "pool.layer.linear.weight" in line
    assert "96" in line
    assert "128" in line


def test_disk__full(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise DiskFullError("no space left while writing a checkpoint; free some space")

    monkeypatch.setattr("pointssl.train.state.save", fill)
    assert "no space left" in complaint([*TINY, "--data", CLOUDS, "--out", str(tmp_path / "run")], capsys)


def test_interrupt__keeps_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["pretrain", "parae-tiny", "--data", CLOUDS, "--steps", "100000", "--out", str(folder)]
    command = [sys.executable, "-m", "pointssl.app.cli", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        deadline = time.monotonic() + 120
        while latest(folder) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in said
    assert f"pointssl pretrain --resume {folder}" in said.splitlines()[-1]
    assert latest(folder) is not None


def test_pretrain__goes_on_where_it_stopped(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["pretrain", "--resume", str(run)])  # finished: nothing left to do, and nothing is lost
    assert str(run / "encoder") in capsys.readouterr().out


def test_dry_run__writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*TINY, "--data", CLOUDS, "--out", str(tmp_path / "run"), "--dry-run"])
    assert "memory per step" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_embed__writes_the_vectors_of_every_cloud(run: Path, tmp_path: Path) -> None:
    cli.main(["embed", str(run), "--data", "synthetic:6", "--out", str(tmp_path / "x.npz")])
    tiny = RECIPES["parae-tiny"].backbone
    assert isinstance(tiny, PointNetConfig)
    with np.load(tmp_path / "x.npz") as kept:
        assert kept["features"].shape == (6, tiny.pooled_dim)


def test_evaluate__puts_the_untrained_twin_beside(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["evaluate", str(run), "--data", "synthetic:72", "--protocols", "knn-1", "--seeds", "2"])
    assert "untrained" in capsys.readouterr().out
    (kept,) = (run / "evaluation").glob("*.json")
    arms = {score["arm"]: score["accuracy"]["mean"] for score in json.loads(kept.read_text())["scores"]}
    assert set(arms) == {"pretrained", "untrained"}
