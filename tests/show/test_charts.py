"""Curves, maps and scores say what was measured, and pass over what was not."""

import numpy as np
import pytest

from pointssl.methods import ParAE
from pointssl.ops.stats import Estimate
from pointssl.show.run import curves, maps, scores
from pointssl.show.run.scores import Comparison


def _comparison(difference: Estimate | None = None, task: str = "Linear SVM") -> Comparison:
    return Comparison(
        protocol="svm-cv",
        task=task,
        data="shapes",
        trained=Estimate(mean=0.655, low=0.60, high=0.71),
        untrained=Estimate(mean=0.518, low=0.46, high=0.57),
        difference=difference,
        detail="C by cross-validation",
    )


def _gain(low: float, high: float) -> Estimate:
    return Estimate(mean=(low + high) / 2, low=low, high=high, p=0.0004, method="by hand")


def test_curves_picture__draws_what_was_logged_and_the_likelihood_once() -> None:
    lines: list[dict[str, float | int | None]] = [
        {"step": step, "loss": 1.0 / (step + 1), "nll": 1.0 / (step + 1)} for step in range(30)
    ]
    lines += [{"step": 30, "loss": None, "nll": None, "effective_rank": 5.0}]
    picture = curves.curves_picture(lines, ParAE.figures)
    assert picture is not None
    assert "Negative log likelihood" in picture.svg
    assert ">Loss<" not in picture.svg
    assert "Effective rank" not in picture.svg  # one value is no curve


def test_curves_picture__nothing_logged() -> None:
    assert curves.curves_picture([]) is None


def test_smooth__is_the_mean_of_a_centred_window() -> None:
    values = np.random.default_rng(0).normal(size=100)
    smoothed = curves.smooth(values, share=0.1)
    assert smoothed[50] == pytest.approx(values[45:56].mean())
    assert smoothed[0] == pytest.approx(values[0])
    np.testing.assert_allclose(curves.smooth(np.full(7, 2.5)), 2.5)


def test_separation__counts_nearest_others_of_the_same_class_by_hand() -> None:
    pooled = np.array([[0.0], [0.1], [5.0], [5.2], [5.3]])
    # 0 and 1 find each other; 2 finds 3 (another class); 3 and 4 find each other.
    assert maps.separation(pooled, np.array([0, 0, 1, 2, 2])) == pytest.approx(4 / 5)


def test_separation__equal_features_never_find_themselves() -> None:
    assert maps.separation(np.zeros((4, 2)), np.arange(4)) == 0.0


def test_largest_classes__at_most_as_many_as_can_be_told_apart() -> None:
    labels = np.repeat(np.arange(20), np.arange(1, 21))
    assert maps.largest_classes(labels, 20) == list(range(19, 7, -1))
    assert maps.largest_classes(None, 20) == []


@pytest.mark.parametrize("clouds", [3, 40])
def test_map_picture__many_classes_few_clouds(clouds: int) -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 15, clouds)
    found = maps.make_maps(
        [("Pre-trained", generator.normal(size=(clouds, 6))), ("Untrained", generator.normal(size=(clouds, 6)))],
        labels,
        [f"class {i}" for i in range(15)],
        data="shapes",
    )
    assert bool(found.tsne) == (clouds >= 5)
    picture = maps.map_picture(found.pca, found.labels, found.classes, name="map-pca")
    assert "PCA, pre-trained" in picture.svg
    assert ("other classes" in picture.svg) == (len(np.unique(labels)) > maps.NAMED)


def test_scores_table__prints_intervals_and_differences() -> None:
    html = scores.scores_table([_comparison(_gain(0.08, 0.20))])
    for said in ("65.5 %", "60.0 to 71.0", "51.8 %", "+14.0", "+8.0 to +20.0", "&lt; 0.001"):
        assert said in html


def test_scores_table__untrained_not_measured() -> None:
    alone = Comparison(protocol="x", task="x", data="d", trained=Estimate(mean=0.5))
    assert scores.scores_table([alone]).count("–") == 3


@pytest.mark.parametrize(
    ("bounds", "said"),
    [((0.08, 0.20), "14.0 points better"), ((-0.20, -0.08), "14.0 points worse"), ((-0.02, 0.06), "may be chance")],
)
def test_headline__claims_only_what_the_interval_allows(bounds: tuple[float, float], said: str) -> None:
    assert said in scores.headline(_comparison(_gain(*bounds)))


def test_headline__says_when_the_twin_was_not_measured() -> None:
    alone = Comparison(protocol="x", task="kNN", data="d", trained=Estimate(mean=0.5))
    assert "untrained network was not measured" in scores.headline(alone)


def test_scores_picture__names_every_task() -> None:
    picture = scores.scores_picture([_comparison(), _comparison(task="kNN")])
    assert "Linear SVM" in picture.svg
    assert "kNN" in picture.svg
