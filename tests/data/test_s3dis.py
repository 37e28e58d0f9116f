"""S3DIS: rooms cut into blocks by the stated rule, rooms and h5 files read."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.public.blocks import block_features, block_members, draw_block
from pointssl.data.public.s3dis import PARTS, open_s3dis, read_room
from pointssl.errors import DataError
from tests.data import layouts


def test_block_members__against_a_plain_double_loop() -> None:
    xyz = np.random.default_rng(0).uniform((0, 0, 0), (3.3, 2.2, 3), (4000, 3)).astype(np.float32)
    plane = xyz[:, :2] - xyz[:, :2].min(0)
    expected = []
    for x in range(4):  # an extent of 3.3 m takes 4 columns of 1 m, one of 2.2 m takes 3
        for y in range(3):
            inside = (plane >= (x, y)).all(1) & (plane <= (x + 1, y + 1)).all(1)
            if inside.sum() >= 100:
                expected.append(((x, y), np.flatnonzero(inside)))
    found = block_members(xyz)
    assert len(found) == len(expected)
    for (corner, members), (place, rows) in zip(found, expected, strict=True):
        assert tuple(corner) == place
        np.testing.assert_array_equal(members, rows)


def test_block_members__few_points_are_left_out() -> None:
    xyz = np.zeros((199, 3), np.float32)
    xyz[100:, 0] = 1.5  # 100 points at the corner, 99 in the second column
    assert [len(members) for _, members in block_members(xyz)] == [100]
    assert [len(members) for _, members in block_members(xyz, least=99)] == [100, 99]
    assert block_members(xyz[:0]) == []
    with pytest.raises(ValueError, match="size must be above 0"):
        block_members(xyz, size=0.0)


def test_draw_block__repeats_only_where_points_are_short() -> None:
    rng = np.random.default_rng(0)
    assert len(set(draw_block(np.arange(50), 50, rng).tolist())) == 50
    short = draw_block(np.arange(20), 50, rng)
    assert len(short) == 50
    assert set(short.tolist()) == set(range(20))


def test_block_features__by_hand() -> None:
    xyz = np.array([[1.5, 2.25, 1.0]], np.float32)
    color = np.array([[0.0, 0.5, 1.0]], np.float32)
    nine = block_features(xyz, color, np.array([1, 2], np.float32), np.array([3, 4.5, 2], np.float32))
    np.testing.assert_allclose(nine, [[0.0, -0.25, 1.0, 0.0, 0.5, 1.0, 0.5, 0.5, 0.5]])


def test_open_s3dis__rooms(tmp_path: Path) -> None:
    data = open_s3dis(layouts.s3dis_rooms(tmp_path), "area_1", points=200)
    assert len(data) == 2  # floor in the left block, chair in the right one
    assert [data[i].name for i in range(2)] == ["Area_1_office_1_000", "Area_1_office_1_001"]
    floor, chair = data[0], data[1]
    assert set(floor.channels["part"].ravel()) == {PARTS.index("floor")}
    assert set(chair.channels["part"].ravel()) == {PARTS.index("chair")}
    assert np.abs(floor.points[:, :2]).max() <= 0.5  # centred on the block
    assert floor.channels["room"].min() >= 0
    assert chair.channels["room"].max() <= 1
    assert len(np.unique(floor.points, axis=0)) == 150  # 200 drawn out of 150


def test_open_s3dis__splits_and_repeatability(tmp_path: Path) -> None:
    layouts.s3dis_rooms(tmp_path)
    assert len(open_s3dis(tmp_path, "test", points=64)) == 2
    train = open_s3dis(tmp_path, "train", points=64)
    assert len(train) == 10
    # A room's draw does not depend on which other rooms are read.
    np.testing.assert_array_equal(train.xyz(2), open_s3dis(tmp_path, "area_2", points=64).xyz(0))
    assert not np.array_equal(train.xyz(0), open_s3dis(tmp_path, "train", points=64, seed=1).xyz(0))


def test_read_room__stray_characters_and_copies(tmp_path: Path) -> None:
    folder = tmp_path / "Area_5" / "hallway_6"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "Annotations" / "ceiling_1.txt").write_bytes(b"1 2 3 185\x10187 0\n2 3 4 255 0 0\n")
    (folder / "Annotations" / "wall_3 (1).txt").write_text("9 9 9 9 9 9\n")
    (folder / "Annotations" / "stairs_1.txt").write_text("1 2 3 0 0 255\n")
    room = read_room(folder)
    np.testing.assert_array_equal(room.points, [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    np.testing.assert_allclose(room.channels["color"][0], [185 / 255, 187 / 255, 0], rtol=1e-6)
    assert room.channels["part"].ravel().tolist() == [PARTS.index("ceiling")] * 2 + [PARTS.index("clutter")]


def test_read_room__damaged_row_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "Area_1" / "office_1"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "Annotations" / "floor_1.txt").write_text("1 2 3 4 5 6\n1 2 3 4 5\n")
    with pytest.raises(DataError, match=r"floor_1\.txt is not a table.*row 2"):
        read_room(folder)


def test_open_s3dis__h5_blocks(tmp_path: Path) -> None:
    layouts.s3dis_h5(tmp_path)
    test = open_s3dis(tmp_path, "test")
    assert [test[i].name for i in range(len(test))] == ["Area_5_b_1", "Area_5_b_1"]
    assert len(open_s3dis(tmp_path)) == 5
    stored = np.random.default_rng(0).random((5, layouts.SIZE, 9)).astype(np.float32)
    np.testing.assert_array_equal(test.xyz(1), stored[3, :, :3])
    np.testing.assert_array_equal(test[1].channels["room"], stored[3, :, 6:])


def test_open_s3dis__what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Area_5.*expected are rooms"):
        open_s3dis(tmp_path, "test")
    layouts.s3dis_h5(tmp_path)
    (tmp_path / "room_filelist.txt").write_text("Area_5_b_1\n")
    with pytest.raises(DataError, match="names 1 blocks"):
        open_s3dis(tmp_path, "test")
