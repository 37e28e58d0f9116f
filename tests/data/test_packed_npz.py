"""One .npz with many clouds: keys, splits, integer scales, and the real sets."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.open import open_dataset
from pointssl.data.packed_npz import human_segmentations, integer_scale, open_npz
from pointssl.errors import DataError


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Four clouds of three points, two classes, the third for testing."""
    points = (np.arange(36).reshape(4, 3, 3) * 28).astype(np.int16)
    path = tmp_path / "shapes.npz"
    split = np.array([0, 0, 1, 0], np.uint8)
    classes = np.array(["cup", "jug"])
    label = np.array([1, 0, 1, 0], np.uint8)
    np.savez(path, points=points, label=label, split=split, class_names=classes, name=np.array(list("abcd")))
    return path


def test_open_npz__splits_keep_names_and_places(packed: Path) -> None:
    test, train = open_npz(packed, "test"), open_npz(packed, "train")
    assert (len(test), len(train), len(open_npz(packed))) == (1, 3, 4)
    assert (test[0].name, test[0].label, test[0].origin) == ("c", 1, f"{packed}#2")
    assert [train[i].name for i in range(3)] == ["a", "b", "d"]
    assert test.classes == ("cup", "jug")
    np.testing.assert_allclose(test.xyz(0)[0], np.array([18, 19, 20]) * 28 / 1024)


def test_open_npz__parts_of_unequal_clouds(tmp_path: Path) -> None:
    points = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.savez(
        tmp_path / "a.npz",
        points=points,
        offsets=np.array([0, 2, 3, 5]),
        part_label=np.array([0, 1, 2, 3, 4], np.uint8),
        normals=np.full((5, 3), 127, np.int8),
        split=np.array([1, 2, 1], np.uint8),
    )
    data = open_npz(tmp_path / "a.npz", "val")  # a 2 among the codes means train, val, test
    assert len(data) == 2
    np.testing.assert_array_equal(data.xyz(1), points[3:])
    assert data[1].channels["part"].ravel().tolist() == [3, 4]
    assert data[1].channels["normal"].tolist() == [[1, 1, 1]] * 2
    with pytest.raises(DataError, match="no cloud in its split 'train'"):
        open_npz(tmp_path / "a.npz", "train")


def test_integer_scale__by_range() -> None:
    assert integer_scale(np.array([[[-1024, 1024, 0]]], np.int16)) == 1 / 1024
    assert integer_scale(np.array([[[-1291, 2731, 0]]], np.int16)) == 1 / 1024
    assert integer_scale(np.array([[[-32767, 5, 0]]], np.int16)) == 1 / 32767
    assert integer_scale(np.array([[[-32767.0, 5, 0]]])) == 1


def test_open_npz__what_is_wrong_is_told(tmp_path: Path, packed: Path) -> None:
    with pytest.raises(DataError, match=r"no split 'tests' \(did you mean 'test'"):
        open_npz(packed, "tests")
    np.savez(tmp_path / "mesh.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(DataError, match="holds vertices; expected an array named points"):
        open_npz(tmp_path / "mesh.npz")
    np.savez(tmp_path / "short.npz", points=np.zeros((2, 4, 3)), label=np.array([0, 5]), class_names=np.array(["a"]))
    with pytest.raises(DataError, match=r"short\.npz does not fit together: labels must be 0 to 0"):
        open_npz(tmp_path / "short.npz")
    (tmp_path / "half.npz").write_bytes(packed.read_bytes()[:300])
    with pytest.raises(DataError, match=r"cannot read .*half\.npz"):
        open_npz(tmp_path / "half.npz")
    np.savez(tmp_path / "pickled.npz", points=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"expected an \.npz of plain arrays"):
        open_npz(tmp_path / "pickled.npz")


@pytest.mark.parametrize(
    ("folder", "train", "test", "classes"),
    [("psb-segmentation", 285, 95, 19), ("modelnet40-part", 732, 150, 2), ("bimnet10", 165, 51, 10)],
)
def test_real_sets__counts_and_scale(shared_data: Path, folder: str, train: int, test: int, classes: int) -> None:
    """Counts as published with the sets; every cloud is stored centred, farthest point at 1."""
    sets = [open_dataset(str(shared_data / folder), split) for split in ("train", "test")]
    assert [len(data) for data in sets] == [train, test]
    assert {len(data.classes) for data in sets} == {classes}
    radius = np.linalg.norm(sets[1].xyz(3), axis=1).max()
    assert radius == pytest.approx(1, abs=2e-3)  # 1024 steps


def test_real_sets__largest(shared_data: Path) -> None:
    data = open_dataset(str(shared_data / "psb-shrec12"), "test")
    assert (len(data), len(data.classes), data.name) == (328, 69, "psb-shrec12/test")


def test_human_segmentations__of_one_split(shared_data: Path) -> None:
    path = shared_data / "psb-segmentation" / "models.npz"
    test = human_segmentations(path, "test")
    assert len(test) == 95
    assert len({people.shape[1] for people in test}) == 1
    assert sum(map(len, test)) + sum(map(len, human_segmentations(path, "train"))) == 4300
