"""Whatever stands for a data set is taken everywhere: a word, a path, an open set, or a pair of these."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pointssl
from pointssl.data.arrays import ArrayDataset
from pointssl.data.check import check
from pointssl.data.open import Data, open_dataset
from pointssl.data.store.pack import pack

TAKES_DATA = (
    "check", "compare", "embed", "evaluate", "interact", "open_dataset", "pack", "pretrain", "train_classifier",
    "train_segmenter", "write_report", "write_views",
)  # fmt: skip
"""Public calls that read clouds."""


@pytest.mark.parametrize("name", TAKES_DATA)
def test_public_call__calls_its_clouds_data(name: str) -> None:
    assert "data" in inspect.signature(getattr(pointssl, name)).parameters


def test_public_calls__are_all_here() -> None:
    given = {"data", "dataset", "source", "spec"}
    functions: dict[str, Callable[..., Any]] = {
        name: getattr(pointssl, name) for name in pointssl.__all__ if inspect.isfunction(getattr(pointssl, name))
    }
    assert {name for name, one in functions.items() if given & set(inspect.signature(one).parameters)} == set(
        TAKES_DATA
    )


def _set(seed: int, clouds: int = 4) -> ArrayDataset:
    points = np.random.default_rng(seed).normal(size=(clouds, 16, 3)).astype(np.float32)
    return ArrayDataset(points, name="some", labels=[0, 1] * (clouds // 2), classes=("a", "b"))


FORMS: dict[str, Callable[[Path], Data]] = {
    "word": lambda _: "synthetic:6",
    "word of a path": lambda root: str(root / "store"),
    "path": lambda root: root / "store",
    "set": lambda _: _set(0),
    "pair": lambda root: (root / "store", _set(1, clouds=2)),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pack(_set(2), tmp_path / "store")
    return tmp_path


@pytest.mark.parametrize("form", FORMS)
def test_check__takes_every_form(form: str, root: Path) -> None:
    report = check(FORMS[form](root), needed_points=16)
    assert report.clouds == {"set": 4, "path": 4, "word of a path": 4}.get(form, 6)


@pytest.mark.parametrize("form", FORMS)
def test_pack__takes_every_form(form: str, root: Path) -> None:
    summary = pack(FORMS[form](root), root / "again", points=None)
    assert summary.clouds == {"set": 4, "path": 4, "word of a path": 4}.get(form, 6)
    if form == "pair":
        assert summary.splits == {"train": 4, "test": 2}
        np.testing.assert_array_equal(open_dataset(root / "again", "test").xyz(1), _set(1, clouds=2).xyz(1))
