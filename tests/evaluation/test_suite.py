"""A whole evaluation: both arms under every protocol, kept on disk, read back, and shown."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from pointssl.backbones.base import Backbone
from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.errors import DataError, RunError, SettingError
from pointssl.evaluation import frozen, record, suite
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import EncodeConfig
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.protocols import PROTOCOLS
from pointssl.evaluation.published import PRESETS
from pointssl.evaluation.record import Arm, Evaluation, Predicted, Repeat, Results, Skipped
from pointssl.evaluation.table import evaluation_table
from pointssl.methods import ClassifyConfig
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.run import write_encoder
from pointssl.train.labels import label_subset
from tests.evaluation.doubles import Extent, boxes

TINY = PointNetConfig(local=(4,), hidden=(4,), pooled_dim=8)
ONE_EPOCH = PretrainConfig(
    method=ClassifyConfig(hidden=(8,)), data=DataConfig(batch_size=8, augment=AugmentConfig(), workers=0), epochs=1.0
)


def _twin(seed: int) -> Backbone:
    torch.manual_seed(seed)
    return PointNet(TINY).eval()


def _bench(cache: Path | None = None, seeds: tuple[int, ...] = (0, 1)) -> EvaluationContext:
    arms: dict[Arm, Callable[[int], Backbone]] = {"pretrained": lambda _: Extent(), "untrained": _twin}
    data = boxes((12, 12, 12)), boxes((6, 6, 6), seed=1, name="boxes/test")
    return EvaluationContext(
        arms=arms,
        splits=open_splits(data),
        encode=EncodeConfig(reading=ReadConfig(points=32)),
        seeds=seeds,
        cache=cache,
        finetune=ONE_EPOCH,
        few_shot=FewShotConfig(ways=(2, 5), shots=(4,), queries=5, episodes=2),
        few_shot_finetune=ONE_EPOCH,
        fractions=(0.1, 1.0),
        subsets=2,
    )


def _text(evaluation: Evaluation) -> str:
    screen = Console(file=io.StringIO(), width=200)
    screen.print(evaluation_table(evaluation))
    written = screen.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_measure__every_protocol_has_both_arms(tmp_path: Path) -> None:
    of_clouds = tuple(name for name in PROTOCOLS if not name.startswith("part-"))  # boxes have no parts
    result = suite.measure(_bench(tmp_path, seeds=(0,)), of_clouds, run="here", folder=tmp_path)
    for name in result.protocols():
        ours, twin = result.score(name, "pretrained"), result.score(name, "untrained")
        assert ours is not None
        assert twin is not None
        assert [r.seed for r in ours.repeats] == [r.seed for r in twin.repeats]
        assert 0 <= twin.accuracy.mean <= 1
    assert {name for name in result.protocols() if not name.startswith("robustness ")} == {
        *("svm-fixed", "svm-cv", "svm-cv-standardised", "svm-cv-wide", "linear-svc", "knn-20", "knn-1", "finetune"),
        *(f"fractions-{kind} {share}" for kind in ("svm", "svm-standardised", "finetune") for share in ("10%", "100%")),
        *(f"few-shot-{kind} 2-way 4-shot" for kind in ("a", "b")),
    }
    # The presets of papers read more points than these clouds have.
    assert {s.protocol for s in result.skipped} == {"few-shot-a 5-way 4-shot", "few-shot-b 5-way 4-shot", *PRESETS}
    assert record.load(tmp_path / "boxes.json") == result
    text = _text(result)
    assert "svm-cv-standardised" in text
    assert "5-way needs 5 classes" in text
    assert "best epoch on the test clouds" in text


def test_measure__extents_tell_boxes_apart_and_the_numbers_agree() -> None:
    result = suite.measure(_bench(), ("knn-1",), run="here")
    score = result.score("knn-1", "pretrained")
    assert score is not None
    assert score.accuracy.mean > 0.9
    truth = np.array(result.test_labels)
    for r in score.repeats:
        assert r.accuracy == pytest.approx(np.mean(np.array(r.predictions) == truth))
    assert score.n_train == 36
    assert (score.n_test, score.over) == (18, "seeds")


def test_measure__other_protocols_of_the_same_question_stay(tmp_path: Path) -> None:
    suite.measure(_bench(tmp_path), ("knn-1",), run="here", folder=tmp_path)
    suite.measure(_bench(tmp_path), ("knn-20",), run="here", folder=tmp_path)
    assert record.load(tmp_path / "boxes.json").protocols() == ("knn-1", "knn-20")
    suite.measure(_bench(tmp_path, seeds=(0,)), ("knn-1",), run="here", folder=tmp_path)
    assert record.load(tmp_path / "boxes.json").protocols() == ("knn-1",)
    assert len(list(tmp_path.glob("boxes.*.json"))) == 1  # the answer to the other question


def test_measure__a_later_failure_keeps_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: EvaluationContext) -> Results:
        raise KeyboardInterrupt

    monkeypatch.setitem(PROTOCOLS, "knn-20", dataclasses.replace(PROTOCOLS["knn-20"], run=interrupted))
    with pytest.raises(KeyboardInterrupt):
        suite.measure(_bench(tmp_path), ("knn-1", "knn-20"), run="here", folder=tmp_path)
    assert record.load(tmp_path / "boxes.json").protocols() == ("knn-1",)


def test_few_shot_a__takes_all_stored_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Extent, "forward", _watching(Extent.forward, seen))
    PROTOCOLS["few-shot-a"].run(_bench())
    assert set(seen) == {64}  # stored; elsewhere 32 are drawn


def _watching(forward: Callable, seen: list[int]) -> Callable:  # type: ignore[type-arg]
    def watched(self: Extent, xyz: torch.Tensor) -> object:
        seen.append(xyz.shape[1])
        return forward(self, xyz)

    return watched


def test_fractions__both_arms_see_the_same_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    real = label_subset
    monkeypatch.setattr(
        frozen,
        "label_subset",
        lambda *a: (seen.append(tuple(real(*a).tolist())), real(*a))[1],  # type: ignore[func-returns-value]
    )
    PROTOCOLS["fractions-svm"].run(_bench())
    ours, twin = seen[:2], seen[2:4]  # two subsets of a tenth for each arm
    assert ours == twin
    assert ours[0] != ours[1]


def test_gain__one_repetition_is_mcnemar() -> None:
    labels = (0,) * 8

    def score(said: list[int]) -> record.Score:
        one = record.repeat(0, np.array(said), np.array(labels))
        return record.score("p", "pretrained", "", "seeds", 1, 8, [one])

    paired = record.gain(score([0, 0, 0, 0, 0, 0, 1, 1]), score([1, 1, 1, 1, 1, 0, 1, 1]), labels)
    assert paired is not None
    assert paired.method.startswith("McNemar")
    assert [paired.p, paired.mean] == pytest.approx([2 / 2**5, 5 / 8])


def test_repeat__class_accuracy_by_hand() -> None:
    got = record.repeat(3, np.array([0, 0, 0, 1]), np.array([0, 0, 0, 2]))
    assert (got.accuracy, got.class_accuracy) == (0.75, 0.5)  # class 0: 3 of 3, class 2: 0 of 1


def test_load__damaged_and_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="run `pointssl evaluate` first"):
        record.load(tmp_path / "none.json")
    (tmp_path / "half.json").write_text('{"run": "x"')
    with pytest.raises(RunError, match="damaged"):
        record.load(tmp_path / "half.json")


def test_save__predictions_are_one_line(tmp_path: Path) -> None:
    result = suite.measure(_bench(), ("knn-1",), run="here")
    value = json.loads(record.save(result, tmp_path).read_text())
    assert value["scores"][0]["repeats"][0]["predictions"].split() == [
        str(p) for p in result.scores[0].repeats[0].predictions
    ]
    assert {"mean", "std", "low", "high", "n"} <= set(value["scores"][0]["accuracy"])
    assert value["conditions"]["test_fingerprint"] == _bench().splits.test.fingerprint


def _run(folder: Path) -> Path:
    config = PretrainConfig(backbone=TINY, data=DataConfig(source="here", reading=ReadConfig(points=32)))
    torch.manual_seed(0)
    write_encoder(PointNet(TINY), config, {}, folder / "encoder")
    return folder / "encoder"


def test_evaluate__a_run_from_disk(tmp_path: Path) -> None:
    data = boxes((6, 6)), boxes((3, 3), seed=1, name="boxes/test")
    result = suite.evaluate(_run(tmp_path), data, protocols=("knn-1",), seeds=(4,))
    assert result.conditions.points == 32  # the run's own
    assert (tmp_path / "encoder/evaluation/boxes.json").is_file()
    ours, twin = result.score("knn-1", "pretrained"), result.score("knn-1", "untrained")
    assert ours is not None
    assert twin is not None
    assert ours.repeats[0].seed == twin.repeats[0].seed == 4


def test_evaluate__refusals(tmp_path: Path) -> None:
    run, data = _run(tmp_path), (boxes((6, 6)), boxes((3, 3), name="boxes/test"))
    with pytest.raises(SettingError, match=r"no protocol 'svm-csv'.*did you mean 'svm-cv'"):
        suite.evaluate(run, data, protocols=("svm-csv",))
    with pytest.raises(SettingError, match=r"no recipe 'finetun' .*did you mean 'finetune'"):
        suite.evaluate(run, data, finetune="finetun")
    with pytest.raises(SettingError, match="seeds must be different"):
        suite.evaluate(run, data, seeds=(1, 1))
    with pytest.raises(RunError):
        suite.evaluate(tmp_path / "nowhere", data)
    with pytest.raises(DataError, match="has 64 points, fewer than the 65"):
        suite.evaluate(run, data, points=65, protocols=("knn-1",))


def test_measure__says_where_c_is_at_the_end_of_its_grid() -> None:
    faint = dataclasses.replace(_bench(), arms={"pretrained": lambda _: Extent(1e-3), "untrained": _twin})
    result = suite.measure(faint, ("svm-cv",), run="here")
    assert any("svm-cv, pretrained: C at the end of its grid" in note for note in result.notes)


def test_score__without_predictions_has_no_interval_over_clouds() -> None:
    got = record.score("few", "pretrained", "", "episodes", 5, 100, [Repeat(seed=0, accuracy=0.5)])
    assert got.test_interval is None
    assert Predicted(()) == got.repeats[0].predictions
    assert Skipped(protocol="few", reason="no clouds").reason == "no clouds"
