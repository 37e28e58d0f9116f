"""Protocols of parts: a planted score for who sees the points, chance for who does not, few labels, and no classes."""

from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.point_labels import PointLabelled, labelled_splits
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.errors import DataError
from pointssl.evaluation import parts
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import EncodeConfig
from pointssl.evaluation.record import Results, Score
from pointssl.evaluation.suite import evaluate
from pointssl.methods import SegmentConfig
from pointssl.ops import segmentation
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from pointssl.types import Features
from tests.doubles import tiny_config


@final
class Seeing(Backbone):
    """Point features are the coordinates, or nothing at all."""

    def __init__(self, *, blind: bool = False) -> None:
        super().__init__()
        self.point_dim, self.pooled_dim = 3, 3
        self.weight = torch.nn.Parameter(torch.tensor(0.0 if blind else 1.0), requires_grad=False)

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        return Features(points=xyz * self.weight, pooled=xyz.mean(dim=1) * 0)


def banded(clouds: int, seed: int, classes: bool = True, points: int = 60) -> ArrayDataset:
    """Two classes; parts 0, 1 of the first and 2, 3 of the second lie left and right of a gap."""
    random = np.random.default_rng(seed)
    xyz = random.normal(size=(clouds, points, 3)).astype(np.float32)
    side = random.integers(2, size=(clouds, points))
    xyz[..., 0] = np.abs(xyz[..., 0]) * np.where(side, 1, -1) + np.where(side, 0.5, -0.5)
    label = np.arange(clouds) % 2
    part = side + 2 * label[:, None]
    kind: dict[str, Any] = {"classes": ("a", "b"), "labels": label} if classes else {}
    return ArrayDataset(xyz, name=f"banded {seed}", channels={"part": part[..., None]}, **kind)


def world(classes: bool = True, **changes: Any) -> EvaluationContext:
    encode = EncodeConfig(reading=ReadConfig(points=60, normalise=False), device="cpu", batch_size=4)
    arms = {"pretrained": lambda _: Seeing(), "untrained": lambda _: Seeing(blind=True)}
    splits = open_splits((banded(12, 0, classes), banded(6, 1, classes)), classes=classes)
    given: dict[str, Any] = {"arms": arms, "splits": splits, "encode": encode, "seeds": (0,)}
    return EvaluationContext(**(given | changes))


def found(results: Results) -> dict[tuple[str, str], Score]:
    return {(one.protocol, one.arm): one for one in results if isinstance(one, Score)}


def test_probe__planted_parts_are_found_and_nothing_by_the_blind() -> None:
    given = world()
    scores = found(parts.probe(given))
    assert {name for name, _ in scores} == {f"part-segmentation linear {share}" for share in ("1%", "10%", "100%")}
    seeing, blind = (scores["part-segmentation linear 100%", arm].accuracy.mean for arm in ("pretrained", "untrained"))
    assert seeing == 1.0
    # One part is said of every point: its share of the points, and 0 for the other one.
    splits, _ = labelled_splits(given.splits)
    assert isinstance(splits.test, PointLabelled)
    sides = np.array([(splits.test.point_label(i) % 2).mean() for i in range(6)])
    assert blind <= np.mean(np.maximum(sides, 1 - sides) / 2) + 1e-9
    assert blind < 0.4


def test_probe__sees_the_features_of_the_drawn_points_in_order() -> None:
    splits, _ = labelled_splits(world().splits)
    rows, labels = parts.point_features(Seeing(), splits, "test", world().encode, 3, "")
    assert rows.shape == (6, 60, 6)
    np.testing.assert_array_equal(rows[..., 0] > 0, labels % 2 == 1)
    assert (labels // 2 == np.arange(6)[:, None] % 2).all()


def test_probe__clouds_without_a_class_are_scored_too() -> None:
    scores = found(parts.probe(world(classes=False)))
    # Left and right are told apart, the two classes are not: a point is right about half of the time.
    assert scores["part-segmentation linear 100%", "pretrained"].accuracy.mean > 0.3
    assert scores["part-segmentation linear 100%", "untrained"].accuracy.mean < 0.3


def test_finetune__is_the_number_of_the_same_run(tmp_path: Path) -> None:
    recipe = tiny_config(method=SegmentConfig(hidden=(8,)), steps=3)
    given = world(cache=tmp_path, finetune=recipe, score_epochs=False)
    scores = found(parts.finetune(given))
    kept = list((tmp_path / "runs").glob("part-segmentation-finetune-pretrained-0-*"))
    assert len(kept) == 1
    point_scores = Run.open(kept[0]).point_scores()
    assert scores["part-segmentation-finetune", "pretrained"].accuracy.mean == point_scores.instance_miou
    assert scores["part-segmentation-finetune", "pretrained"].repeats[0].class_accuracy == point_scores.class_miou


def test_evaluate__measures_a_run(tmp_path: Path) -> None:
    run = pretrain(tiny_config(), tmp_path / "run", data=banded(12, 0))
    bare = (banded(12, 0, classes=False), banded(6, 1, classes=False))
    result = evaluate(run, bare, protocols=("part-segmentation",), seeds=(0,), device="cpu")
    assert all(0 <= score.accuracy.mean <= 1 for score in result.scores)
    assert len(result.scores) == 6
    with pytest.raises(DataError, match="has no labels, which are needed here"):
        evaluate(run, bare, protocols=("part-segmentation", "knn-1"), seeds=(0,), device="cpu")


def test_evaluate__sets_without_parts_are_refused() -> None:
    plain = ArrayDataset(np.random.default_rng(0).normal(size=(8, 60, 3)).astype(np.float32), name="plain")
    with pytest.raises(DataError, match="has no label for its points"):
        parts.probe(world(splits=open_splits((plain, plain), classes=False)))


def test_probe__a_fifth_of_the_labels_is_enough_for_a_wide_gap() -> None:
    given = world(arms={"pretrained": lambda _: Seeing()})
    splits, made = labelled_splits(given.splits, fraction=0.2)
    shapes = parts._probed(Seeing(), splits, made.allowed, given.encode, 0, "")
    assert len(shapes) == 6
    assert segmentation.instance_and_class_iou(shapes.astype(np.float64), np.arange(6) % 2)[0] > 0.95
