"""Named data sets, each written in miniature in its public layout and read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.cloud import Dataset
from pointssl.data.public.modelnet import MODELNET10, MODELNET40, open_modelnet
from pointssl.data.public.scanobjectnn import CLASSES, Variant, open_scanobjectnn
from pointssl.data.public.shapenet import SYNSETS, open_shapenet
from pointssl.data.public.shapenetpart import CATEGORIES, PARTS, open_shapenetpart
from pointssl.errors import DataError
from tests.data import layouts

Layout = Callable[[Path], Path]


def labels_of(dataset: Dataset) -> list[int]:
    return [] if dataset.labels is None else [int(label) for label in dataset.labels]


def test_modelnet_h5__follows_the_list_of_files(tmp_path: Path) -> None:
    data = open_modelnet(layouts.modelnet_h5(tmp_path), "train")
    assert labels_of(data) == [2, 8, 0]  # the list names file 1 before file 0
    assert [data[i].name for i in range(3)] == ["bed_0003", "chair_0001", "airplane_1"]
    np.testing.assert_array_equal(data.xyz(1), layouts.points(0))
    np.testing.assert_array_equal(data[0].channels["normal"], layouts.points(7))
    assert labels_of(open_modelnet(tmp_path, "test")) == [8]
    assert len(open_modelnet(tmp_path)) == 4


def test_modelnet_h5__ten_of_the_forty_classes(tmp_path: Path) -> None:
    data = open_modelnet(layouts.modelnet_h5(tmp_path), "train", classes=10)
    assert data.classes == MODELNET10
    assert [data.classes[label] for label in labels_of(data)] == ["bed", "chair"]  # the airplane is not one of the ten
    np.testing.assert_array_equal(data.xyz(1), layouts.points(0))


def test_modelnet_resampled__class_names_with_underscores(tmp_path: Path) -> None:
    data = open_modelnet(layouts.modelnet_resampled(tmp_path), "train")
    assert [data.classes[label] for label in labels_of(data)] == ["chair", "night_stand"]
    np.testing.assert_allclose(data.xyz(1), layouts.points(1), atol=1e-6)
    np.testing.assert_allclose(data[1].channels["normal"], layouts.points(11), atol=1e-6)
    assert labels_of(open_modelnet(tmp_path, "test")) == [0]


def test_modelnet_off__samples_the_surface(tmp_path: Path) -> None:
    data = open_modelnet(layouts.modelnet_off(tmp_path), "test", classes=10)
    assert labels_of(data) == list(range(10))
    cloud = data[3]
    assert cloud.name == "desk_test"
    on_a_side = np.isclose(cloud.points, 0, atol=1e-6) | np.isclose(cloud.points, 1, atol=1e-6)
    assert on_a_side.any(axis=1).all()  # all points lie on the unit cube
    np.testing.assert_array_equal(cloud.points, open_modelnet(tmp_path, "test", classes=10).xyz(3))


def test_modelnet__official_ids(shared_data: Path) -> None:
    """The class of an official id is what stands before its number, for all 12,311 shapes."""
    folder = shared_data / "modelnet40-part" / "splits"
    for split, count in (("train", 9843), ("test", 2468)):
        names = (folder / f"modelnet40_{split}.txt").read_text().split()
        assert len(names) == count
        assert {name.rpartition("_")[0] for name in names} == set(MODELNET40)
    assert tuple((folder / "modelnet40_shape_names.txt").read_text().split()) == MODELNET40
    assert tuple((folder / "modelnet10_shape_names.txt").read_text().split()) == MODELNET10


@pytest.mark.parametrize("layout", [layouts.modelnet_h5, layouts.modelnet_resampled, layouts.modelnet_off])
def test_modelnet__a_missing_file_is_named(tmp_path: Path, layout: Layout) -> None:
    layout(tmp_path)
    for gone in ("ply_data_train0.h5", "chair/chair_0001.txt"):
        (tmp_path / gone).unlink(missing_ok=True)
    if layout is layouts.modelnet_off:
        for file in (tmp_path / "sofa").rglob("*.off"):
            file.unlink()
        for folder in ("train", "test"):
            (tmp_path / "sofa" / folder).rmdir()
        (tmp_path / "sofa").rmdir()
    with pytest.raises(DataError, match=r"train0\.h5 is missing|chair_0001|no folder for sofa"):
        open_modelnet(tmp_path, "train", classes=10 if layout is layouts.modelnet_off else 40)


@pytest.mark.parametrize(("variant", "first"), [("obj_bg", 0), ("obj_only", 10), ("pb_t50_rs", 20)])
def test_scanobjectnn__variants_are_kept_apart(tmp_path: Path, variant: Variant, first: int) -> None:
    data = open_scanobjectnn(layouts.scanobjectnn(tmp_path), "train", variant=variant)
    assert data.name == f"scanobjectnn-{variant}/train"
    assert [CLASSES[label] for label in labels_of(data)] == ["sink", "sofa", "toilet"]
    np.testing.assert_array_equal(data.xyz(0), layouts.points(first))
    assert data[0].channels["object"].sum() == layouts.SIZE - 10  # the mask is -1 on ten background points
    assert len(open_scanobjectnn(tmp_path / "h5_files", "test", variant=variant)) == 2


def test_scanobjectnn__folder_of_another_variant(tmp_path: Path) -> None:
    home = layouts.scanobjectnn(tmp_path) / "h5_files"
    assert len(open_scanobjectnn(home / "main_split_nobg", "train", variant="obj_only")) == 3
    with pytest.raises(DataError, match="OBJ_BG"):
        open_scanobjectnn(home / "main_split_nobg", "train", variant="obj_bg")


def test_scanobjectnn__class_order_is_the_official_one(shared_data: Path) -> None:
    assert tuple((shared_data / "scanobjectnn-lists" / "shape_names_ext.txt").read_text().split()) == CLASSES


def test_shapenetpart__numbers_of_parts() -> None:
    assert [part for parts in PARTS.values() for part in parts] == list(range(50))
    assert len(CATEGORIES) == 16


@pytest.mark.parametrize("layout", [layouts.shapenetpart_h5, layouts.shapenetpart_text])
def test_shapenetpart__splits(tmp_path: Path, layout: Layout) -> None:
    layout(tmp_path)
    counts = {split: len(open_shapenetpart(tmp_path, split)) for split in ("train", "val", "test", "trainval", "all")}
    assert counts == {"train": 1, "val": 1, "test": 1, "trainval": 2, "all": 3}
    cap = open_shapenetpart(tmp_path, "val")[0]
    assert cap.label == CATEGORIES.index("Cap")
    assert set(np.unique(cap.channels["part"])) <= set(PARTS["Cap"])
    np.testing.assert_allclose(cap.points, layouts.points(1), atol=1e-6)


@pytest.mark.parametrize("layout", [layouts.shapenet_folders, layouts.shapenet_flat])
def test_shapenet__synsets_and_splits(tmp_path: Path, layout: Layout) -> None:
    layout(tmp_path)
    data = open_shapenet(tmp_path)
    assert len(SYNSETS) == len(data.classes) == 55
    assert [data.classes[label] for label in labels_of(data)] == ["airplane", "chair"]
    assert open_shapenet(tmp_path, "test")[0].name == "03001627-bbb"
    assert len(open_shapenet(tmp_path, "train")) == 1
    with pytest.raises(DataError, match=r"'tests'.*did you mean 'test'"):
        open_shapenet(tmp_path, "tests")


def test_shapenet__archive_has_no_labels(tmp_path: Path) -> None:
    data = open_shapenet(layouts.shapenet_archive(tmp_path))
    assert len(data) == 3
    assert data.labels is None
    np.testing.assert_array_equal(data.xyz(2), layouts.points(2))


@pytest.mark.parametrize("size", [0, 100])
def test_h5__damaged_file_is_named(tmp_path: Path, size: int) -> None:
    layouts.modelnet_h5(tmp_path)
    whole = (tmp_path / "ply_data_test0.h5").read_bytes()
    (tmp_path / "ply_data_test0.h5").write_bytes(whole[:size])
    with pytest.raises(DataError, match=r"ply_data_test0\.h5 cannot be read"):
        open_modelnet(tmp_path, "test")


def test_h5__array_that_is_missing(tmp_path: Path) -> None:
    layouts.write_h5(tmp_path / "ply_data_train0.h5", data=layouts.clouds(0, 2))
    with pytest.raises(DataError, match="no array 'label'; it holds data"):
        open_modelnet(tmp_path, "train")
