"""Copies: planted ones are found, whatever they are called, and nothing else is."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.arrays import ArrayDataset
from pointssl.errors import SettingError
from pointssl.search.duplicates import Draws, duplicates, grouped, outliers, write_groups
from pointssl.search.index import Index, build_index
from tests.search.worlds import write_folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(write_folder(tmp_path_factory.mktemp("twice") / "shapes"), points=512)


def test_duplicates__finds_the_planted_copies_and_no_others(index: Index, tmp_path: Path) -> None:
    found = duplicates(index)
    named = {tuple(sorted(index.names[i] for i in group)) for group in found.groups}
    assert named == {("again_04", "shape_04"), ("again_07", "shape_07")}
    assert all(1 <= pair.ratio <= 1.25 for pair in found.pairs)
    write_groups(found, index, tmp_path / "twice.csv")
    with (tmp_path / "twice.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == ["1", "1", "2", "2"]
    assert {row["name"] for row in rows} == {"again_04", "shape_04", "again_07", "shape_07"}


def test_ratio__is_one_for_two_draws_and_grows_with_the_difference() -> None:
    generator = np.random.default_rng(0)
    ball = generator.normal(size=(4, 3000, 3))
    ball /= np.linalg.norm(ball, axis=2, keepdims=True)
    ball[2, :, 2] *= 0.8
    ball[3, :, 2] *= 0.5
    draws = Draws(ArrayDataset(ball.astype(np.float32), name="balls"), seed=0)
    same, flatter, flat = (draws.ratio(0, i) for i in (1, 2, 3))
    assert 1 <= same < 1.2  # middles of two draws of 3,000 points lie apart by a fifth of their spacing
    assert 1.25 < flatter < flat


def test_ratio__small_clouds_that_are_read_whole() -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float32)
    clouds = np.stack([corners, corners[::-1] * 3 + 7, corners * [1, 1, 2]]).astype(np.float32)
    draws = Draws(ArrayDataset(clouds, name="boxes"), seed=0)
    assert draws.ratio(0, 1) == 1.0
    assert draws.ratio(0, 2) > 100


def test_grouped__chains_hold_together_and_the_largest_comes_first() -> None:
    assert grouped([(5, 6), (1, 2), (2, 9)], 10) == ((1, 2, 9), (5, 6))
    assert grouped([], 10) == ()


def test_outliers__the_far_one_comes_first(index: Index) -> None:
    vectors = np.array([[1, 0, 0], [1, 0.01, 0], [1, 0, 0.01], [0, 1, 0]], dtype=np.float32)
    far = Index(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        names=("a", "b", "c", "odd"),
        origins=("",) * 4,
        label=np.full(4, -1),
        classes=(),
        source="",
        split="all",
        encoder="",
        key="",
        points=1,
        seed=0,
        whitening=None,
    )
    found = outliers(far, 2, neighbours=2)
    assert found[0][0] == 3
    assert found[0][1] == pytest.approx(1 - 0.01 / 2, abs=0.01)


def test_duplicates__what_is_refused(index: Index) -> None:
    with pytest.raises(SettingError, match=r"ratio must be at least 1, got 0\.5"):
        duplicates(index, ratio=0.5)
    with pytest.raises(SettingError, match="ratio must be at least 1, got nan"):
        duplicates(index, ratio=float("nan"))
    other = ArrayDataset(np.zeros((3, 8, 3), dtype=np.float32), name="others")
    with pytest.raises(SettingError, match="no longer holds the 14 shapes of the index"):
        duplicates(index, other)
