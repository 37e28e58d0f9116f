"""Curves on damaged clouds: drawn for the weights of the report alone, from the scores that were kept."""

from pathlib import Path

from pointssl.evaluation import suite
from pointssl.runs.weights import digest
from pointssl.show.run.robustness import robustness
from tests.evaluation.planted import Mean, context, placed


def test_robustness__curves_of_these_weights_alone(tmp_path: Path) -> None:
    world = context(placed([(8, 0)], "planted/train"), placed([(3, 0)], "planted/test"))
    suite.measure(world, ("robustness", "knn-1"), run="run", folder=tmp_path)
    kept = [*tmp_path.glob("*.json")]
    panel = robustness(kept, digest(Mean()))
    assert panel is not None
    [picture] = panel.pictures
    assert all(kind in picture.svg for kind in ("noise", "outliers", "scale"))
    assert robustness(kept, "another") is None
    assert robustness([], digest(Mean())) is None


def test_robustness__nothing_without_its_scores(tmp_path: Path) -> None:
    world = context(placed([(8, 0)], "planted/train"), placed([(3, 0)], "planted/test"))
    suite.measure(world, ("knn-1",), run="run", folder=tmp_path)
    assert robustness([*tmp_path.glob("*.json")], digest(Mean())) is None
