"""The packed store gives back what was written, notices damage, and travels to other processes."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.store.dataset import PackedDataset, is_store, write_store
from pointssl.errors import DataError


def clouds(count: int = 5, sizes: tuple[int, ...] = (4,), labelled: bool = True) -> list[Cloud]:
    generator = np.random.default_rng(0)
    return [
        Cloud(
            points=generator.random((sizes[place % len(sizes)], 3), dtype=np.float32),
            channels={"part": np.full((sizes[place % len(sizes)], 1), place, np.int32)},
            label=place % 2 if labelled else None,
            name=f"c{place}",
            origin=f"c{place}.off",
        )
        for place in range(count)
    ]


def assert_same(found: Cloud, expected: Cloud) -> None:
    np.testing.assert_array_equal(found.points, expected.points)
    assert set(found.channels) == set(expected.channels)
    for key, values in expected.channels.items():
        np.testing.assert_array_equal(found.channels[key], values)
        assert found.channels[key].dtype == values.dtype
    assert (found.label, found.name, found.origin) == (expected.label, expected.name, expected.origin)


@pytest.mark.parametrize("sizes", [(4,), (4, 1, 7)])
def test_store__round_trip(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    written = clouds(sizes=sizes)
    write_store(tmp_path / "s", written, classes=("bed", "lamp"), shard_clouds=2)
    data = PackedDataset(tmp_path / "s")
    assert isinstance(data, Dataset)
    assert (data.name, data.classes, len(data)) == ("s/all", ("bed", "lamp"), 5)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 0, 1, 0]
    for place in (4, 0, 3, 1, 2):
        assert_same(data[place], written[place])
        np.testing.assert_array_equal(data.xyz(place), written[place].points)
    assert (tmp_path / "s/shard-00000/offset.npy").exists() == (len(sizes) > 1)
    data.verify()


def test_store__channel_that_some_clouds_lack(tmp_path: Path) -> None:
    written = clouds(3)
    written[1] = Cloud(points=written[1].points, label=1, name="c1", origin="c1.off")
    write_store(tmp_path / "s", written)
    data = PackedDataset(tmp_path / "s")
    for place, expected in enumerate(written):
        assert_same(data[place], expected)


def test_store__splits(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds(), classes=("a", "b"), splits=("train", "test", "train", "test", "test"))
    test = PackedDataset(tmp_path / "s", "test")
    assert (test.name, test.splits) == ("s/test", ("test", "train"))
    assert [test[place].name for place in range(len(test))] == ["c1", "c3", "c4"]
    assert test.labels is not None
    assert test.labels.tolist() == [1, 1, 0]
    with pytest.raises(DataError, match=r"no split 'tests' \(did you mean 'test'\?\)"):
        PackedDataset(tmp_path / "s", "tests")


def test_store__unlabelled(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds(labelled=False))
    assert PackedDataset(tmp_path / "s").labels is None
    with pytest.raises(DataError, match="2 of 4 clouds have no label"):
        write_store(tmp_path / "t", [*clouds(2), *clouds(2, labelled=False)])
    assert not (tmp_path / "t").exists()


def test_store__what_is_read_may_be_written_to(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds())
    data = PackedDataset(tmp_path / "s")
    data.xyz(0)[:] = 0
    np.testing.assert_array_equal(data.xyz(0), clouds()[0].points)


def test_store__index_past_the_end(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds())
    data = PackedDataset(tmp_path / "s")
    assert data[-1].name == "c4"
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(IndexError):
        data.xyz(5)


def test_store__pickles_as_a_path(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds(200), splits=["train"] * 150 + ["test"] * 50)
    data = PackedDataset(tmp_path / "s", "test")
    data.xyz(0)
    packed = pickle.dumps(data)
    assert len(packed) < 500
    np.testing.assert_array_equal(pickle.loads(packed).xyz(3), data.xyz(3))


def test_store__fingerprint_follows_content(tmp_path: Path) -> None:
    for name, count in (("a", 4), ("b", 4), ("c", 5)):
        write_store(tmp_path / name, clouds(count))
    prints = [PackedDataset(tmp_path / name).fingerprint for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_store__damage_is_noticed(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds(), shard_clouds=2)
    file = tmp_path / "s/shard-00001/points.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
    with pytest.raises(DataError, match=r"damaged: shard-00001/points\.npy changed"):
        PackedDataset(tmp_path / "s").verify()
    file.write_bytes(whole[:-7])
    with pytest.raises(DataError, match=rf"points\.npy has {len(whole) - 7} of {len(whole)} bytes"):
        PackedDataset(tmp_path / "s")
    file.unlink()
    with pytest.raises(DataError, match="is missing"):
        PackedDataset(tmp_path / "s")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": "other"}', "does not belong to a packed store"),
        ('{"format": "pointssl-store", "version": 2}', "has format version 2, this pointssl reads 1"),
        ('{"format": "pointssl-store", "version": 1}', "is damaged"),
    ],
)
def test_store__manifest_that_is_none(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=reason):
        PackedDataset(tmp_path)


def test_store__not_a_store(tmp_path: Path) -> None:
    assert not is_store(tmp_path)
    with pytest.raises(DataError, match="is not a packed store"):
        PackedDataset(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        PackedDataset(tmp_path / "s")
    (tmp_path / "s").mkdir()
    with pytest.raises(DataError, match="exists already"):
        write_store(tmp_path / "s", clouds())


def test_store__arrays_are_plain_npy(tmp_path: Path) -> None:
    write_store(tmp_path / "s", clouds())
    stored = np.load(tmp_path / "s/shard-00000/points.npy", allow_pickle=False)
    np.testing.assert_array_equal(stored, [cloud.points for cloud in clouds()])
    assert json.loads((tmp_path / "s/manifest.json").read_text())["clouds"]["source"][0] == "c0.off"
