"""Generated rooms: official layout, points where their class says, hidden surfaces unseen, areas that differ."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.open import open_dataset
from pointssl.data.public.s3dis import PARTS, read_room
from pointssl.data.synthetic.rooms import scanned_room, visible, write_rooms
from pointssl.errors import DataError, SettingError


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("building") / "s3dis"
    assert write_rooms(out, rooms=1, points=4000) > 6 * 1000
    return out


def test_rooms__are_read_as_s3dis(building: Path) -> None:
    assert sorted(folder.name for folder in building.iterdir()) == [f"Area_{n}" for n in range(1, 7)]
    test = open_dataset(f"s3dis:{building}", "test")
    assert all(cloud.startswith("Area_5_office_1") for cloud in test.names)  # type: ignore[attr-defined]
    cloud = test[0]
    assert cloud.points.shape == (4096, 3)
    assert cloud.channels["color"].max() <= 1
    room = read_room(building / "Area_1" / "office_1")
    part = room.channels["part"][:, 0]
    assert {"floor", "ceiling", "wall", "door", "window"} <= {PARTS[number] for number in np.unique(part)}
    height = room.points[:, 2]
    assert height[part == PARTS.index("floor")].max() < 0.2
    assert height[part == PARTS.index("ceiling")].min() > 2
    assert np.ptp(height[part == PARTS.index("wall")]) > 1.5


def test_rooms__follow_from_the_seed_and_areas_differ(building: Path, tmp_path: Path) -> None:
    one, again, other = (
        np.concatenate([rows for _, rows in scanned_room("office", area, 3000, np.random.default_rng(seed))])
        for area, seed in ((0, 1), (0, 1), (1, 1))
    )
    np.testing.assert_array_equal(one, again)
    assert one[:, :3].max(0).tolist() != other[:, :3].max(0).tolist()
    write_rooms(tmp_path / "again", rooms=1, points=4000)
    file = Path("Area_3/office_1/Annotations/floor_1.txt")
    assert (building / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_visible__what_stands_behind_is_hidden() -> None:
    wall = np.stack(np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-2, 2, 200)), -1).reshape(-1, 2)
    front = np.concatenate([np.full((len(wall), 1), 1.0), wall * 0.4], axis=1)  # covers all that the far wall spans
    back = np.concatenate([np.full((len(wall), 1), 4.0), wall * 0.4], axis=1)
    seen = visible(np.concatenate([front, back]), np.zeros(3))
    assert seen[: len(front)].all()
    assert not seen[len(front) :].any()
    assert visible(back, np.zeros(3)).all()


def test_faults__are_named(building: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists already"):
        write_rooms(building)
    with pytest.raises(SettingError, match="rooms must be at least 1"):
        write_rooms(tmp_path / "none", rooms=0)
