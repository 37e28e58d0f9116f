"""The report of a tiny run: whole with and without an evaluation, and honest about what is not there."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.data.cloud import Labels
from pointssl.errors import DataError, RunError, SettingError
from pointssl.evaluation import record
from pointssl.evaluation.record import Conditions, Evaluation, Predicted, Skipped
from pointssl.methods.base import explained_by
from pointssl.runs.run import Run, load
from pointssl.runs.weights import digest
from pointssl.show.page import panels
from pointssl.show.run.evaluations import read_comparisons
from pointssl.show.run.report import choose, compare_maps, look, write_report
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

_TRUTH = np.arange(20, dtype=np.int64) % 2


def _evaluation(weights: str) -> Evaluation:
    """Return scores of 17 and 12 right of 20 test clouds, as an evaluation would keep them."""
    arms = {"pretrained": 3, "untrained": 8}
    scores = []
    for arm, wrong in arms.items():
        said = np.where(np.arange(20) < wrong, 1 - _TRUTH, _TRUTH)
        repeats = [record.repeat(0, said, _TRUTH, c=1.0)]
        scores.append(record.score("svm-cv", arm, "linear SVC", "seeds", 30, 20, repeats))  # type: ignore[arg-type]
    return Evaluation(
        run="toy",
        weights=weights,
        pretraining="toy",
        conditions=Conditions(
            data="toy",
            train_fingerprint="a",
            test_fingerprint="b",
            split="own",
            classes=("a", "b"),
            points=24,
            seeds=(0,),
            bf16=False,
        ),
        test_labels=Predicted(tuple(_TRUTH.tolist())),
        scores=tuple(scores),
        skipped=(Skipped(protocol="few-shot-a", reason="too few clouds"),),
        notes=("seen before",),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(tiny_config(), tmp_path_factory.mktemp("runs") / "toy", data=ToyClouds())


def test_write_report__says_what_is_missing(run: Path, tmp_path: Path) -> None:
    text = write_report(run, tmp_path, data=ToyClouds(), shapes=2).read_text(encoding="utf-8")
    assert "This run has not been evaluated yet." in text
    assert f"pointssl evaluate {run}" in text
    for title in (
        "What the network sees in a shape",
        "Gaussians of the parts",
        "Map of the clouds",
        "Training",
        "Record",
    ):
        assert f"<h2>{title}</h2>" in text
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    pictures = ("partition", "ellipsoids", "isosurface", "distances", "map-tsne", "map-pca", "curves")
    assert written == {f"{name}.{ending}" for name in pictures for ending in ("png", "svg")}
    assert not (run / "report.html").exists()  # the run itself is left as it was when another folder is named


def test_read_comparisons__shows_scores_of_these_weights_only(run: Path) -> None:
    folder = run / "evaluation"
    weights = digest(load(run))
    other = replace(_evaluation("other weights"), conditions=replace(_evaluation("").conditions, data="elsewhere"))
    try:
        record.save(_evaluation(weights), folder)
        record.save(other, folder)
        lines, notes = read_comparisons(Run.open(run).evaluations(), weights)
        assert [(one.task, one.data) for one in lines] == [("Linear SVM, C by cross-validation", "toy")]
        assert (lines[0].trained.mean, lines[0].untrained.mean if lines[0].untrained else None) == (0.85, 0.60)
        assert lines[0].difference is not None
        assert lines[0].difference.mean == pytest.approx(0.25)
        assert "McNemar" in lines[0].detail
        assert notes == ["toy: seen before.", "toy, few-shot-a was left out: too few clouds."]
        panel = panels.worth(lines, notes, "evaluate it")
        assert "85.0 %" in panel.html
        assert [one.name for one in panel.pictures] == ["scores"]
        assert "seen before" in panel.note
    finally:
        for path in folder.glob("*.json"):
            path.unlink()


def test_read_comparisons__damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "toy.json").write_text("{", encoding="utf-8")
    lines, [note] = read_comparisons([*(tmp_path / "evaluation").iterdir()], "any")
    assert lines == []
    assert "toy.json is damaged" in note


def test_write_report__data_that_is_gone_is_said_in_its_place(run: Path, tmp_path: Path) -> None:
    text = write_report(run, tmp_path).read_text(encoding="utf-8")  # its source, "toy", is no path
    assert "The clouds could not be read" in text
    assert "<h2>Training</h2>" in text


def test_write_report__not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        write_report(tmp_path)


@pytest.mark.parametrize(("settings", "said"), [({"shapes": 0}, "shapes must be"), ({"shapes": -1}, "shapes must be")])
def test_write_report__setting_out_of_range(run: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        write_report(run, **settings)


def test_choose__other_classes_first() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2], dtype=np.int64)
    assert set(labels[choose(labels, len(labels), 3, seed=0)]) == {0, 1, 2}
    assert len(set(choose(labels, len(labels), 10, seed=0))) == 10
    assert choose(None, 4, 9, seed=0) != choose(None, 4, 9, seed=1)
    assert sorted(choose(None, 4, 9, seed=0)) == [0, 1, 2, 3]


class _Unlabelled(ToyClouds):
    @property
    def labels(self) -> Labels | None:
        return None

    @property
    def classes(self) -> tuple[str, ...]:
        return ()


def test_look__unlabelled_clouds_go_by_their_number(run: Path) -> None:
    names = [
        one.name
        for one in look(partial(explained_by, load(run)), _Unlabelled(clouds=4), tiny_config().data.reading, 9, 0)
    ]
    assert sorted(names) == ["cloud 0", "cloud 1", "cloud 2", "cloud 3"]


def test_compare_maps__of_few_unlabelled_clouds(run: Path) -> None:
    found = compare_maps(Run.open(run), load(run), _Unlabelled(clouds=4), 0)
    assert [heading for heading, _ in found.pca] == ["Pre-trained", "Untrained"]
    assert (found.tsne, found.nearest) == ([], [])  # four clouds are too few, and have no classes
    panel = panels.feature_maps(found)
    assert [one.name for one in panel.pictures] == ["map-pca"]
    assert "class" not in panel.sentence


def test_look__no_clouds(run: Path) -> None:
    with pytest.raises(DataError, match="holds no clouds"):
        look(partial(explained_by, load(run)), ToyClouds(clouds=0), tiny_config().data.reading, 3, 0)
