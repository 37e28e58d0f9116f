"""What an evaluation refuses, and how it divides a data set without a test split."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.arrays import ArrayDataset
from pointssl.data.open import open_dataset
from pointssl.data.splits import Subset, hold_out, open_splits
from pointssl.errors import DataError
from tests.evaluation.doubles import boxes


def _save(path: Path, **more: np.ndarray) -> str:
    data = boxes((10, 5, 1))
    points = np.stack([data.xyz(i) for i in range(len(data))])
    labels = {"label": data.labels} if data.labels is not None else {}
    np.savez(path, **{"points": points, "class_names": np.array(data.classes), **labels, **more})  # type: ignore[arg-type]
    return str(path)


def test_open_splits__own_split_of_the_data(tmp_path: Path) -> None:
    split = np.array([0, 1] * 8)
    splits = open_splits(_save(tmp_path / "shapes.npz", split=split))
    assert (splits.name, splits.origin) == ("shapes", "the data set's own split")
    assert (len(splits.train), len(splits.test)) == (8, 8)


def test_open_splits__without_a_test_split_a_fifth_of_each_class(tmp_path: Path) -> None:
    splits = open_splits(_save(tmp_path / "shapes.npz"))
    assert splits.origin.startswith("stratified 80%/20% by seed 0")
    assert np.bincount(splits.test_labels).tolist() == [2, 1]  # of 10, 5, 1; the only member is learned from
    assert np.bincount(splits.train_labels).tolist() == [8, 4, 1]


def test_hold_out__parts_are_disjoint_whole_and_named() -> None:
    data = boxes((10, 5))
    splits = hold_out(data)
    names = [part[i].name for part in (splits.train, splits.test) for i in range(len(part))]
    assert sorted(names) == sorted(data[i].name for i in range(15))
    assert (splits.train.name, splits.test.name) == ("boxes/train", "boxes/test")
    assert splits.train.fingerprint != splits.test.fingerprint


def test_subset__past_the_end() -> None:
    with pytest.raises(IndexError):
        Subset(boxes((3,)), np.array([0, 2]), "part").xyz(2)


def _folder(root: Path, *, train: int = 10, test: int = 4) -> Path:
    """Two classes, each in a training and a test folder, one file a cloud."""
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            place = root / split / ("cup", "jug")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            np.savetxt(place / f"{number}.xyz", np.random.default_rng(number).normal(size=(16, 3)))
    return root


def test_open_splits__damaged_test_clouds_are_an_error_and_no_other_split(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    for broken in sorted((root / "test").rglob("*.xyz"))[:3]:
        broken.write_text("not a number\n")
    with pytest.raises(DataError, match=r"only 1 of 4 files can be read"):
        open_splits(str(root))


def test_open_splits__a_test_set_that_cannot_be_opened_is_still_a_split(tmp_path: Path) -> None:
    root = _folder(tmp_path, test=0)
    (root / "test" / "cup").mkdir(parents=True)
    (root / "test" / "cup" / "all.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"all\.npz"):
        open_splits(root)


def test_open_splits__a_damaged_set_that_may_hold_a_split(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 3), dtype=np.float32))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"b\.npz .*whether it holds a split cannot be told"):
        open_splits(tmp_path)


def test_open_splits__a_test_split_alone(tmp_path: Path) -> None:
    split = np.array([1] * 16)
    with pytest.raises(DataError, match=r"no cloud in its split 'train'|none called train"):
        open_splits(_save(tmp_path / "shapes.npz", split=split))


def test_open_splits__path_word_and_pair_are_the_same(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    prints = [
        (splits.train.fingerprint, splits.test.fingerprint)
        for splits in (
            open_splits(root),
            open_splits(str(root)),
            open_splits((open_dataset(root, "train"), open_dataset(str(root), "test"))),
        )
    ]
    assert len(set(prints)) == 1


def test_open_splits__no_labels() -> None:
    bare = ArrayDataset(np.zeros((2, 4, 3), dtype=np.float32), name="bare")
    with pytest.raises(DataError, match=r"bare has no labels.*one folder per class"):
        open_splits((bare, bare))


def test_open_splits__labels_that_do_not_match() -> None:
    with pytest.raises(DataError, match="do not match: only in test: box2"):
        open_splits((boxes((3, 3)), boxes((3, 3, 3), name="boxes/test")))


def test_open_splits__one_class_only() -> None:
    with pytest.raises(DataError, match="one class only"):
        open_splits((boxes((3, 0)), boxes((3, 0), name="boxes/test")))


def test_open_splits__nothing_to_test_on() -> None:
    with pytest.raises(DataError, match="boxes/test holds no clouds"):
        open_splits((boxes((3, 3)), boxes((0, 0), name="boxes/test")))
