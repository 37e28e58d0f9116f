"""Folders and lists as data sets: what is found, what it is called, and what is said when it does not fit."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.cloud import Dataset
from pointssl.data.files.dataset import open_files
from pointssl.data.files.scan import scan
from pointssl.errors import DataError


def place(root: Path, *names: str) -> Path:
    """Write clouds of two points; the x of the first is the place of the name among `names`."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{number} 0 0\n0 1 0\n")
    return root


def first_x(data: Dataset) -> list[float]:
    return [float(data.xyz(index)[0, 0]) for index in range(len(data))]


def test_folder__unlabelled(tmp_path: Path) -> None:
    data = open_files(place(tmp_path / "scans", "b.xyz", "a.xyz", ".hidden.xyz"))
    assert isinstance(data, Dataset)
    assert (data.name, data.classes, data.labels) == ("scans/all", (), None)
    assert first_x(data) == [1, 0]  # in the order of the names
    assert data[1].name == "b"
    assert data[1].origin == str(tmp_path / "scans/b.xyz")


def test_folder__nested_and_unlabelled(tmp_path: Path) -> None:
    root = place(tmp_path, "top.xyz", "x/a.xyz", "x/y/b.xyz")
    assert open_files(root, labelled=False).labels is None
    with pytest.raises(DataError, match=r"1 of 3 files lie outside the class folders \(top.xyz\)"):
        scan(root)


@pytest.mark.parametrize(
    "names",
    [
        ("bed/train/a.xyz", "bed/test/b.xyz", "lamp/train/c.xyz"),
        ("train/bed/a.xyz", "test/bed/b.xyz", "train/lamp/c.xyz"),
    ],
)
def test_folder__classes_and_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    root = place(tmp_path, *names)
    train, test = open_files(root, "train"), open_files(root, "test")
    assert train.classes == test.classes == ("bed", "lamp")
    assert train.labels is not None
    assert train.labels.tolist() == [0, 1]
    assert first_x(train) == [0, 2]
    assert first_x(test) == [1]
    assert train[1].label == 1
    with pytest.raises(DataError, match=r"no split 'tests' \(did you mean 'test'\?\)"):
        open_files(root, "tests")


def test_folder__a_class_may_be_called_train(tmp_path: Path) -> None:
    listing = scan(place(tmp_path, "Train/a.xyz", "Ship/b.xyz"))
    assert listing.classes == ("Ship", "Train")
    assert {entry.split for entry in listing.entries} == {"all"}


def test_folder__splits_alone(tmp_path: Path) -> None:
    listing = scan(place(tmp_path, "train/a.xyz", "test/b.xyz"))
    assert listing.classes == ()
    assert [entry.split for entry in listing.entries] == ["test", "train"]


def test_folder__list_file(tmp_path: Path) -> None:
    root = place(tmp_path, "a.xyz", "deep/b.xyz", "c.xyz")
    (root / "list.csv").write_text("path,label,split\nc.xyz,lamp,test\ndeep/b.xyz,bed,train\n")
    data = open_files(root)
    assert first_x(data) == [2, 1]  # in the order of the list
    assert data.classes == ("bed", "lamp")
    assert data.labels is not None
    assert data.labels.tolist() == [1, 0]
    assert data.listing is not None
    assert data.listing.ignored == (("not in the list", 1),)
    assert first_x(open_files(root / "list.csv", "test")) == [2]  # the list itself may be given


def test_folder__set_file_brings_classes_and_splits(tmp_path: Path) -> None:
    points = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    names = np.array(["bed", "desk", "lamp"])
    np.savez(tmp_path / "a.npz", points=points, label=[2, 0, 2], split=[0, 1, 0], class_names=names)
    train = open_files(tmp_path / "a.npz", "train")
    assert (train.name, train.classes) == ("a/train", ("bed", "desk", "lamp"))
    assert train.labels is not None
    assert train.labels.tolist() == [2, 2]
    np.testing.assert_array_equal(train.xyz(1), points[2])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("file,label\na.xyz,bed\n", r"must begin with a line of column names \(path,label,split\)"),
        ("path,label\n", "lists no files"),
        ("path,label\na.xyz,bed\na.xyz,bed\n", "more than once, for example a.xyz"),
        ("path,label\na.xyz,bed\nb.xyz,\n", "1 of 2 rows have no label"),
        (
            "path,label\na.xyz,bed\nx.xyz,bed\ny.xyz,bed\n",
            r"2 listed but not there \(x.xyz, y.xyz\); 1 there but not listed \(b.xyz\)",
        ),
    ],
)
def test_folder__list_that_does_not_fit(tmp_path: Path, content: str, reason: str) -> None:
    (place(tmp_path, "a.xyz", "b.xyz") / "list.csv").write_text(content)
    with pytest.raises(DataError, match=reason):
        scan(tmp_path)


def test_folder__nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        scan(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is empty"):
        scan(tmp_path)
    (tmp_path / "photo.jpg").write_text("x")
    with pytest.raises(DataError, match=r"holds no clouds or meshes, only 1 \.jpg"):
        scan(tmp_path)


def test_folder__one_readable_file_in_ten(tmp_path: Path) -> None:
    place(tmp_path, *(f"{number}.xyz" for number in range(10)))
    for number in range(9):
        (tmp_path / f"{number}.xyz").write_text("no numbers\nhere\n")
    with pytest.raises(DataError, match=r"only 1 of 10 files can be read; the first that cannot: .*0\.xyz") as caught:
        open_files(tmp_path)
    assert "\n" not in str(caught.value)


def test_folder__some_unreadable_files_are_listed(tmp_path: Path) -> None:
    place(tmp_path, "a.xyz", "b.xyz", "c.xyz")
    (tmp_path / "b.xyz").write_text("no numbers\nhere\n")
    (tmp_path / "d.npz").write_text("nonsense")
    place(tmp_path, "e.xyz")
    data = open_files(tmp_path)
    assert [cloud.name for cloud in (data[0], data[1], data[2])] == ["a", "c", "e"]
    assert sorted(failure.path.name for failure in data.failures) == ["b.xyz", "d.npz"]
    with pytest.raises(DataError, match="strict"):
        open_files(tmp_path, strict=True)


def test_folder__archive_is_read_alone(tmp_path: Path) -> None:
    root = place(tmp_path / "packed", "originals/a.xyz")
    np.savez(root / "clouds.npz", points=np.zeros((3, 2, 3), np.float32), label=[0, 0, 1])
    np.savez(root / "meshes.npz", vertices=np.zeros((3, 3)))
    listing = scan(root)
    assert (listing.name, listing.classes, len(listing.entries)) == ("packed", ("0", "1"), 3)


def test_folder__labelled_sets_beside_unlabelled_clouds(tmp_path: Path) -> None:
    np.savez(place(tmp_path, "a.xyz") / "b.npz", points=np.zeros((3, 2, 3), np.float32), label=[0, 0, 1])
    with pytest.raises(DataError, match="1 of 4 clouds have no label"):
        scan(tmp_path)


def test_folder__broken_set_counts_as_one_file(tmp_path: Path) -> None:
    np.savez(place(tmp_path, "a.xyz", "b.xyz") / "set.npz", points=np.zeros((9, 0, 3), np.float32))
    assert len(open_files(tmp_path)) == 2  # nine empty clouds, but two of three files are fine


def test_folder__short_of_memory_reads_again(tmp_path: Path) -> None:
    root = place(tmp_path, "a.xyz", "b.xyz", "c.xyz")
    data = open_files(root, memory=24)  # one cloud of two points
    assert first_x(data) == [0, 1, 2]
    (root / "a.xyz").write_text("gone\nbad\n")
    with pytest.raises(DataError, match="has the file changed"):
        data.xyz(0)


def test_folder__fingerprint_follows_content(tmp_path: Path) -> None:
    root = place(tmp_path, "bed/a.xyz", "lamp/b.xyz")
    first = open_files(root).fingerprint
    assert open_files(root).fingerprint == first
    (root / "bed/a.xyz").write_text("5 0 0\n0 1 0\n")
    assert open_files(root).fingerprint != first


def test_folder__index_past_the_end(tmp_path: Path) -> None:
    data = open_files(place(tmp_path, "a.xyz", "b.xyz"))
    assert data[-1].name == "b"
    with pytest.raises(IndexError):
        data[2]


def test_folder__real_shapes(shared_data: Path) -> None:
    data = open_files(shared_data / "psb-shrec12/originals")
    assert len(data) == len(data.classes) == 60
    assert {len(data.xyz(index)) for index in range(60)} == {2048}
    modelnet = open_files(shared_data / "modelnet40-part/originals/ModelNet10", "train")
    assert (len(modelnet), modelnet.classes) == (3, ("bathtub",))
