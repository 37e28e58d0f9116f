"""Archives: one reader by every route, roles of arrays, labels and splits as people write them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pointssl.data.check import Issue, check
from pointssl.data.cloud import Dataset
from pointssl.data.files import readers
from pointssl.data.files.dataset import open_files
from pointssl.data.files.sets import integer_scale
from pointssl.data.open import open_dataset
from pointssl.data.public.psb import human_segmentations
from pointssl.data.store.pack import pack
from pointssl.errors import DataError

CLOUDS = np.random.default_rng(0).normal(size=(6, 40, 3))
UTM = CLOUDS + np.array([500000.123, 5400000.456, 100.0])


def told(data: Dataset) -> list[tuple[Any, ...]]:
    """Everything that a data set says of its clouds."""
    clouds = [data[place] for place in range(len(data))]
    return [
        (one.name, one.label, one.points.tobytes(), {key: values.tobytes() for key, values in one.channels.items()})
        for one in clouds
    ]


def save(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


FORMS: dict[str, dict[str, Any]] = {
    "far": {"points": UTM},
    "words": {"points": CLOUDS, "label": [0, 1, 0, 1, 1, 0], "class_names": ["a", "b"],
              "split": ["train", "Test", "training", "test", "train", "testing"]},
    "label words": {"data": CLOUDS, "label": ["bed", "cup", "bed", "bed", "cup", "cup"]},
    "scaled": {"points": CLOUDS, "scale": np.float32(10), "colors": np.full((6, 40, 3), 255, np.uint8)},
    "int16": {"clouds": (CLOUDS * 1000).astype(np.int16), "split": [0, 1, 2, 0, 1, 2], "name": list("uvwxyz")},
    "unequal": {"points": UTM.reshape(-1, 3), "offsets": [0, 40, 60, 240], "normals": np.full((240, 3), 127, np.int8),
                "part_label": np.arange(240) % 5, "label": [[1], [0], [1]]},
    "more columns": {"points": np.concatenate([CLOUDS, CLOUDS * 0 + [255, 0, 51]], axis=2)},
    "numbered": {f"arr_{place}": UTM[place % 6, : 20 + place] for place in range(12)},
}  # fmt: skip


@pytest.mark.case("01-utm-set-direct")
@pytest.mark.case("37-npz-split-words")
@pytest.mark.parametrize("form", FORMS)
def test_archive__same_clouds_directly_in_a_folder_and_packed(tmp_path: Path, form: str) -> None:
    direct = open_dataset(save(tmp_path / "set.npz", **FORMS[form]))
    folder = open_dataset(save(tmp_path / "folder" / "set.npz", **FORMS[form]).parent)
    pack(tmp_path / "set.npz", tmp_path / "store", points=None)
    packed = open_dataset(tmp_path / "store")
    assert told(direct) == told(folder) == told(packed)
    assert direct.classes == folder.classes == packed.classes
    for split in ("train", "test") if "split" in FORMS[form] else ():
        parts = [open_dataset(tmp_path / name, split) for name in ("set.npz", "folder", "store")]
        assert told(parts[0]) == told(parts[1]) == told(parts[2])


@pytest.mark.case("01-utm-set-direct")
@pytest.mark.parametrize("name", ["set.npz", "set.npy"])
def test_archive__survey_coordinates_keep_their_digits(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / name, points=UTM) if name.endswith("z") else np.save(tmp_path / name, UTM)
    data = open_dataset(tmp_path / name)
    for place, cloud in enumerate(UTM):
        found = data.xyz(place).astype(np.float64)
        np.testing.assert_allclose(found - found.mean(0), cloud - cloud.mean(0), atol=2e-6)


@pytest.mark.case("08-savez-many")
def test_archive__savez_of_many_clouds(tmp_path: Path) -> None:
    clouds = [np.random.default_rng(place).normal(size=(20 + place, 3)) for place in range(25)]
    np.savez(tmp_path / "many.npz", *clouds)
    data = open_dataset(tmp_path / "many.npz")
    assert [len(data.xyz(place)) for place in range(25)] == list(range(20, 45))  # arr_10 behind arr_9
    assert [data[place].name for place in (0, 9, 10)] == ["many/0", "many/9", "many/10"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"arr_0": CLOUDS, "arr_1": np.arange(6)},  # np.savez(file, points, labels)
        {"vertices": np.zeros((9, 3)), "faces": np.zeros((4, 3), int)},
        {"other": np.zeros((9, 3))},
    ],
)
def test_archive__arrays_that_may_be_anything_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"it has no array called points, data, .* there are"):
        open_dataset(save(tmp_path / "a.npz", **arrays))


@pytest.mark.case("09-label-minus-one")
@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("none", [-1, np.nan])
def test_archive__some_clouds_without_a_label(tmp_path: Path, kind: str, none: float) -> None:
    label = np.array([0, 1, none, 2, none, 1])
    if kind == "npz":
        save(tmp_path / "set.npz", points=CLOUDS, label=label, class_names=["bed", "chair", "lamp"])
    else:
        with h5py.File(tmp_path / "set.h5", "w") as file:
            file["data"], file["label"] = CLOUDS, label[:, None]
    pack(tmp_path / f"set.{kind}", tmp_path / "store", points=None)
    for path in (tmp_path / f"set.{kind}", tmp_path / "store"):
        data = open_dataset(path)
        assert [data[place].label for place in range(6)] == [0, 1, None, 2, None, 1]
        assert data.labels is None
    report = check(tmp_path / f"set.{kind}", needed_points=20)
    assert list(report.classes.values()) == [1, 2, 1]
    assert Issue.PARTLY_LABELLED in {one.issue for one in report.findings}


@pytest.mark.case("31-one-empty-scan")
def test_archive__an_empty_cloud_costs_that_cloud(tmp_path: Path) -> None:
    save(tmp_path / "set.npz", points=UTM.reshape(-1, 3), offsets=[0, 40, 40, 80, 160, 240])
    data = open_files(tmp_path / "set.npz")
    assert data.names == ["set/0", "set/2", "set/3", "set/4"]
    assert [str(one).partition("set.npz")[2] for one in data.failures] == [
        " cannot be read: cloud 1: it holds no points"
    ]
    assert pack(tmp_path / "set.npz", tmp_path / "store").clouds == 4
    report = check(tmp_path / "set.npz", needed_points=20)
    assert (report.clouds, report.fatal) == (4, True)


@pytest.mark.case("31-one-empty-scan")
@pytest.mark.case("30-e57-16-bit-colour")
def test_e57__empty_scans_and_wide_colours(tmp_path: Path) -> None:
    """Five scans, the second without a point that was seen, the last without any; colours of 16 bits."""
    pytest.importorskip("pye57")
    red = np.array([0, 65535, 256, 0])
    write_e57(tmp_path / "a.e57", [(0, red), (1, red), (0, red), (0, red), None])
    data = open_files(tmp_path / "a.e57")
    assert data.names == ["a/0", "a/2", "a/3"]
    assert [one.reason for one in data.failures] == [
        f"cannot be read: cloud {place}: it holds no points" for place in (1, 4)
    ]
    np.testing.assert_allclose(data[1].channels["color"][:, 0], red / 65535, rtol=1e-6)


def write_e57(path: Path, scans: list[tuple[int, np.ndarray] | None]) -> None:
    """Write scans of four points through libe57: the state of all points (0 is seen) and a 16-bit red for each."""
    import pye57
    from pye57 import libe57

    file = pye57.E57(str(path), mode="w")
    image = file.image_file
    for number, scan in enumerate(scans):
        state, red = scan or (0, np.zeros(4))
        node, prototype = libe57.StructureNode(image), libe57.StructureNode(image)
        node.set("guid", libe57.StringNode(image, f"{{{number}}}"))
        buffers, columns = libe57.VectorSourceDestBuffer(), []
        for name, values in (("X", [0.0, 1, 2, 3]), ("Y", [0.0, 1, 0, 1]), ("Z", [5.0, 6, 7, 9])):
            prototype.set(f"cartesian{name}", libe57.FloatNode(image, values[0], libe57.E57_DOUBLE, -100.0, 100.0))
            columns.append((f"cartesian{name}", np.array(values)))
        for name in ("Red", "Green", "Blue"):
            prototype.set(f"color{name}", libe57.IntegerNode(image, 0, 0, 65535))
            columns.append((f"color{name}", red.astype("H")))
        prototype.set("cartesianInvalidState", libe57.IntegerNode(image, 0, 0, 2))
        columns.append(("cartesianInvalidState", np.full(4, state, "b")))
        for name, array in columns:
            buffers.append(libe57.SourceDestBuffer(image, name, array, 4, True, True))
        points = libe57.CompressedVectorNode(image, prototype, libe57.VectorNode(image, True))
        node.set("points", points)
        file.data3d.append(node)
        writer = points.writer(buffers)
        if scan is not None:
            writer.write(4)
        writer.close()
    file.close()


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"label": np.eye(6)}, r"'label' must have one entry for each of the 6 clouds, got shape \(6, 6\)"),
        ({"label": np.arange(5)}, "one entry for each of the 6 clouds"),
        ({"label": [0.5] * 6}, "labels must be whole numbers, got 0.5"),
        ({"label": [0, 1, 2, 0, 1, 2], "class_names": ["a", "b"]}, r"must be 0 to 1 \(there are 2 classes\), got 2"),
        ({"label": list("aabbcc"), "class_names": ["a", "b"]}, "must be among its class_names, got 'c'"),
        ({"split": [0, 1, 2, 3, 0, 1]}, r"split must be 0, 1 \(train, test\) or 0, 1, 2"),
        ({"split": [0, 1]}, "one entry for each of the 6 clouds"),
        ({"offsets": [0, 3, 2]}, "offsets must rise from 0"),
    ],
)
def test_archive__what_does_not_fit_together(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    points = CLOUDS.reshape(-1, 3) if "offsets" in arrays else CLOUDS
    with pytest.raises(DataError, match=reason):
        open_dataset(save(tmp_path / "a.npz", points=points, **arrays))


def test_archive__offsets_past_the_end(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="end at or before its 40 points, got 41"):
        open_dataset(save(tmp_path / "a.npz", points=CLOUDS[0], offsets=[0, 41]))


def test_archive__splits_keep_names_and_places(tmp_path: Path) -> None:
    points = (np.arange(36).reshape(4, 3, 3) * 28).astype(np.int16)
    names = {"class_names": ["cup", "jug"], "name": list("abcd")}
    path = save(tmp_path / "shapes.npz", points=points, label=[1, 0, 1, 0], split=[0, 0, 1, 0], **names)
    test, train = open_files(path, "test"), open_files(path, "train")
    assert (len(test), len(train), len(open_files(path))) == (1, 3, 4)
    assert (test[0].name, test[0].label, test[0].origin) == ("c", 1, f"{path}[2]")
    assert train.names == ["a", "b", "d"]
    np.testing.assert_array_equal(test.xyz(0)[0], np.array([18, 19, 20]) * 28 / 1024)
    with pytest.raises(DataError, match=r"no split 'tests' \(did you mean 'test'"):
        open_files(path, "tests")


def test_archive__explained(tmp_path: Path) -> None:
    save(tmp_path / "a.npz", points=CLOUDS, label=np.arange(6), camera=np.eye(4))
    found = {one.found: one.taken for one in readers.explain(tmp_path / "a.npz")}
    assert found == {
        "points, column 1": "x",
        "points, column 2": "y",
        "points, column 3": "z",
        "label": "class of each cloud",
        "camera": "-",
    }


def test_integer_scale__by_range() -> None:
    assert integer_scale(np.array([[[-1024, 1024, 0]]], np.int16)) == 1 / 1024
    assert integer_scale(np.array([[[-1291, 2731, 0]]], np.int16)) == 1 / 1024
    assert integer_scale(np.array([[[-32767, 5, 0]]], np.int16)) == 1 / 32767
    assert integer_scale(np.array([[[-32767.0, 5, 0]]])) == 1


@pytest.mark.case("65-npy-forms")
@pytest.mark.parametrize("kind", ["f2", ">f8", "u1", "<i8"])
def test_npy__types_and_orders(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 3]])
    np.save(tmp_path / "a.npy", np.asfortranarray(values.astype(kind)))
    [cloud] = readers.read_clouds(tmp_path / "a.npy")
    np.testing.assert_array_equal(cloud.points, values)


@pytest.mark.case("65-npy-forms")
def test_npy__structured_ragged_and_complex_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([(0, 1, 2)], dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")]))
    np.save(tmp_path / "b.npy", np.array([CLOUDS[0], CLOUDS[0, :2]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "c.npy", CLOUDS[0].astype(complex))
    for name in "abc":
        with pytest.raises(DataError, match=f"{name}.npy cannot be read"):
            readers.read_clouds(tmp_path / f"{name}.npy")


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
