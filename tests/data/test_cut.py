"""Scans cut into blocks: every point in the blocks where it belongs, and the way back to its file."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointssl.data.cut import cut as cutting
from pointssl.data.cut import sorting
from pointssl.data.cut.blocks import blocks_of
from pointssl.data.cut.cut import cut
from pointssl.data.cut.grid import Grid, pack, unpack
from pointssl.data.files import chunks
from pointssl.data.files.chunks import Scan, open_scans, sample
from pointssl.data.files.readers import read_clouds
from pointssl.data.store.dataset import PackedDataset
from pointssl.data.store.resumable import write_noted_shard
from pointssl.errors import DataError, SettingError
from tests.data.test_ply import write_ply

FAR = np.array([512345.0, 5412345.0, 250.0])


def planted(count: int = 4000, seed: int = 0) -> np.ndarray:
    """Return points in a room of 5 by 3 by 2, far from zero, in whole millimetres; one row in ten on a block's edge."""
    rng = np.random.default_rng(seed)
    points = np.round(rng.random((count, 3)) * [5, 3, 2], 3)
    points[::10, :2] = np.round(points[::10, :2] / 0.5) * 0.5
    return np.asarray(points + FAR)


def write_las(path: Path, points: np.ndarray, **more: np.ndarray) -> Path:
    header = laspy.LasHeader(point_format=3, version="1.4")
    header.offsets, header.scales = FAR, np.full(3, 0.001)
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    for name, values in more.items():
        setattr(las, name, values)
    las.write(path)
    return path


def write_pcd(path: Path, points: np.ndarray) -> Path:
    head = "FIELDS x y z intensity\nSIZE 8 8 8 4\nTYPE F F F F\nWIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA binary\n"
    table = np.zeros(len(points), [("xyz", "<f8", 3), ("i", "<f4")])
    table["xyz"], table["i"] = points, np.arange(len(points))
    path.write_bytes(head.format(len(points)).encode() + table.tobytes())
    return path


def write_double_ply(path: Path, points: np.ndarray) -> Path:
    axes = [(axis, "float64") for axis in "xyz"]
    return write_ply(path, "binary_big_endian", [("vertex", axes, points.tolist())], "\n")


def write_e57(path: Path, points: np.ndarray) -> Path:
    pye57 = pytest.importorskip("pye57")
    near = points - FAR  # the package writes single precision, and the pose moves them away
    file = pye57.E57(str(path), mode="w")
    for half in (near[::2], near[1::2]):
        file.write_scan_raw({f"cartesian{a}": half[:, i].copy() for i, a in enumerate("XYZ")}, translation=FAR)
    file.close()
    return path


WRITERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "las": write_las,
    "laz": write_las,
    "pcd": write_pcd,
    "ply": write_double_ply,
    "e57": write_e57,
}


def lying_in(points: np.ndarray, corner: np.ndarray, size: float) -> np.ndarray:
    """Return the places of the points in a block, by brute force in millimetres."""
    low, high = np.round(corner[:2] * 1000), np.round((corner[:2] + size) * 1000)
    whole = np.round(points[:, :2] * 1000)
    return np.flatnonzero((whole >= low).all(axis=1) & (whole < high).all(axis=1))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("size", "overlap"), [(2.0, 0.5), (1.0, 0.0), (1.0, 0.75)])
def test_cut__every_point_in_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: float, overlap: float
) -> None:
    monkeypatch.setattr(sorting, "SHARD_POINTS", 1500)
    points = planted()
    WRITERS[kind](tmp_path / f"room.{kind}", points)
    summary = cut(tmp_path / f"room.{kind}", tmp_path / "blocks", size=size, overlap=overlap)
    store, origins = PackedDataset(tmp_path / "blocks"), blocks_of(tmp_path / "blocks")
    store.verify()
    assert len(store) == len(origins) == summary.blocks
    assert summary.points == len(points)
    assert len(set(store.names)) == len(store)
    parts = {0: points} if kind != "e57" else {0: points[::2], 1: points[1::2]}
    seen = []
    for cloud, block in zip((store[place] for place in range(len(store))), origins, strict=True):
        own, corner = parts[block.scan], np.array(block.corner)
        np.testing.assert_array_equal(cloud.channels["index"][:, 0], lying_in(own, corner, size))
        np.testing.assert_allclose(cloud.points + corner, own[cloud.channels["index"][:, 0]], rtol=0, atol=1e-6)
        seen.append(cloud.channels["index"][:, 0] + block.scan * 10**6)
        assert block.file == f"room.{kind}"
        if kind == "pcd":
            np.testing.assert_array_equal(cloud.channels["intensity"], cloud.channels["index"])
    assert len(np.unique(np.concatenate(seen))) == len(points)
    if overlap == 0:
        assert len(np.concatenate(seen)) == len(points)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=20),
    st.floats(0.1, 50),
    st.floats(0, 0.9),
)
def test_grid__as_by_brute_force(points: list[tuple[float, float]], size: float, share: float) -> None:
    grid = Grid(size, size * share)
    xy = np.array(points)
    rows, cells = grid.members(xy)
    assert set(rows.tolist()) == set(range(len(xy)))
    assert len(np.unique(np.column_stack([rows, cells]), axis=0)) == len(rows)
    slack = 1e-9 * np.abs(xy).max() + 1e-12  # one rounding
    corner = cells * grid.stride
    assert (xy[rows] >= corner - slack).all()
    assert (xy[rows] < corner + size + slack).all()
    for row, point in enumerate(xy):  # neighbours that it is not in are really not around it
        mine = {tuple(cell) for cell in cells[rows == row].tolist()}
        middle = np.floor(point / grid.stride).astype(int)
        for step in np.ndindex(13, 13):
            cell = tuple((middle + np.array(step) - 11).tolist())
            edge = np.array(cell) * grid.stride
            if cell not in mine:
                assert not ((point > edge + slack).all() and (point < edge + size - slack).all())


def test_grid__numbers_of_blocks() -> None:
    cells = np.array([[0, 0], [-1, 5], [3, -7], [-(2**30), -(2**30)], [2**30, 2**30]])
    assert [unpack(key) for key in pack(cells).tolist()] == [tuple(cell) for cell in cells.tolist()]
    with pytest.raises(ValueError, match="too small"):
        Grid(1e-6, 0.0).members(np.array([[5e6, 0.0]]))


def test_cut__colours_of_16_bits_are_scaled_alike_in_all_blocks(tmp_path: Path) -> None:
    points = planted()
    red = np.where(points[:, 0] > FAR[0] + 4, 65535, 128).astype(np.uint16)  # most blocks know no value over 255
    write_las(tmp_path / "a.las", points, red=red, green=red, blue=red, intensity=red)
    cut(tmp_path / "a.las", tmp_path / "blocks", size=1.0, overlap=0.0)
    store = PackedDataset(tmp_path / "blocks")
    for place in range(len(store)):
        index = store[place].channels["index"][:, 0]
        np.testing.assert_allclose(store[place].channels["color"][:, 0], red[index] / 65535, rtol=1e-6)
        np.testing.assert_array_equal(store[place].channels["intensity"][:, 0], red[index])
        assert "part" not in store[place].channels


def test_cut__killed_and_finished_is_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "SHARD_POINTS", 800)
    for number in range(2):
        write_las(tmp_path / f"src-{number}.las", planted(seed=number))
    (tmp_path / "src").mkdir()
    for number in range(2):
        shutil.move(tmp_path / f"src-{number}.las", tmp_path / f"src/{number}.las")
    cut(tmp_path / "src", tmp_path / "whole/blocks")
    write = write_noted_shard
    for stop in (0, 1, 4, 9):

        def dying(recipe: Any, number: int, read: Any, stop: int = stop) -> None:
            if number >= stop:
                raise KeyboardInterrupt
            write(recipe, number, read)

        monkeypatch.setattr(cutting, "write_noted_shard", dying)
        with pytest.raises(Exception, match="run the same command again"):
            cut(tmp_path / "src", tmp_path / "blocks")
    monkeypatch.setattr(cutting, "write_noted_shard", write)
    cut(tmp_path / "src", tmp_path / "blocks")
    ours, theirs = (
        sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("blocks", "whole/blocks")
    )
    assert [p.name for p in ours] == [p.name for p in theirs]
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]


def test_cut__damaged_scan_is_left_out_and_listed(tmp_path: Path) -> None:
    write_las(tmp_path / "a.las", planted())
    (tmp_path / "b.las").write_bytes((tmp_path / "a.las").read_bytes()[:20000])
    summary = cut(tmp_path, tmp_path / "out/blocks")
    assert [failure.path.name for failure in summary.failures] == ["b.las"]
    assert [failure["file"] for failure in PackedDataset(tmp_path / "out/blocks").manifest.failures] == ["b.las"]


def test_cut__refusals(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="less than size"):
        cut(tmp_path, tmp_path / "out", size=1.0, overlap=1.0)
    with pytest.raises(DataError, match="holds no scans"):
        cut(tmp_path, tmp_path / "out")
    (tmp_path / "a.obj").write_text("v 0 0 0\n")
    with pytest.raises(DataError, match=r"not cut; known are \.las"):
        cut(tmp_path / "a.obj", tmp_path / "out")


@pytest.mark.parametrize("kind", WRITERS)
def test_scan__pieces_are_the_whole(tmp_path: Path, kind: str) -> None:
    points = planted()
    path = WRITERS[kind](tmp_path / f"a.{kind}", points)
    for scan in open_scans(path):
        pieces = list(scan.chunks(700))
        assert len(pieces) > 2
        found = np.concatenate([np.stack([piece.columns[axis] for axis in "xyz"], axis=1) for piece in pieces])
        own = points if kind != "e57" else points[scan.place :: 2]
        np.testing.assert_allclose(found, own, rtol=0, atol=1e-6)
        assert np.concatenate([piece.rows for piece in pieces]).tolist() == list(range(scan.count))


def test_sample__every_point_as_likely(tmp_path: Path) -> None:
    path = write_pcd(tmp_path / "a.pcd", planted(50))
    [scan] = open_scans(path)
    times = np.zeros(50)
    for seed in range(400):
        rows = sample(scan, 10, np.random.default_rng(seed)).rows
        assert len(set(rows.tolist())) == 10
        times[rows] += 1
    # 400 draws with probability 1/5: 80 on average, standard deviation 8.
    assert np.abs(times - 80).max() < 36
    assert sample(scan, 99, np.random.default_rng(0)).rows.tolist() == list(range(50))


@pytest.mark.parametrize("kind", WRITERS)
def test_read_clouds__of_a_large_scan_a_random_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(chunks, "MOST", 500)
    points = planted()
    cloud = read_clouds(WRITERS[kind](tmp_path / f"a.{kind}", points))[0]
    assert len(cloud.points) == 500
    assert f"500 of {2000 if kind == 'e57' else 4000} points" in cloud.origin
    shift = np.array([float(number) for number in cloud.origin.rpartition("(")[2].rstrip(")").split(",")])
    near = np.abs((cloud.points.astype(np.float64) + shift)[:, None] - points[None, :]).max(axis=2).min(axis=1)
    assert near.max() < 1e-6


def test_scan__without_coordinates(tmp_path: Path) -> None:
    path = write_ply(tmp_path / "a.ply", "ascii", [("vertex", [("u", "float")], [[1.0]])], "\n")
    with pytest.raises(ValueError, match="it has no x, y, z, only u"):
        list(Scan(path, 1).chunks())
