"""How well points are told apart: intersection over union, from one confusion matrix or shape by shape.

Scenes are scored from a single matrix over all points of all rooms. Shapes with parts are scored each by itself: the
mean over the parts that its category has, where a part that neither occurs nor is predicted counts 1; then the mean
over shapes (instance) or over the means of the categories (class).

Source: scenes, I. Armeni et al., "3D Semantic Parsing of Large-Scale Indoor Spaces", CVPR 2016; parts, C. R. Qi et al.,
"PointNet", CVPR 2017, after L. Yi et al., "A Scalable Active Framework for Region Annotation in 3D Shape Collections",
SIGGRAPH Asia 2016.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64, Num


def confusion(
    truth: Int64[np.ndarray, " n"], predicted: Int64[np.ndarray, " n"], classes: int
) -> Int64[np.ndarray, "k k"]:
    """Return how many points of each class (rows) were predicted as each class (columns); truth below 0 is left out.

    Raises ValueError for a class beyond `classes`.
    """
    known = truth >= 0
    truth, predicted = truth[known], predicted[known]
    for name, values in (("truth", truth), ("predicted", predicted)):
        if len(values) and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(f"{name} must be 0 to {classes - 1}, got {values.min()} to {values.max()}")
    counts = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def class_ious(matrix: Int64[np.ndarray, "k k"]) -> Float64[np.ndarray, " k"]:
    """Return the intersection over union of each class, NaN for one that neither occurs nor is predicted."""
    both = np.diag(matrix).astype(np.float64)
    return _share(both, matrix.sum(axis=0) + matrix.sum(axis=1) - both)


def class_recalls(matrix: Int64[np.ndarray, "k k"]) -> Float64[np.ndarray, " k"]:
    """Return the share of the points of each class that are right, NaN for one that does not occur."""
    return _share(np.diag(matrix).astype(np.float64), matrix.sum(axis=1))


def mean_iou(matrix: Int64[np.ndarray, "k k"]) -> float:
    """Return the mean intersection over union over the classes that occur or are predicted."""
    return float(np.nanmean(class_ious(matrix)))


def overall_accuracy(matrix: Int64[np.ndarray, "k k"]) -> float:
    """Return the share of right points."""
    return float(np.trace(matrix) / matrix.sum())


def mean_accuracy(matrix: Int64[np.ndarray, "k k"]) -> float:
    """Return the mean over the classes that occur of their share of right points."""
    return float(np.nanmean(class_recalls(matrix)))


def shape_iou(truth: Int64[np.ndarray, " n"], predicted: Int64[np.ndarray, " n"], parts: Sequence[int]) -> float:
    """Return the mean over `parts` of the intersection over union in one shape; 1 for a part in neither."""
    known = truth >= 0
    truth, predicted = truth[known], predicted[known]
    ious = []
    for part in parts:
        either = int(((truth == part) | (predicted == part)).sum())
        both = int(((truth == part) & (predicted == part)).sum())
        ious.append(both / either if either else 1.0)
    return float(np.mean(ious))


def instance_and_class_iou(shapes: Float64[np.ndarray, " m"], category: Int64[np.ndarray, " m"]) -> tuple[float, float]:
    """Return the mean over shapes, and the mean over the categories that occur of the mean over their shapes."""
    return float(shapes.mean()), float(np.mean([shapes[category == one].mean() for one in np.unique(category)]))


def _share(part: Float64[np.ndarray, " k"], whole: Num[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
