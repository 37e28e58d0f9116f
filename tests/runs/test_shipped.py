"""Encoders of the package: found by name, used where none is named, refused with the nearest name, cards that hold."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

import pointssl
from pointssl.app.cli import main
from pointssl.errors import RunError
from pointssl.evaluation.embedder import PointEmbedder
from pointssl.runs import layout, shipped
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put one tiny encoder in the place of those of the package."""
    run = pretrain(tiny_config(), tmp_path / "run", data=ToyClouds(), device="cpu")
    folder = tmp_path / "models" / "tiny-generated"
    folder.parent.mkdir()
    (run / layout.ENCODER).rename(folder)
    card = shipped.Card(
        name="tiny-generated",
        about="a small network",
        trained_on="generated:unions",
        clouds_seen=24,
        command="pointssl pretrain tiny",
        scores=(shipped.Score(data="toys", protocol="knn-1", encoder=61.5, baseline=58.5),),
        source="results/none.json",
        not_for="anything",
    )
    (folder / "card.json").write_text(json.dumps(asdict(card)))
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "models")
    monkeypatch.setattr(shipped, "MODELS", ("tiny-generated",))
    monkeypatch.chdir(tmp_path)
    return folder


def test_load__by_name_is_the_encoder_in_the_folder(model: Path) -> None:
    assert digest(pointssl.load("tiny-generated")) == digest(Run.open(model).encoder())


def test_load__a_folder_of_the_users_goes_before_a_name(model: Path) -> None:
    own = pretrain(tiny_config(seed=7), Path("tiny-generated"), data=ToyClouds(), device="cpu")
    assert (
        digest(pointssl.load("tiny-generated")) == digest(Run.open(own).encoder()) != digest(Run.open(model).encoder())
    )


def test_load__unknown_name_suggests_the_nearest(model: Path) -> None:
    with pytest.raises(RunError, match=r"tiny-generatd does not exist \(did you mean 'tiny-generated'\?\)") as raised:
        pointssl.load("tiny-generatd")
    assert "\n" not in str(raised.value)
    with pytest.raises(RunError, match="some/folder does not exist; give"):
        pointssl.load("some/folder")
    with pytest.raises(RunError, match=r"there is no model 'tiny-generate' \(did you mean 'tiny-generated'\?\)"):
        shipped.card("tiny-generate")


def test_embedder__without_a_run_takes_the_first_model(model: Path) -> None:
    clouds = [np.random.default_rng(seed).normal(size=(40, 3)) for seed in range(3)]
    alone, named = PointEmbedder().fit(clouds), PointEmbedder("tiny-generated").fit(clouds)
    np.testing.assert_array_equal(alone.transform(clouds), named.transform(clouds))


def test_embed__of_clouds_without_a_run(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("parts.npy", np.random.default_rng(0).normal(size=(5, 60, 3)).astype(np.float32))
    main(["embed", "parts.npy", "--out", "alone.npz"])
    assert "encoder: tiny-generated" in capsys.readouterr().out
    main(["embed", "tiny-generated", "--data", "parts.npy", "--out", "named.npz"])
    alone, named = (np.load(name)["features"] for name in ("alone.npz", "named.npz"))
    assert alone.shape == (5, 10)
    np.testing.assert_array_equal(alone, named)


def test_embed__a_run_without_clouds_is_one_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["embed", "run", "--out", "x.npz"])
    assert left.value.code == 2
    assert "run is a run; say which clouds it is to encode: --data CLOUDS" in capsys.readouterr().err


def test_init_from__a_name_starts_from_its_weights(model: Path, tmp_path: Path) -> None:
    run = pretrain(tiny_config(steps=1), tmp_path / "next", data=ToyClouds(), init_from="tiny-generated", device="cpu")
    start = Run.open(run).record["start"]
    assert start["digest"] == digest(Run.open(model).encoder())


def test_models__lists_names_and_shows_a_card(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    assert "tiny-generated" in capsys.readouterr().out
    main(["models", "tiny-generated"])
    shown = capsys.readouterr().out
    assert "61.5 against 58.5" in shown
    assert "24 clouds seen" in shown
    with pytest.raises(SystemExit):
        main(["models", "tiny-genrated"])
    assert "did you mean 'tiny-generated'" in capsys.readouterr().err


def test_evaluation__of_a_model_is_not_kept_in_the_package(model: Path) -> None:
    assert Run.open("tiny-generated").evaluation_folder == Path("evaluation") / "tiny-generated"


def test_default__where_none_ships_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "MODELS", ())
    with pytest.raises(RunError, match="ships no encoder; give a run folder"):
        shipped.default()


@pytest.mark.parametrize("name", shipped.MODELS)
def test_package__every_model_loads_and_has_its_card(name: str) -> None:
    card = shipped.card(name)
    assert card.name == name
    assert card.trained_on.startswith("generated:")
    assert len(card.scores) >= 4
    assert all(0 < one.baseline < 100 and 0 < one.encoder < 100 for one in card.scores)
    encoder = pointssl.load(name)
    with torch.no_grad():
        pooled = encoder(torch.randn(2, 256, 3)).pooled
    assert pooled.shape == (2, encoder.pooled_dim)
    assert pooled.isfinite().all()
    assert sum(file.stat().st_size for file in (shipped.FOLDER / name).iterdir()) < 10e6


def test_package__every_folder_is_listed() -> None:
    folders = {file.parent.name for file in shipped.FOLDER.glob("*/card.json")}
    assert folders == set(shipped.MODELS)
