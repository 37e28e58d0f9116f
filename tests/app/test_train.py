"""`pointssl train`: a run from scratch, from another run, and what a user does wrong in one line."""

import json
from pathlib import Path

import pytest

from pointssl.app import cli
from pointssl.errors import SettingError
from pointssl.methods import ClassifyConfig, SegmentConfig
from pointssl.runs.config import from_json, to_json
from pointssl.runs.run import Run
from pointssl.train.recipes import TRAIN_RECIPES, train_recipe
from tests.app.test_cli import complaint

TINY = ["train", "train-tiny", "--steps", "3", "--data.workers", "0", "--data", "synthetic:48"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny recipe."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    cli.main([*TINY, "--out", str(folder)])
    return folder


@pytest.mark.parametrize("name", TRAIN_RECIPES)
def test_recipe__survives_json_and_learns_from_labels(name: str) -> None:
    config = train_recipe(name)
    assert from_json(to_json(config)) == config
    assert isinstance(config.method, ClassifyConfig | SegmentConfig)


def test_recipes__arms_differ_in_the_loss_alone() -> None:
    for name in ("train-pointnet", "train-dgcnn"):
        plain, with_loss = (to_json(TRAIN_RECIPES[arm]) for arm in (name, f"{name}-interaction"))
        assert plain["method"].pop("interaction") is None
        assert with_loss["method"].pop("interaction") is not None
        assert plain == with_loss


def test_recipes__published_values() -> None:
    dgcnn, pointnet = (TRAIN_RECIPES[f"train-{name}-published"] for name in ("dgcnn", "pointnet"))
    assert (dgcnn.optim.kind, dgcnn.optim.lr, dgcnn.optim.final_lr, dgcnn.epochs) == ("sgd", 0.1, 1e-3, 250)
    assert (pointnet.optim.kind, pointnet.optim.lr, pointnet.optim.step_factor) == ("adam", 1e-3, 0.7)


def test_recipes__are_listed_with_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["recipes"])
    said = capsys.readouterr().out
    assert all(name in said for name in ("parae-pointnet", *TRAIN_RECIPES))


def test_train__says_its_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(
        [*TINY, "--label-fraction", "0.5", "--label-seed", "2", "--validate", "0.25", "--out", str(tmp_path / "run")]
    )
    scores = Run.open(tmp_path / "run").scores()
    assert scores.scored_on == "validation"
    assert f"accuracy: {scores.accuracy:.4f} on {scores.clouds} clouds" in capsys.readouterr().out
    kept = json.loads((tmp_path / "run" / "record.json").read_text())["training"]["labels"]
    assert kept == {"label_fraction": 0.5, "label_seed": 2, "validate": 0.25}


def test_train__learns_from_the_data_that_it_is_given(run: Path) -> None:
    data = json.loads((run / "record.json").read_text())["data"]
    assert data["name"].startswith("synthetic:48")
    assert Run.open(run).scores().learned_from == data["clouds"] < 48


def test_train__from_a_run_and_again(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    cli.main([*TINY, "--init-from", str(run), "--method.interaction.alpha", "0.1", "--out", str(folder)])
    assert json.loads((folder / "record.json").read_text())["training"]["start"]["from"] == str(run)
    assert json.loads((folder / "config.json").read_text())["method"]["interaction"]["alpha"] == 0.1
    cli.main(["train", "--resume", str(folder)])  # finished: nothing is left to do
    assert str(folder / "scores.json") in capsys.readouterr().out


def test_train__another_encoder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint([*TINY, "--init-from", str(run), "--backbone.pooled-dim", "64"], capsys)
    assert "backbone.pooled_dim was 128, is 64" in line


def test_train__recipe_missing_or_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name a recipe first" in complaint(["train", "--data", "synthetic:48"], capsys)
    assert "did you mean 'train-pointnet'" in complaint(["train", "train-pontnet"], capsys)
    with pytest.raises(SettingError, match="no recipe 'parae-tiny' for supervised training"):
        train_recipe("parae-tiny")


def test_train__impossible_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert "alpha must be at least 0" in complaint([*TINY, "--method.interaction.alpha", "-1"], capsys)
    assert "label_fraction must be in (0, 1], got 0" in complaint([*TINY, "--label-fraction", "0"], capsys)
    assert "method.classes is 3" in complaint([*TINY, "--method.classes", "3"], capsys)


def test_train__resume_of_what_is_no_such_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no run of `pointssl train`" in complaint(["train", "--resume", str(tmp_path)], capsys)
    assert f"resume it with: pointssl train --resume {run}" in complaint(["pretrain", "--resume", str(run)], capsys)


def test_dry_run__writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main([*TINY, "--out", str(tmp_path / "run"), "--dry-run"])
    assert "memory per step" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
