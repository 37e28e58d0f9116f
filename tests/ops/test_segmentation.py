"""Intersection over union: by hand, against scikit-learn, and the published rule of parts written out by itself."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score, recall_score

from pointssl.ops import segmentation


def drawn(seed: int, points: int = 200, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=points)
    predicted = np.where(random.random(points) < 0.6, truth, random.integers(classes, size=points))
    return truth.astype(np.int64), predicted.astype(np.int64)


def test_scene__by_hand() -> None:
    # Class 0: 3 of 4 right and 1 strange point; class 1: 2 of 3 and 1 strange; class 2 never occurs.
    truth = np.array([0, 0, 0, 0, 1, 1, 1, -1])
    predicted = np.array([0, 0, 0, 1, 1, 1, 0, 2])
    matrix = segmentation.confusion(truth, predicted, 3)
    assert matrix.tolist() == [[3, 1, 0], [1, 2, 0], [0, 0, 0]]
    np.testing.assert_allclose(segmentation.class_ious(matrix), [3 / 5, 2 / 4, np.nan])
    assert segmentation.mean_iou(matrix) == pytest.approx((3 / 5 + 2 / 4) / 2)
    assert segmentation.overall_accuracy(matrix) == pytest.approx(5 / 7)
    assert segmentation.mean_accuracy(matrix) == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_scene__predicted_class_that_never_occurs_counts_zero() -> None:
    matrix = segmentation.confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert segmentation.class_ious(matrix).tolist() == [0.5, 1.0, 0.0]
    assert segmentation.mean_accuracy(matrix) == pytest.approx(0.75)  # it has no points that could be right


@pytest.mark.parametrize("seed", range(3))
def test_scene__is_what_scikit_learn_says(seed: int) -> None:
    truth, predicted = drawn(seed)
    matrix = segmentation.confusion(truth, predicted, 5)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, predicted))
    assert segmentation.mean_iou(matrix) == pytest.approx(jaccard_score(truth, predicted, average="macro"))
    assert segmentation.mean_accuracy(matrix) == pytest.approx(recall_score(truth, predicted, average="macro"))


def test_confusion__of_rooms_adds_up() -> None:
    (a, b), (c, d) = drawn(0), drawn(1)
    whole = segmentation.confusion(np.concatenate([a, c]), np.concatenate([b, d]), 5)
    np.testing.assert_array_equal(whole, segmentation.confusion(a, b, 5) + segmentation.confusion(c, d, 5))


def test_confusion__refuses_a_class_beyond() -> None:
    with pytest.raises(ValueError, match="predicted must be 0 to 2, got 0 to 3"):
        segmentation.confusion(np.array([0, 1]), np.array([0, 3]), 3)


def test_parts__absent_and_not_predicted_counts_one() -> None:
    truth = np.array([4, 4, 4, 5])
    assert segmentation.shape_iou(truth, truth, (4, 5, 6)) == 1.0
    assert segmentation.shape_iou(truth, np.array([4, 4, 5, 5]), (4, 5, 6)) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert segmentation.shape_iou(truth, np.array([4, 4, 6, 5]), (4, 5, 6)) == pytest.approx((2 / 3 + 1 + 0) / 3)


def transcribed(
    shapes: list[tuple[int, list[int], list[int]]], seg_classes: dict[int, list[int]]
) -> tuple[float, float]:
    """Return instance and class mean as the protocol's text has them, in sets and dictionaries."""
    shape_ious: dict[int, list[float]] = {category: [] for category in seg_classes}
    for category, segl, segp in shapes:
        part_ious = []
        for part in seg_classes[category]:
            ours = {place for place, label in enumerate(segp) if label == part}
            theirs = {place for place, label in enumerate(segl) if label == part}
            part_ious.append(1.0 if not ours | theirs else len(ours & theirs) / len(ours | theirs))
        shape_ious[category].append(sum(part_ious) / len(part_ious))
    every = [iou for ious in shape_ious.values() for iou in ious]
    by_category = [sum(ious) / len(ious) for ious in shape_ious.values() if ious]
    return sum(every) / len(every), sum(by_category) / len(by_category)


def test_parts__are_the_protocol_written_out() -> None:
    random, parts = np.random.default_rng(3), {0: [0, 1, 2, 3], 1: [4, 5], 2: [6, 7, 8]}
    shapes, ious, categories = [], [], []
    for number in range(30):
        category = int(random.choice([0, 0, 0, 1, 2])) if number > 2 else number
        truth, predicted = (random.choice(parts[category][: random.integers(1, 5)], size=20) for _ in range(2))
        shapes.append((category, truth.tolist(), predicted.tolist()))
        ious.append(segmentation.shape_iou(truth.astype(np.int64), predicted.astype(np.int64), parts[category]))
        categories.append(category)
    found = segmentation.instance_and_class_iou(np.array(ious), np.array(categories))
    assert found == pytest.approx(transcribed(shapes, parts))
    assert found[0] != pytest.approx(found[1])  # the categories are of different sizes: the two means must differ
