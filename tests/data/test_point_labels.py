"""Labels of points: they follow the points that are drawn, few of them are always the same, and faults are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.data.arrays import ArrayDataset
from pointssl.data.batches import Batches, stack
from pointssl.data.open import open_dataset
from pointssl.data.point_labels import PointLabelled, labelled_splits, part_names
from pointssl.data.splits import Splits, Subset, open_splits
from pointssl.data.store.pack import pack
from pointssl.errors import DataError
from tests.data import layouts


def halves(clouds: int = 6, points: int = 40, *, seed: int = 0, **changes: Any) -> ArrayDataset:
    """Clouds whose part is 1 where x is above 0: a planted answer."""
    xyz = np.random.default_rng(seed).normal(size=(clouds, points, 3)).astype(np.float32)
    part = (xyz[..., :1] > 0).astype(np.int32)
    return ArrayDataset(xyz, **({"name": "halves", "channels": {"part": part}} | changes))


def pair(train: ArrayDataset, test: ArrayDataset) -> Splits:
    return open_splits((train, test), classes=False)


@pytest.mark.parametrize("points", [16, 40, 64])
def test_stack__labels_are_those_of_the_points_drawn(points: int) -> None:
    batch = stack(PointLabelled(halves()), [4, 1], points, seed=7, normalise=False, allow_repeats=True)
    assert batch.point_label is not None
    np.testing.assert_array_equal(batch.point_label.numpy(), batch.xyz[..., 0].numpy() > 0)


def test_stack__points_are_the_same_with_and_without_labels() -> None:
    plain, labelled = (stack(data, [0, 3], 20, seed=2) for data in (halves(), PointLabelled(halves())))
    assert plain.point_label is None
    np.testing.assert_array_equal(plain.xyz.numpy(), labelled.xyz.numpy())


def test_stack__clouds_of_unequal_sizes_keep_their_labels() -> None:
    xyz = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    part = (xyz[:, :1] > 0).astype(np.int32)
    data = ArrayDataset(xyz, name="unequal", offsets=np.array([0, 30, 70, 100]), channels={"part": part})
    batch = Batches(PointLabelled(data), batch=3, points=25, seed=1, normalise=False)(5)
    assert batch.point_label is not None
    np.testing.assert_array_equal(batch.point_label.numpy(), batch.xyz[..., 0].numpy() > 0)


def test_fraction__few_labels_are_right_and_always_the_same() -> None:
    few, again, other = (PointLabelled(halves(), fraction=0.1, seed=seed) for seed in (0, 0, 1))
    whole = PointLabelled(halves())
    chosen = [np.flatnonzero(few.point_label(index) >= 0) for index in range(len(few))]
    assert [len(one) for one in chosen] == [4] * 6  # a tenth of 40
    for index, places in enumerate(chosen):
        np.testing.assert_array_equal(few.point_label(index)[places], whole.point_label(index)[places])
        np.testing.assert_array_equal(few.point_label(index), again.point_label(index))
        np.testing.assert_array_equal(few.every_label(index), whole.point_label(index))
    assert any((few.point_label(i) != other.point_label(i)).any() for i in range(6))
    assert len({few.fingerprint, other.fingerprint, whole.fingerprint}) == 3
    assert whole.fingerprint == halves().fingerprint
    assert (PointLabelled(halves(), fraction=1e-6).point_label(0) >= 0).sum() == 1


def test_splits__say_which_parts_a_class_has() -> None:
    xyz = np.zeros((2, 4, 3), np.float32)
    part = np.array([[0, 0, 2, 2], [1, 1, 3, -1]])[..., None]
    data = ArrayDataset(xyz, name="two", classes=("a", "b"), labels=[0, 1], channels={"part": part})
    _, parts = labelled_splits(pair(data, data))
    assert parts.names == ("part 0", "part 1", "part 2", "part 3")
    assert parts.allowed.tolist() == [[True, False, True, False], [False, True, False, True]]
    assert parts.unlearned == ()


def test_splits__names_and_unlearned_parts() -> None:
    splits, parts = labelled_splits(open_splits("synthetic:12"))
    assert "wheel" in parts.names
    learned = {int(part) for i in range(len(splits.train)) for part in np.unique(splits.train[i].channels["part"])}
    assert set(parts.unlearned) == {name for number, name in enumerate(parts.names) if number not in learned}


def test_splits__a_store_keeps_the_names_of_parts(tmp_path: Path) -> None:
    pack("synthetic:12", tmp_path / "store", points=64)
    assert part_names(open_dataset(tmp_path / "store")) == part_names(open_dataset("synthetic:12"))
    assert part_names(Subset(open_dataset("synthetic:12"), np.arange(3), "three"))[0] == "arm"
    pack(halves(), tmp_path / "plain", points=None)
    assert part_names(open_dataset(tmp_path / "plain")) == ()


def test_splits__scenes_need_no_classes() -> None:
    splits = open_splits(halves(10), classes=False)
    assert (len(splits.train), len(splits.test)) == (8, 2)
    with pytest.raises(DataError, match="has no labels, which are needed here"):
        open_splits(halves(10))


def test_faults__are_named_before_any_work() -> None:
    xyz, fine = np.zeros((2, 4, 3), np.float32), halves(2, 4)
    bare = ArrayDataset(xyz, name="bare", channels={"normal": xyz})
    with pytest.raises(DataError, match=r"cloud 0 of bare has no label for its points \(channels: normal\); give"):
        labelled_splits(pair(bare, bare))
    odd = halves(2, 4, channels={"part": np.full((2, 4, 1), 0.5)})
    with pytest.raises(DataError, match="cloud 0 of halves has point labels that are no whole numbers"):
        labelled_splits(pair(fine, odd))
    none = halves(2, 4, channels={"part": np.full((2, 4, 1), -1)}, name="none")
    with pytest.raises(DataError, match="no point of none has a label"):
        labelled_splits(pair(none, fine))
    one = halves(2, 4, channels={"part": np.zeros((2, 4, 1), int)})
    with pytest.raises(DataError, match="are all of one part"):
        labelled_splits(pair(one, one))


def test_faults__label_beyond_the_names() -> None:
    class Named(PointLabelled):  # type: ignore[misc]
        part_names = ("left", "right")

    far = halves(2, 4, channels={"part": np.full((2, 4, 1), 7)})
    with pytest.raises(DataError, match=r"cloud 0 of halves has a point of part 7, but there are 2 parts, 0 to 1"):
        labelled_splits(Splits(name="far", train=Named(halves(2, 4)), test=Named(far), origin=""))


def test_shapenetpart__part_of_another_category_is_refused(tmp_path: Path) -> None:
    root = layouts.shapenetpart_text(tmp_path / "text")
    file = root / "03797390" / "shape2.txt"  # a mug, in test
    file.write_text(file.read_text().replace("37.000000", "5.000000"))
    with pytest.raises(DataError, match=r"shape2.txt is of Mug, whose parts are 36, 37, but has a point of part 5"):
        open_dataset(f"shapenetpart:{root}", "test")[0]
    root = layouts.shapenetpart_h5(tmp_path / "h5")
    layouts.write_h5(
        root / "ply_data_test0.h5",
        data=layouts.clouds(9, 1),
        label=np.array([[2]], np.uint8),
        pid=np.full((1, layouts.SIZE), 4, np.uint8),
    )
    with pytest.raises(DataError, match="is of Cap, whose parts are 6, 7, but has a point of part 4"):
        open_dataset(f"shapenetpart:{root}", "test")
