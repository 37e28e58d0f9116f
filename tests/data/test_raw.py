"""Bare float32: widths are told apart by the numbers, never by luck of the file's length."""

import json
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.cloud import Cloud
from pointssl.data.files import readers
from pointssl.data.files.dataset import open_files
from pointssl.data.files.raw import likelier_width
from pointssl.errors import DataError

RNG = np.random.default_rng(0)


def sweep(points: int = 4000) -> np.ndarray:
    """Return x, y, z, reflectance as KITTI writes them."""
    return np.column_stack([RNG.uniform(-50, 50, (points, 2)), RNG.uniform(-2, 4, points), RNG.random(points)])


def rings(points: int) -> np.ndarray:
    return np.arange(points)[:, None] % 32


def write(path: Path, table: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.astype("<f4").tofile(path)
    return path


def only(path: Path, columns: tuple[str, ...] | None = None) -> Cloud:
    [cloud] = readers.read_clouds(path, columns=columns)
    return cloud


@pytest.mark.case("03-nuscenes-bin")
@pytest.mark.parametrize("points", [4000, 4004, 4008])
def test_bin__nuscenes_by_its_double_ending(tmp_path: Path, points: int) -> None:
    table = np.column_stack([sweep(points) * [1, 1, 1, 255], rings(points)])
    cloud = only(write(tmp_path / "n015__LIDAR_TOP__0.pcd.bin", table))
    np.testing.assert_allclose(cloud.points, table[:, :3], rtol=1e-6)
    np.testing.assert_allclose(cloud.channels["intensity"][:, 0], table[:, 3], rtol=1e-6)
    assert cloud.name == "n015__LIDAR_TOP__0"


@pytest.mark.case("03-nuscenes-bin")
@pytest.mark.parametrize("more", [1, 2, 4])
def test_bin__other_widths_are_refused_until_stated(tmp_path: Path, more: int) -> None:
    extra = np.column_stack([rings(4000), RNG.random((4000, 3))])[:, :more]
    table = np.column_stack([sweep(), extra])
    path = write(tmp_path / "a.bin", table)
    assert path.stat().st_size % 16 == 0
    with pytest.raises(DataError, match=r"not look like rows of four float32 but of .*--columns x,y,z,intensity,_"):
        only(path)
    cloud = only(path, ("x", "y", "z", "intensity", *["_"] * more))
    np.testing.assert_allclose(cloud.points, table[:, :3], rtol=1e-6)


def test_bin__coordinates_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        only(write(tmp_path / "a.bin", RNG.normal(size=(4000, 3)) * [30, 30, 1]))


def test_likelier_width__a_real_sweep(shared_data: Path) -> None:
    flat = np.fromfile(shared_data / "kitti/000000.bin", "<f4")
    assert likelier_width(flat, 4) is None
    table = flat.reshape(-1, 4)
    for width, changed in ((5, np.column_stack([table, rings(len(table))])), (3, table[:, :3])):
        assert likelier_width(changed.astype("<f4").reshape(-1), 4) is not None, width


@pytest.mark.case("04-gltf-with-bin")
@pytest.mark.parametrize("buffer", ["scene.bin", "buffers/scene.bin"])
def test_bin__buffers_of_gltf_are_no_scans(tmp_path: Path, buffer: str) -> None:
    corners = np.array([[0, 0, 0], [4, 0, 0], [0, 3, 0]], "<f4")
    data = corners.tobytes() + np.arange(3, dtype="<u2").tobytes() + bytes(6)  # 48 bytes: 16 divides them
    (tmp_path / "ball" / buffer).parent.mkdir(parents=True)
    (tmp_path / "ball" / buffer).write_bytes(data)
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 6}]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [4, 3, 0]},
        {"bufferView": 1, "componentType": 5123, "count": 3, "type": "SCALAR"},
    ]
    gltf = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"uri": buffer, "byteLength": len(data)}], "bufferViews": views, "accessors": accessors,
    }  # fmt: skip
    (tmp_path / "ball" / "scene.gltf").write_text(json.dumps(gltf))
    assert open_files(tmp_path, points=20).names == ["scene"]
    with pytest.raises(DataError, match=r"it is the buffer of scene\.gltf, and no scan"):
        only(tmp_path / "ball" / buffer)


@pytest.mark.parametrize("beside", ["sequences/00/velodyne/000000.label", "sequences/00/labels/000000.label"])
def test_bin__labels_of_semantic_kitti(tmp_path: Path, beside: str) -> None:
    path = write(tmp_path / "sequences/00/velodyne/000000.bin", sweep(100))
    classes, objects = np.arange(100) % 7, np.arange(100)
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (objects << 16 | classes).astype("<u4").tofile(tmp_path / beside)
    np.testing.assert_array_equal(only(path).channels["part"][:, 0], classes)
    data = open_files(tmp_path)
    assert data.listing is not None
    assert data.listing.ignored == ()  # the labels belong to the sweep
    np.arange(99, dtype="<u4").tofile(tmp_path / beside)
    with pytest.raises(DataError, match=r"000000\.label has 99 labels for its 100 points"):
        only(path)
