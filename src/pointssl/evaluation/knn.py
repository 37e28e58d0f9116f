"""A vote of the nearest training clouds in feature space, by angle.

Source: the weighted vote of Z. Wu, Y. Xiong, S. X. Yu, D. Lin, "Unsupervised Feature Learning via Non-Parametric
Instance Discrimination", CVPR 2018, with its temperature.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64

TEMPERATURE = 0.07


def predict(
    train: Float32[np.ndarray, "m d"],
    labels: Int64[np.ndarray, " m"],
    test: Float32[np.ndarray, "t d"],
    *,
    k: int = 20,
    temperature: float = TEMPERATURE,
) -> Int64[np.ndarray, " t"]:
    """Return for each test cloud the class with the largest sum of exp(cosine / temperature) over k neighbours.

    With fewer than k training clouds all of them vote; a tie goes to the smallest class.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    k, classes = min(k, len(train)), int(labels.max()) + 1
    known, predictions = _unit(train), np.empty(len(test), dtype=np.int64)
    for start in range(0, len(test), 1024):  # bounded memory for any number of test clouds
        cosine = _unit(test[start : start + 1024]) @ known.T
        near = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        weight = np.exp(np.take_along_axis(cosine, near, axis=1) / temperature)
        votes = np.zeros((len(cosine), classes))
        np.add.at(votes, (np.arange(len(cosine))[:, None], labels[near]), weight)
        predictions[start : start + 1024] = votes.argmax(axis=1)
    return predictions


def _unit(rows: Float32[np.ndarray, "m d"]) -> Float64[np.ndarray, "m d"]:
    wide = rows.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: Float64[np.ndarray, "m d"] = wide / np.maximum(
        length, np.finfo(np.float64).tiny
    )  # a zero feature is at a right angle to all
    return unit
