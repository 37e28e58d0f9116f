"""Runs on the same clouds: groups of seeds, paired tests, Holm's correction, and reuse of what is known."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from rich.table import Table

from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError
from pointssl.evaluation import record
from pointssl.evaluation.compare import compare, compare_evaluations, groups_of, tables
from pointssl.evaluation.protocols import PROTOCOLS
from pointssl.evaluation.record import Arm, Conditions, Evaluation, Predicted, Repeat
from pointssl.ops import stats
from pointssl.ops.evidence import difference_of_runs
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.run import write_encoder
from tests.evaluation.doubles import boxes

TRUTH = np.repeat(np.arange(4), 25)
CONDITIONS = Conditions(
    data="d", train_fingerprint="a", test_fingerprint="b", split="own", classes=(), points=8, seeds=(0,), bf16=False
)


def _finished(run: str, right: float, seed: int) -> Evaluation:
    """An evaluation whose predictions are right with the given chance."""
    generator = np.random.default_rng(seed)
    said = np.where(generator.random(100) < right, TRUTH, (TRUTH + 1) % 4)
    guesses: dict[Arm, np.ndarray] = {"pretrained": said, "untrained": np.zeros(100, dtype=np.int64)}
    scores = [
        record.score("svm-cv", arm, "rule", "seeds", 50, 100, [record.repeat(0, guess, TRUTH)])
        for arm, guess in guesses.items()
    ]
    return Evaluation(
        run=run,
        weights=run,
        pretraining="",
        conditions=CONDITIONS,
        test_labels=Predicted(tuple(TRUTH.tolist())),
        scores=tuple(scores),
    )


def _printed(made: list[Table]) -> str:
    screen = io.StringIO()
    Console(file=screen, width=160).print(*made)
    return screen.getvalue()


def test_compare_evaluations__single_runs_by_mcnemar_and_holm() -> None:
    runs = [_finished("a", 0.9, 0), _finished("b", 0.6, 1), _finished("c", 0.6, 2)]
    result = compare_evaluations(runs, ["a", "b", "c"])
    right = [np.array(r.scores[0].repeats[0].predictions) == TRUTH for r in runs]
    raw = [stats.mcnemar(right[i], right[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [p.difference.p for p in result.pairs] == pytest.approx(raw)
    assert [p.p_holm for p in result.pairs] == pytest.approx(stats.holm(raw))
    assert result.pairs[0].difference.mean == pytest.approx(right[0].mean() - right[1].mean())
    assert [row.untrained for row in result.rows] == [0.25] * 3  # class 0 for all: 25 of 100


def test_compare_evaluations__seeds_of_one_recipe_are_one_group() -> None:
    runs = [_finished(f"r{i}", 0.9 if i < 3 else 0.5, i) for i in range(6)]
    result = compare_evaluations(runs, ["good"] * 3 + ["bad"] * 3)
    assert [row.group for row in result.rows] == ["good", "bad"]
    means = [r.scores[0].accuracy.mean for r in runs[:3]]
    assert result.rows[0].accuracy == stats.mean_interval(means, over="runs")
    [pair] = result.pairs
    assert pair.difference.method == "3 and 3 runs, 100 test clouds"
    right = [[np.array(r.scores[0].repeats[0].predictions) == TRUTH for r in part] for part in (runs[:3], runs[3:])]
    assert pair.difference == difference_of_runs(*(np.array(part, dtype=np.float64) for part in right))
    assert pair.of_recipes
    assert pair.p_holm < 0.001
    assert "of the recipes" in _printed(tables(result))


def test_compare_evaluations__seeds_that_scatter_more_than_clouds_decide_nothing() -> None:
    """Over clouds alone the better group of 400 would differ for sure; its two trainings are far apart."""
    runs = [_finished(f"r{i}", share, i) for i, share in enumerate((0.95, 0.6, 0.65, 0.6))]
    [pair] = compare_evaluations(runs, ["a", "a", "b", "b"]).pairs
    assert pair.difference.mean > 0.1
    assert pair.difference.p is not None
    assert pair.difference.p > 0.3


def test_compare_evaluations__single_runs_speak_for_themselves() -> None:
    runs = [_finished("a", 0.9, 0), _finished("b", 0.6, 1), _finished("c", 0.6, 2)]
    alone = compare_evaluations(runs[:2], ["a", "b"])
    [pair] = alone.pairs
    assert not pair.of_recipes
    assert pair.difference.method == "McNemar, exact, over 100 test clouds, these networks alone"
    assert "these networks alone" in _printed(tables(alone))
    both = compare_evaluations([*runs, _finished("d", 0.9, 3)], ["a", "b", "b", "a"])
    assert "these networks alone" not in _printed(tables(both))
    some = compare_evaluations([*runs, _finished("d", 0.9, 3), _finished("e", 0.9, 4)], ["a", "b", "b", "a", "e"])
    assert [one.of_recipes for one in some.pairs] == [True, False, False]
    assert _printed(tables(some)).count(" *") == 2


def test_compare_evaluations__episodes_are_paired_where_they_are_the_same() -> None:
    def finished(run: str, shift: float, seeds: range) -> Evaluation:
        each = np.random.default_rng(0).random(10) / 2 + shift + 0.02 * np.random.default_rng(len(run)).random(10)
        repeats = [Repeat(seed=k, accuracy=float(a)) for k, a in zip(seeds, each, strict=True)]
        made = record.score("few-shot-a", "pretrained", "rule", "episodes", 50, 100, repeats)
        return replace(_finished(run, 0.5, 0), scores=(made,))

    runs = [finished("a", 0.2, range(10)), finished("aa", 0.2, range(10))]
    runs += [finished("bbb", 0.1, range(10)), finished("bbbb", 0.1, range(10))]
    [pair] = compare_evaluations(runs, ["a", "a", "b", "b"]).pairs
    assert pair.difference.method == "2 and 2 runs, 10 episodes"
    assert pair.difference.mean == pytest.approx(0.1, abs=0.02)
    assert pair.difference.sign == 1  # episodes differ by far more than the two recipes
    others = [runs[0], runs[1], finished("bbb", 0.1, range(1, 11)), finished("bbbb", 0.1, range(1, 11))]
    assert compare_evaluations(others, ["a", "a", "b", "b"]).pairs == ()


def test_compare_evaluations__refuses_other_clouds() -> None:
    other = replace(_finished("b", 0.5, 0), conditions=replace(CONDITIONS, test_fingerprint="c"))
    with pytest.raises(RunError, match="a and b were not evaluated on the same clouds"):
        compare_evaluations([_finished("a", 0.5, 0), other], ["a", "b"])


def _run(folder: Path, seed: int, width: int = 8) -> Path:
    backbone = PointNetConfig(local=(4,), hidden=(4,), pooled_dim=width)
    torch.manual_seed(seed)
    config = PretrainConfig(backbone=backbone, data=DataConfig(reading=ReadConfig(points=16)), seed=seed)
    write_encoder(PointNet(backbone), config, {}, folder)
    return folder


def test_compare__from_disk_without_fitting_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [_run(tmp_path / "wide-s0", 0), _run(tmp_path / "wide-s1", 1), _run(tmp_path / "narrow", 0, width=6)]
    assert groups_of(runs) == ["wide-s{0,1}", "wide-s{0,1}", "narrow"]
    data = boxes((8, 8)), boxes((4, 4), seed=1, name="boxes/test")
    first = compare(runs, data, protocols=("knn-1",), seeds=(0,), out=tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["rows"][0]["group"] == "wide-s{0,1}"
    again = replace(PROTOCOLS["knn-1"], run=lambda _: pytest.fail("fitted again"))
    monkeypatch.setitem(PROTOCOLS, "knn-1", again)
    assert compare(runs, data, protocols=("knn-1",), seeds=(0,)) == first
    assert _printed(tables(first)).count("wide-s{0,1}") == 2  # its score, and its difference to the other


def test_compare__needs_two_different_runs(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="at least two different runs"):
        compare([tmp_path], "synthetic")
    with pytest.raises(SettingError, match="at least two different runs"):
        compare([tmp_path, tmp_path], "synthetic")
