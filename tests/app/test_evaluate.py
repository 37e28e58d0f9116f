"""`pointssl evaluate` and `compare` take protocols, titles and defaults from the one list."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pointssl.app import cli
from pointssl.evaluation.protocols import DEFAULT, PROTOCOLS
from pointssl.evaluation.record import load
from pointssl.train import recipes
from pointssl.train.pretrain import pretrain
from tests.app.test_cli import complaint
from tests.doubles import ToyClouds, tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(tiny_config(), tmp_path_factory.mktemp("runs") / "run", data=ToyClouds())


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_help__names_every_protocol_and_the_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = re.sub(r"[\s│|]+", " ", capsys.readouterr().out)
    assert f"(default: {' '.join(DEFAULT)})" in said
    for name, protocol in PROTOCOLS.items():
        assert f"{name} ({protocol.title.partition('{}')[0].rstrip(', ')}" in said.replace("part of", "")


def test_evaluate__without_protocols_measures_the_defaults(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["evaluate", str(run), "--data", "synthetic:240", "--seeds", "1"])
    (kept,) = (run / "evaluation").glob("*.json")
    assert load(kept).protocols() == DEFAULT
    said = capsys.readouterr().out
    assert all(name in said for name in DEFAULT)


def test_evaluate__finetune_takes_any_recipe_of_train(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = replace(recipes.train_recipe("train-tiny"), steps=2)
    monkeypatch.setitem(recipes.TRAIN_RECIPES, "train-tiny", quick)
    words = ["evaluate", str(run), "--data", "synthetic:40", "--protocols", "finetune", "--seeds", "1"]
    cli.main([*words, "--finetune", "train-tiny"])
    assert "best epoch on the test clouds" in capsys.readouterr().out
    assert "no recipe 'train-tny'" in complaint([*words, "--finetune", "train-tny"], capsys)
    assert "no protocol 'finetun'" in complaint([*words[:-4], "--protocols", "finetun"], capsys)
