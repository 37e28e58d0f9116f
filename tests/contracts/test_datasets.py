"""One battery over every data set: each named layout in miniature, each kind of file, and the generated shapes."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointssl.data import DATASETS, Cloud, Dataset
from pointssl.data.open import open_dataset, splits_of
from pointssl.data.store.pack import pack
from pointssl.errors import UserError
from tests.data import layouts


def _synthetic(_: Path) -> str:
    return "synthetic:9:1"


def _named(name: str, layout: Callable[[Path], Path]) -> Callable[[Path], str]:
    return lambda root: f"{name}:{layout(root)}"


def _npz(root: Path) -> str:
    np.savez(root / "a.npz", points=layouts.clouds(0, 6), label=np.arange(6) % 2, split=np.arange(6) % 2)
    return str(root / "a.npz")


def _npy(root: Path) -> str:
    np.save(root / "a.npy", layouts.clouds(0, 3))
    return str(root / "a.npy")


def _folder(root: Path) -> str:
    for i, place in enumerate(("train/cup", "train/jug", "test/cup")):
        (root / place).mkdir(parents=True)
        np.savetxt(root / place / f"{i}.xyz", layouts.points(i))
    return str(root)


def _store(root: Path) -> str:
    pack(open_dataset(_npz(root)), root / "store", points=None)
    return str(root / "store")


CASES: dict[str, Callable[[Path], str]] = {
    "synthetic": _synthetic,
    "generated": lambda _: "generated:unions:n=9:points=64",
    "generated labelled": lambda _: "generated:fractals:count=3:n=9:points=64",
    "npz": _npz,
    "npy": _npy,
    "folder": _folder,
    "store": _store,
    "modelnet40 h5": _named("modelnet40", layouts.modelnet_h5),
    "modelnet40 resampled": _named("modelnet40", layouts.modelnet_resampled),
    "modelnet10 off": _named("modelnet10", layouts.modelnet_off),
    "shapenet folders": _named("shapenet", layouts.shapenet_folders),
    "shapenet flat": _named("shapenet", layouts.shapenet_flat),
    "shapenet archive": _named("shapenet", layouts.shapenet_archive),
    "shapenetpart h5": _named("shapenetpart", layouts.shapenetpart_h5),
    "shapenetpart text": _named("shapenetpart", layouts.shapenetpart_text),
    "scanobjectnn-obj_bg": _named("scanobjectnn-obj_bg", layouts.scanobjectnn),
    "scanobjectnn-obj_only": _named("scanobjectnn-obj_only", layouts.scanobjectnn),
    "scanobjectnn-pb_t50_rs": _named("scanobjectnn-pb_t50_rs", layouts.scanobjectnn),
    "s3dis rooms": _named("s3dis", layouts.s3dis_rooms),
    "s3dis h5": _named("s3dis", layouts.s3dis_h5),
}

WITHOUT_SPLITS = ("npy", "store", "shapenet archive")
"""These say so when they are asked for one."""


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spec(case: str, tmp_path: Path) -> str:
    return CASES[case](tmp_path)


def test_battery__covers_every_named_set() -> None:
    assert {key.split(" ")[0] for key in CASES} >= set(DATASETS)


def test_dataset__keeps_its_promises(spec: str) -> None:
    data = open_dataset(spec)
    assert isinstance(data, Dataset)
    assert len(data) > 0
    assert data.name
    if data.labels is not None:
        assert data.labels.dtype == np.int64
        assert len(data.labels) == len(data)
        assert data.labels.min() >= 0
        assert not data.classes or data.labels.max() < len(data.classes)
    for index in range(len(data)):
        cloud = data[index]
        assert isinstance(cloud, Cloud)
        assert cloud.points.dtype == np.float32
        assert cloud.points.shape == (len(cloud.points), 3)
        assert np.isfinite(cloud.points).all()
        np.testing.assert_array_equal(cloud.points, data.xyz(index))
        assert cloud.name
        assert all(len(channel) == len(cloud.points) for channel in cloud.channels.values())
        assert cloud.label == (None if data.labels is None else data.labels[index])
    for outside in (len(data), -len(data) - 1):
        with pytest.raises(IndexError):
            data[outside]


def test_dataset__same_index_same_cloud(spec: str) -> None:
    first, again = open_dataset(spec), open_dataset(spec)
    assert first.fingerprint == again.fingerprint
    last = len(first) - 1
    again.xyz(0)  # other clouds asked for in between change nothing
    np.testing.assert_array_equal(first.xyz(last), again.xyz(last))


def test_dataset__splits_are_disjoint_and_complete(case: str, spec: str) -> None:
    if case in WITHOUT_SPLITS:
        assert splits_of(spec) == ()
        with pytest.raises(UserError, match="train"):
            open_dataset(spec, "train")
        return
    assert {"train", "test"} <= set(splits_of(spec))
    whole, train, test = (open_dataset(spec, split) for split in ("all", "train", "test"))
    contents = [{data.xyz(i).tobytes() for i in range(len(data))} for data in (train, test)]
    if "off" not in case:  # all its meshes are the same cube
        assert not contents[0] & contents[1]
    rest = len(open_dataset(spec, "val")) if case.startswith("shapenetpart") else 0
    assert len(train) + len(test) + rest == len(whole)
    assert train.classes == test.classes == whole.classes
    assert train.fingerprint != test.fingerprint
    assert (train.name, test.name) == (train.name, train.name.replace("train", "test"))


def test_dataset__unknown_split_is_named(spec: str) -> None:
    with pytest.raises(UserError, match="holdout"):
        open_dataset(spec, "holdout")


def test_dataset__travels_to_worker_processes(spec: str) -> None:
    data = open_dataset(spec)
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.xyz(0), data.xyz(0))


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_named__missing_files_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected (are|is) .*pointssl data get") as raised:
        open_dataset(f"{name}:{tmp_path}")
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)
