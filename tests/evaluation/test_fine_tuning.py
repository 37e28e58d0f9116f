"""Fine-tuning in an evaluation is `pointssl train --init-from`: the same number, resumed exactly, kept by the run."""

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.app import cli
from pointssl.data.reading import ReadConfig
from pointssl.errors import Interrupted
from pointssl.evaluation import fine_tuning, suite
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.record import Score
from pointssl.methods import ClassifyConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.scores import Scores
from pointssl.train import recipes
from pointssl.train.classifier import train_classifier
from pointssl.train.labels import LabelConfig
from pointssl.train.loop import Step
from pointssl.train.observe import Observer
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config
from tests.evaluation.planted import Mean, context, placed

DATA = (ToyClouds(24, classes=2), ToyClouds(16, seed=1))
RECIPE = PretrainConfig(
    method=ClassifyConfig(hidden=(8,), dropout=0.3, label_smoothing=0.1),
    optim=OptimConfig(kind="adamw", lr=0.01, warmup_epochs=1.0, clip=1.0),
    data=DataConfig(reading=ReadConfig(points=99), batch_size=5),
    epochs=2.0,
    checkpoint_every=2,
    monitor_every=0,
)

SHORT = replace(RECIPE, steps=1, optim=OptimConfig(lr=0.01))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained encoder of a few hundred weights."""
    return pretrain(tiny_config(), tmp_path_factory.mktemp("pretrained") / "run", data=ToyClouds())


def evaluated(run: Path, out: Path, **settings: Any) -> dict[tuple[str, str], Score]:
    """Return the scores of the fine-tuning protocols by row and arm."""
    given: dict[str, Any] = {"protocols": ("finetune",), "seeds": (3,), "finetune": RECIPE, "out": out, **settings}
    return {(s.protocol, s.arm): s for s in suite.evaluate(run, DATA, **given).scores}


def test_finetune__is_the_number_of_train_from_that_run(run: Path, tmp_path: Path) -> None:
    found = evaluated(run, tmp_path / "evaluation")
    config = replace(
        RECIPE, backbone=tiny_config().backbone, data=replace(RECIPE.data, reading=ReadConfig(points=24)), seed=3
    )
    started = train_classifier(config, tmp_path / "started", data=DATA, init_from=run, score_epochs=True)
    scratch = train_classifier(config, tmp_path / "scratch", data=DATA)
    for arm, folder in (("pretrained", started), ("untrained", scratch)):
        [repeat], scores = found["finetune", arm].repeats, Run.open(folder).scores()
        assert list(repeat.predictions) == scores.predictions
        assert (repeat.accuracy, repeat.class_accuracy) == (scores.accuracy, scores.class_accuracy)
    [repeat], scores = found["finetune", "pretrained"].repeats, Run.open(started).scores()
    assert (repeat.best_accuracy, repeat.best_epoch) == (scores.best_accuracy, scores.best_epoch)
    kept = [path for path in (tmp_path / "evaluation" / "runs").iterdir() if "-pretrained-" in path.name]
    assert [Run.open(path).scores() for path in kept] == [scores]
    # The encoder's settings are written down as for any run: it can be read again.
    assert [Run.open(path).config.backbone for path in kept] == [tiny_config().backbone]


def test_finetune__command_line_gives_it_too(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder and the way to read clouds are the run's where the command line does not say otherwise."""
    monkeypatch.setitem(recipes.TRAIN_RECIPES, "finetune", RECIPE)
    cli.main(["train", "finetune", "--init-from", str(run), "--data", "synthetic:40", "--out", f"{tmp_path}/a"])
    cli.main(["evaluate", str(run), "--data", "synthetic:40", "--protocols", "finetune", "--seeds", "1"])
    [kept] = (run / "evaluation" / "runs").glob("finetune-pretrained-0-*")
    assert Run.open(tmp_path / "a").scores().predictions == Run.open(kept).scores().predictions


def stopping(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Send an interrupt after update `step`, once, and count the updates from then on."""
    see, seen = Observer.see, []

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        seen.append(now.index + 1)
        if len(seen) == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)
    return seen


def test_finetune__stopped_goes_on_and_ends_as_if_never_stopped(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evaluated(run, tmp_path / "whole")
    with monkeypatch.context() as patch:
        seen = stopping(patch, 7)  # of 8: 24 clouds in batches of 5, two epochs
        with pytest.raises(Interrupted, match="the same `pointssl evaluate` command goes on from there"):
            evaluated(run, tmp_path / "stopped")
        found = evaluated(run, tmp_path / "stopped")
    assert seen[:9] == [1, 2, 3, 4, 5, 6, 7, 8, 1]  # the last update of the first arm, then the other arm
    assert found == expected


def test_finetune__finished_runs_are_not_trained_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluated(run, tmp_path)
    monkeypatch.setattr(Observer, "see", lambda *_: pytest.fail("trained again"))
    assert evaluated(run, tmp_path) == first


def test_finetune__another_seed_recipe_or_encoder_is_another_run(run: Path, tmp_path: Path) -> None:
    for settings in ({"seeds": (0, 1)}, {"finetune": replace(SHORT, optim=OptimConfig(lr=0.5))}):
        evaluated(run, tmp_path, **({"finetune": SHORT} | settings))
    assert len(list((tmp_path / "runs").iterdir())) == 2 * 2 + 2


def _same(encoder: Mean, _: int) -> Mean:
    return encoder


def test_finetune__of_another_encoder_is_trained_anew(tmp_path: Path) -> None:
    sets = placed([(20, 0)], "planted/train"), placed([(10, 0)], "planted/test")
    for encoder in (Mean(1.0), Mean(2.0), Mean(1.0)):
        fine_tuning.finetune(context(*sets, arms={"pretrained": partial(_same, encoder)}, cache=tmp_path))
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_finetune__keeps_no_weights_of_its_runs(run: Path, tmp_path: Path) -> None:
    evaluated(run, tmp_path, finetune=SHORT)
    for folder in (tmp_path / "runs").iterdir():
        names = {path.name for path in folder.iterdir()}
        assert names >= {"config.json", "record.json", "metrics.jsonl", "scores.json"}
        assert list(folder.rglob("*.safetensors")) == []


def test_finetune__best_epoch_is_an_option(run: Path, tmp_path: Path) -> None:
    with_best = evaluated(run, tmp_path, finetune=RECIPE)["finetune", "pretrained"].repeats[0]
    without = evaluated(run, tmp_path, finetune=RECIPE, score_epochs=False)["finetune", "pretrained"].repeats[0]
    assert without == replace(with_best, best_accuracy=None, best_epoch=None)
    assert with_best.best_accuracy is not None
    assert with_best.best_accuracy >= with_best.accuracy


def test_settings__recipe_meets_the_evaluation() -> None:
    world = context(placed([(4, 0)], "a/train"), placed([(4, 0)], "a/test"))
    made = fine_tuning.settings(world, RECIPE, learned_from=3, seed=7)
    assert (made.data.reading, made.data.batch_size, made.seed) == (ReadConfig(points=4, normalise=False), 3, 7)
    assert (made.method, made.optim, made.epochs) == (RECIPE.method, RECIPE.optim, RECIPE.epochs)
    assert fine_tuning.settings(world, RECIPE, learned_from=1, seed=7).data.batch_size == 2
    assert fine_tuning.settings(world, RECIPE, learned_from=99, seed=7).data.batch_size == 5
    half = replace(world, encode=replace(world.encode, bf16=True))
    assert fine_tuning.settings(half, RECIPE, learned_from=9, seed=7).precision == "bf16"


def test_few_shot_b__folds_and_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold and encoder seed are told apart; support and queries carry the episode's classes."""
    seen: list[tuple[str, int, int, tuple[str, ...], list[int], list[int]]] = []

    def noted(context: EvaluationContext, _: str, arm: str, encoder_seed: int, pair: Any, *rest: Any) -> Scores:
        support, query = pair
        seen.append((arm, encoder_seed, rest[-1], support.classes, support.labels.tolist(), query.labels.tolist()))
        assert query.classes == support.classes
        assert rest[0] == LabelConfig()
        return Scores(
            accuracy=0.5, class_accuracy=0.5, clouds=2, learned_from=2, data="", fingerprint="", scored_on="test",
            classes=[], labels=[0, 1], predictions=[0, 0],
        )  # fmt: skip

    monkeypatch.setattr(fine_tuning, "_scores", noted)
    settings = FewShotConfig(ways=(2,), shots=(3,), queries=2, episodes=3)
    world = context(placed([(8, 0)], "a/train"), placed([(4, 0)], "a/test"), seeds=(5, 6), few_shot=settings)
    [ours, _] = fine_tuning.few_shot_b(world)
    assert [one[:3] for one in seen[:3]] == [("pretrained", 5, 0), ("pretrained", 6, 1), ("pretrained", 5, 2)]
    assert seen[:3] == [("pretrained", *one[1:]) for one in seen[3:]]
    assert all(one[4:] == ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1]) for one in seen)
    assert isinstance(ours, Score)
    assert (ours.n_train, ours.n_test, ours.test_interval) == (6, 4, None)


def test_rule__names_what_the_recipe_does() -> None:
    said = fine_tuning.rule(recipes.TRAIN_RECIPES["finetune-point-mae"])
    assert said == (
        "fine-tuned, last of 300 epochs, adamw 0.0005, decay 0.05, cosine, warm-up 10 epochs, clip 10, batch 32, "
        "label smoothing 0"
    )


def test_arms__untrained_is_training_from_scratch(run: Path) -> None:
    """Both begin with weights drawn from the seed: the untrained arm is the same network at update 0."""
    first, second = Run.open(run).untrained(3).state_dict(), Run.open(run).encoder().state_dict()
    assert first.keys() == second.keys()
    assert any(not np.array_equal(first[name], second[name]) for name in first)
