"""Clouds in arrays: equal and unequal sizes, scaled integers, mapped files, and what does not fit together."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.arrays import ArrayDataset

XYZ = np.arange(24, dtype=np.float32).reshape(2, 4, 3)


def test_array__gives_back_what_was_put_in() -> None:
    parts = np.arange(8, dtype=np.int32).reshape(2, 4, 1)
    data = ArrayDataset(XYZ, name="a", classes=("x", "y"), labels=[1, 0], channels={"part": parts}, names=["p", "q"])
    cloud = data[1]
    np.testing.assert_array_equal(cloud.points, XYZ[1])
    np.testing.assert_array_equal(cloud.channels["part"], [[4], [5], [6], [7]])
    assert (cloud.label, cloud.name, len(data)) == (0, "q", 2)
    np.testing.assert_array_equal(data[-1].points, XYZ[1])
    with pytest.raises(IndexError):
        data.xyz(2)


def test_array__unequal_sizes_and_integers() -> None:
    points = np.array([[512, 0, 0], [0, 1024, 0], [0, 0, -1024]], dtype=np.int16)
    data = ArrayDataset(points, offsets=np.array([0, 1, 3]), name="a", scale=1 / 1024)
    assert data.xyz(0).tolist() == [[0.5, 0, 0]]
    assert data.xyz(1).tolist() == [[0, 1, 0], [0, 0, -1]]
    assert data.xyz(0).dtype == np.float32
    assert data.labels is None


def test_array__handed_out_coordinates_are_a_copy() -> None:
    data = ArrayDataset(XYZ.copy(), name="a")
    data.xyz(0)[:] = -1
    data[0].points[:] = -1
    np.testing.assert_array_equal(data.xyz(0), XYZ[0])


@pytest.mark.parametrize("change", ["points", "labels", "classes", "channel", "scale"])
def test_fingerprint__changes_with_the_content(change: str) -> None:
    part = np.zeros((2, 4, 1), np.int32)
    before = ArrayDataset(XYZ, name="a", classes=("x", "y"), labels=[0, 1], channels={"part": part})
    points = XYZ + (change == "points")
    after = ArrayDataset(
        points.astype(np.float32),
        name="b",
        classes=("x", "z" if change == "classes" else "y"),
        labels=[1, 0] if change == "labels" else [0, 1],
        channels={"part": part + np.int32(change == "channel")},
        scale=2.0 if change == "scale" else 1.0,
    )
    assert before.fingerprint != after.fingerprint


def test_fingerprint__does_not_depend_on_the_name() -> None:
    assert ArrayDataset(XYZ, name="a").fingerprint == ArrayDataset(XYZ.copy(), name="b").fingerprint


def test_array__mapped_files_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "clouds.npy", XYZ)
    data = ArrayDataset(np.load(tmp_path / "clouds.npy", mmap_mode="r"), name="a")
    stored = np.load(tmp_path / "clouds.npy", mmap_mode="r+")
    stored[1, 0, 0] = -7  # a mapped file shows what is written to it later
    stored.flush()
    assert data.xyz(1)[0, 0] == -7


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.int32])
def test_array__survey_coordinates_keep_their_digits(kind: type) -> None:
    far: np.ndarray = (XYZ * 1000 + [500_000_123, 540_000_456, 100_250]).astype(kind)  # millimetres
    cloud = ArrayDataset(far, name="a", origin="a.npy")[1]
    np.testing.assert_array_equal(cloud.points - cloud.points[0], (XYZ[1] - XYZ[1, 0]) * 1000)
    shift = [float(word) for word in cloud.origin.split("minus (")[1].rstrip(")").split(",")]
    np.testing.assert_allclose(cloud.points.astype(np.float64) + shift, far[1], atol=1e-2)


@pytest.mark.parametrize("none", [-1, np.nan])
def test_array__a_cloud_without_a_label(none: float) -> None:
    data = ArrayDataset(XYZ, name="a", classes=("x", "y"), labels=np.array([1, none]))
    assert data.labels is None
    assert (data[0].label, data[1].label) == (1, None)


def test_array__what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one entry for each of the 2 clouds"):
        ArrayDataset(XYZ, name="a", labels=[0])
    with pytest.raises(ValueError, match=r"labels must be 0 to 1 .* got 0 to 2"):
        ArrayDataset(XYZ, name="a", classes=("x", "y"), labels=[0, 2])
    with pytest.raises(ValueError, match="offsets must rise"):
        ArrayDataset(XYZ[0], offsets=np.array([0, 3, 2]), name="a")
    with pytest.raises(ValueError, match="before the 4 points, got 5"):
        ArrayDataset(XYZ[0], offsets=np.array([0, 5]), name="a")
    with pytest.raises(ValueError, match="come with offsets"):
        ArrayDataset(XYZ[0], name="a")
