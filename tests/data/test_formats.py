"""The reader on tiny files of every kind, on damaged ones, and on real ones where they are at hand."""

import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import laspy
import numpy as np
import pytest
import trimesh
from laspy.vlrs.vlrlist import VLRList

from pointssl.data.cloud import Cloud
from pointssl.data.files import readers
from pointssl.data.files.cloud import find_shift
from pointssl.data.files.columns import by_values
from pointssl.data.files.pcd import expand_lzf
from pointssl.errors import DataError, UserError

XYZ = np.array([[0.0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 3]])
TRIANGLE = "0 0 0\n4 0 0\n0 3 0\n"
"""Corners of a right triangle in the plane z = 0, area 6."""

# Forty points (i/2, 0, floor(i/4)), i = 1..40, intensity 7; written by another library (pypcd4 1.5.1) with LZF.
COMPRESSED_PCD = (
    "VkVSU0lPTiAwLjcKRklFTERTIHggeSB6IGludGVuc2l0eQpTSVpFIDQgNCA0IDQKVFlQRSBGIEYgRiBGCkNPVU5UIDEgMSAxIDEKV0lEVEggNDAK"
    "SEVJR0hUIDEKVklFV1BPSU5UIDAuMCAwLjAgMC4wIDEuMCAwLjAgMC4wIDAuMApQT0lOVFMgNDAKREFUQSBiaW5hcnlfY29tcHJlc3NlZArdAAAA"
    "gAIAAAYAAAA/AACAIAMAwCADBABAAAAgIAMAQCADAGAgAwCAIAMAkCADAKAgAwCwIAMAwCADANAgAwDgIAMA8CADBABBAAAIIAMAECADABggAwAg"
    "IAMAKCADADAgAwA4IAMAQCADAEggAwBQIAMAWCADAGAgAwBoIAMAcCADAHggAwCAIAMAhCADAIggAwCMIAMAkCADAJQgAwCYIAMAnCADAKAgA+Cj"
    "AEFH4AMDQU/gAwNBV+ADA0Ff4AMDQWfgAwNBb+ADA0F34AMDQX/gAwNBh+ADA0GP4AMv4IcLAeBA"
)


def only(path: Path, **options: Any) -> Cloud:
    [cloud] = readers.read_clouds(path, **options)
    return cloud


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- meshes ----------------------------------------------------------------------------------------------------------


def triangle_as(kind: str) -> bytes:
    mesh = trimesh.Trimesh([[0, 0, 0], [4, 0, 0], [0, 3, 0]], [[0, 1, 2]], process=False)
    data: Any = mesh.export(file_type=kind)
    return data.encode() if isinstance(data, str) else bytes(data)


@pytest.mark.parametrize("kind", ["obj", "off", "stl", "stl_ascii", "ply", "glb"])
def test_mesh__points_lie_on_the_triangle(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"part.{kind.removesuffix('_ascii')}", triangle_as(kind))
    cloud = only(path, points=100)
    x, y, z = cloud.points.T
    assert cloud.points.shape == (100, 3)
    assert cloud.points.dtype == np.float32
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (z == 0).all()
    assert (x / 4 + y / 3 <= 1 + 1e-6).all()
    np.testing.assert_allclose(cloud.channels["normal"], [[0, 0, 1]] * 100)  # counter-clockwise seen from above
    assert (cloud.name, cloud.origin, cloud.label) == ("part", str(path), None)


def test_mesh__gltf_with_its_buffers(tmp_path: Path) -> None:
    files: Any = trimesh.creation.box().export(file_type="gltf")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert np.abs(only(tmp_path / "model.gltf", points=50).points).max() == pytest.approx(0.5)


def test_mesh__parts_of_a_scene_keep_their_places(tmp_path: Path) -> None:
    scene: Any = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box())
    scene.add_geometry(
        trimesh.creation.box(), transform=np.array([[1, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    )
    x = only(write(tmp_path / "two.glb", scene.export(file_type="glb")), points=1000).points[:, 0]
    assert ((np.abs(x) <= 0.5) | (np.abs(x - 10) <= 0.5)).all()
    assert abs((x > 5).sum() - 500) <= 12  # equal areas; strata meet each of 24 triangles to within one point


def test_mesh__broken_header_of_modelnet(tmp_path: Path) -> None:
    whole = only(write(tmp_path / "a.off", f"OFF\n3 1 0\n{TRIANGLE}3 0 1 2\n"))
    broken = only(write(tmp_path / "b.off", f"OFF3 1 0\n{TRIANGLE}3 0 1 2\n"))
    assert (whole.points == broken.points).all()


def test_mesh__vertex_colors_are_blended(tmp_path: Path) -> None:
    text = "v 0 0 0 1 0 0\nv 4 0 0 1 0 0\nv 0 3 0 0 0 1\nf 1 2 3\n"
    cloud = only(write(tmp_path / "a.obj", text), points=50)
    # Blue is the third corner's weight, which is y / 3; red is the rest. The file's colours were rounded to 8 bits.
    np.testing.assert_allclose(cloud.channels["color"][:, 2], cloud.points[:, 1] / 3, atol=1 / 255)
    np.testing.assert_allclose(cloud.channels["color"].sum(axis=1), 1, atol=1 / 255)


def test_mesh__faces_missing_means_a_cloud(tmp_path: Path) -> None:
    obj = only(write(tmp_path / "a.obj", "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 3\n"))
    off = only(write(tmp_path / "a.off", "OFF\n4 0 0\n0 0 0\n1 0 0\n1 2 0\n0 2 3\n"))
    np.testing.assert_array_equal(obj.points, XYZ)
    np.testing.assert_array_equal(off.points, XYZ)


def test_mesh__same_mesh_and_seed_same_points(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, triangle_as("off")) for name in ("a.off", "b.off")]
    assert (only(paths[0]).points == only(paths[1]).points).all()
    assert (only(paths[0]).points != only(paths[0], seed=1).points).any()


# --- ply and pcd -----------------------------------------------------------------------------------------------------

PLY_FIELDS = (
    [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    + [(name, "u1") for name in ("red", "green", "blue")]
    + [("intensity", "<f4"), ("part", "<i4")]
)
PLY_HEADER = (
    "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    + "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    + "property float intensity\nproperty int part\nend_header\n"
)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
def test_ply__every_channel(tmp_path: Path, kind: str) -> None:
    rows = [(*point, 0, 0, 1, 255, 0, 51, 0.25, place) for place, point in enumerate(XYZ.tolist())]
    body = np.array(rows, dtype=PLY_FIELDS).tobytes()
    if kind == "ascii":
        body = "".join(" ".join(f"{value:g}" for value in row) + "\n" for row in rows).encode()
    cloud = only(write(tmp_path / "a.ply", f"ply\nformat {kind} 1.0\nelement vertex 4\n{PLY_HEADER}".encode() + body))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_array_equal(cloud.channels["normal"], [[0, 0, 1]] * 4)
    np.testing.assert_allclose(cloud.channels["color"], [[1, 0, 0.2]] * 4, rtol=1e-6)  # 51 / 255
    np.testing.assert_array_equal(cloud.channels["intensity"], [[0.25]] * 4)
    np.testing.assert_array_equal(cloud.channels["part"], [[0], [1], [2], [3]])
    assert cloud.channels["part"].dtype == np.int32


ASCII_TRIANGLE = (
    "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    f"element face 1\nproperty list uchar int vertex_indices\nend_header\n{TRIANGLE}3 0 1 2\n"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.off", f"OFF\n# größe\n3 1 0\n{TRIANGLE}3 0 1 2\n"),
        ("a.obj", "# größe\nv 0 0 0\nv 4 0 0\nv 0 3 0\nf 1 2 3\n"),
        ("a.ply", ASCII_TRIANGLE.replace("element vertex", "comment größe\nelement vertex")),
    ],
)
def test_mesh__comments_in_an_old_encoding(tmp_path: Path, name: str, text: str) -> None:
    assert only(write(tmp_path / name, text.encode("latin-1")), points=10).points.shape == (10, 3)


def pcd_header(kind: str, fields: str = "x y z intensity", count: int = 4) -> bytes:
    lines = f"# .PCD v0.7\nVERSION 0.7\nFIELDS {fields}\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
    return f"{lines}WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA {kind}\n".encode()


def test_pcd__ascii_with_blanks_at_line_ends(tmp_path: Path) -> None:
    text = "".join(f"{x} {y} {z} 0.5 \n" for x, y, z in XYZ.tolist())
    cloud = only(write(tmp_path / "a.pcd", pcd_header("ascii") + text.encode()))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_array_equal(cloud.channels["intensity"], [[0.5]] * 4)


def test_pcd__binary_with_packed_color(tmp_path: Path) -> None:
    color = struct.unpack("<f", struct.pack("<I", 0xFF0033))[0]  # PCL keeps 0x00RRGGBB in the bits of a float
    table = np.column_stack([XYZ, np.full(4, color)]).astype("<f4")
    cloud = only(write(tmp_path / "a.pcd", pcd_header("binary", "x y z rgb") + table.tobytes()))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_allclose(cloud.channels["color"], [[1, 0, 0.2]] * 4, rtol=1e-6)


def test_pcd__compressed_by_another_library(tmp_path: Path) -> None:
    cloud = only(write(tmp_path / "a.pcd", base64.b64decode(COMPRESSED_PCD)))
    i = np.arange(1, 41)
    np.testing.assert_array_equal(cloud.points, np.stack([i / 2, 0 * i, i // 4], axis=1))
    np.testing.assert_array_equal(cloud.channels["intensity"], np.full((40, 1), 7))


@pytest.mark.case("54-pcd-grid-with-nan")
def test_pcd__points_without_echo_are_left_out(tmp_path: Path) -> None:
    table = np.column_stack([XYZ, [1, 2, 3, 4]]).astype("<f4")
    table[1, :3] = np.nan
    cloud = only(write(tmp_path / "a.pcd", pcd_header("binary") + table.tobytes()))
    np.testing.assert_array_equal(cloud.points, XYZ[[0, 2, 3]])
    np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], [1, 3, 4])


def test_expand_lzf__by_hand() -> None:
    # Three bytes as they are (control 3 - 1), then a copy of 3 + 2 = 5 bytes from 3 back, which repeats itself.
    assert expand_lzf(bytes([2]) + b"abc" + bytes([3 << 5, 2]), 8) == b"abcabcab"
    # A long copy: seven in the control, 10 more in a byte of its own, 7 + 10 + 2 = 19 bytes from one back.
    assert expand_lzf(bytes([0]) + b"z" + bytes([7 << 5, 10, 0]), 20) == b"z" * 20


@pytest.mark.parametrize("data", [bytes([5]) + b"ab", bytes([3 << 5, 0]), bytes([0]) + b"z" + bytes([7 << 5, 1])])
def test_expand_lzf__damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        expand_lzf(data, 100)


# --- scans -----------------------------------------------------------------------------------------------------------


@pytest.mark.case("50-utm-files")
@pytest.mark.parametrize("kind", ["las", "laz"])
def test_las__millimetres_survive_far_from_zero(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(0)
    east_north = np.round([443_000, 5_400_000, 100] + generator.random((200, 3)) * 50, 3)
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.array([0.001] * 3), np.array([443_000, 5_400_000, 0])
    scan = laspy.LasData(header)
    scan.x, scan.y, scan.z = east_north.T
    scan.intensity = np.arange(200)
    scan.red = scan.green = scan.blue = np.full(200, 65535)
    scan.write(tmp_path / f"a.{kind}")
    cloud = only(tmp_path / f"a.{kind}")
    shift = np.array([float(word) for word in cloud.origin.split("minus (")[1].rstrip(")").split(",")])
    # Half a millimetre would be lost by rounding 5,400,000 to float32, whose steps are half a metre there.
    np.testing.assert_allclose(cloud.points.astype(np.float64) + shift, east_north, atol=1e-5)
    np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], np.arange(200))
    np.testing.assert_array_equal(cloud.channels["color"], np.ones((200, 3)))
    assert "part" not in cloud.channels  # nobody filled the classes


@pytest.mark.parametrize("name", ["a.las", "a.laz"])
def test_las__fields_that_nobody_filled_are_no_channels(tmp_path: Path, name: str) -> None:
    scan = laspy.LasData(laspy.LasHeader(point_format=3, version="1.2"))
    scan.x, scan.y, scan.z = np.arange(15.0).reshape(3, 5)
    scan.write(tmp_path / name)
    assert not only(tmp_path / name).channels
    told = {one.found: one.rule for one in readers.explain(tmp_path / name)}
    assert told["red"] == told["intensity"] == told["classification"] == "left out: all zero"
    scan.blue = np.arange(5) * 257
    scan.write(tmp_path / name)
    np.testing.assert_allclose(only(tmp_path / name).channels["color"][:, 2], np.arange(5) / 255, rtol=1e-6)


def test_copc__is_read_as_the_laz_that_it_is(tmp_path: Path) -> None:
    """Points of an octree's levels follow each other; what says where, stands in records before and behind them."""
    points = np.round(np.random.default_rng(0).random((300, 3)) * 9, 3)
    scan = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    scan.header.scales = np.full(3, 0.001)
    about = struct.pack("<4dd2Q2d11Q", 4.5, 4.5, 4.5, 4.5, 0.1, 1000, 32, 0.0, 1.0, *[0] * 11)
    scan.header.vlrs.append(laspy.VLR("copc", 1, "COPC info VLR", about))
    scan.x, scan.y, scan.z = points.T
    scan.classification = np.arange(300) % 7
    hierarchy = struct.pack("<4iQ2i", 0, 0, 0, 0, 1000, 2000, 300)
    scan.evlrs = VLRList([laspy.VLR("copc", 1000, "EPT Hierarchy", hierarchy)])
    scan.write(tmp_path / "hill.copc.laz")
    cloud = only(tmp_path / "hill.copc.laz")
    assert cloud.name == "hill"
    np.testing.assert_allclose(cloud.points, points, atol=1e-6)
    np.testing.assert_array_equal(cloud.channels["part"][:, 0], np.arange(300) % 7)


def test_find_shift__only_where_it_helps() -> None:
    assert find_shift(XYZ) is None
    assert find_shift((XYZ + 5e6).astype(np.float32)) is None  # rounded before it came here
    shift = find_shift(XYZ + np.array([5e6, 0, 0]))
    assert shift is not None
    # The middle of the points is (5e6 + 0.5, 1, 0), rounded to whole units, half to even.
    np.testing.assert_array_equal(shift, [5e6, 1, 0])


def test_e57__one_cloud_per_scan(tmp_path: Path) -> None:
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    for scan in range(2):
        table = {f"cartesian{axis}": XYZ[:, place] + scan for place, axis in enumerate("XYZ")}
        file.write_scan_raw(table | {"intensity": np.arange(4.0)})
    file.close()
    clouds = readers.read_clouds(tmp_path / "a.e57")
    assert [cloud.name for cloud in clouds] == ["a/0", "a/1"]
    np.testing.assert_array_equal(clouds[1].points, XYZ + 1)
    np.testing.assert_array_equal(clouds[0].channels["intensity"][:, 0], np.arange(4))


def test_e57__package_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pye57", None)
    with pytest.raises(UserError, match=r"pip install 'pointssl\[e57\]'"):
        readers.read_clouds(write(tmp_path / "a.e57", b"ASTM-E57"))


def test_kitti__reflectance_is_intensity(tmp_path: Path) -> None:
    table = np.column_stack([XYZ, [0, 0.25, 0.5, 0.75]]).astype("<f4")
    cloud = only(write(tmp_path / "000000.bin", table.tobytes()))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], [0, 0.25, 0.5, 0.75])


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "channels"),
    [
        ("a.xyz", "0 0 0\n1 0 0\n", {}),
        ("a.xyz", "# made by hand\n0\t0\t0\n1\t0\t0\n\n", {}),
        ("a.txt", "0,0,0,-1,0,0\n1,0,0,0,0.6,0.8\n", {"normal": [[-1, 0, 0], [0, 0.6, 0.8]]}),
        ("a.txt", "0 0 0 255 0 51\n1 0 0 0 0 102\n", {"color": [[1, 0, 0.2], [0, 0, 0.4]]}),
        ("a.txt", "0 0 0 0 0 -1 3\n1 0 0 1 0 0 4\n", {"normal": [[0, 0, -1], [1, 0, 0]], "part": [[3], [4]]}),
        (
            "a.pts",
            "2\n0 0 0 -812 255 0 51\n1 0 0 9 0 0 0\n",
            {"intensity": [[-812], [9]], "color": [[1, 0, 0.2], [0] * 3]},
        ),
        ("a.csv", "z;x;y;Intensity\n0;0;0;7\n0;1;0;8\n", {"intensity": [[7], [8]]}),
        ("a.csv", "0,0,0,\n1,0,0,\n", {}),
        ("a.txt", "//X Y Z R G B\n0 0 0 255 0 51\n1 0 0 0 0 0\n", {"color": [[1, 0, 0.2], [0] * 3]}),
        ("a.csv", '"x","y","z","label"\n0,0,0,2\n1,0,0,3\n', {"part": [[2], [3]]}),
    ],
)
def test_table__columns(tmp_path: Path, name: str, text: str, channels: dict[str, list[list[float]]]) -> None:
    cloud = only(write(tmp_path / name, text))
    np.testing.assert_array_equal(cloud.points, [[0, 0, 0], [1, 0, 0]])
    assert set(cloud.channels) == set(channels)
    for channel, values in channels.items():
        np.testing.assert_allclose(cloud.channels[channel], values, rtol=1e-6)


def test_table__nothing_is_dropped() -> None:
    columns = np.array([[0.5, -7.0], [1.5, 9.0]])
    np.testing.assert_array_equal(by_values(np.column_stack([XYZ[:2], columns])).channels["extra"], columns)


# --- arrays and sets -------------------------------------------------------------------------------------------------


def test_npy__one_cloud_and_many(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", XYZ)
    np.save(tmp_path / "many.npy", np.stack([XYZ, XYZ + 1, XYZ + 2]))
    np.testing.assert_array_equal(only(tmp_path / "one.npy").points, XYZ)
    clouds = readers.read_clouds(tmp_path / "many.npy")
    assert [cloud.name for cloud in clouds] == ["many/0", "many/1", "many/2"]
    np.testing.assert_array_equal(clouds[2].points, XYZ + 2)


def test_npz__single_cloud_with_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", xyz=XYZ, normals=np.eye(3)[[0, 1, 2, 0]], colors=np.full((4, 3), 255, np.uint8))
    cloud = only(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.channels["normal"], np.eye(3)[[0, 1, 2, 0]])
    np.testing.assert_array_equal(cloud.channels["color"], np.ones((4, 3)))


def test_npz__set_with_classes_and_splits(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "clouds.npz",
        points=np.full((3, 4, 3), 512, np.int16) * np.array([0, 1, 2], np.int16)[:, None, None],
        label=np.array([1, 0, 1], np.uint8),
        split=np.array([0, 1, 0], np.uint8),
        class_names=np.array(["bed", "lamp"]),
        name=np.array(["m1", "m2", "m3"]),
    )
    info = readers.describe(tmp_path / "clouds.npz")
    assert (info.count, info.classes, info.splits) == (3, ("bed", "lamp"), ("train", "test", "train"))
    clouds = readers.read_clouds(tmp_path / "clouds.npz")
    assert [(cloud.name, cloud.label) for cloud in clouds] == [("m1", 1), ("m2", 0), ("m3", 1)]
    np.testing.assert_array_equal(clouds[2].points, np.ones((4, 3)))  # 1024 stands for one


def test_npz__clouds_of_unequal_size(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        points=np.arange(15, dtype=np.float32).reshape(5, 3),
        offsets=np.array([0, 2, 5]),
        part_label=np.arange(5, dtype=np.uint8),
        split=np.array([1, 2], np.uint8),
    )
    first, second = readers.read_clouds(tmp_path / "a.npz")
    np.testing.assert_array_equal(first.points, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(second.channels["part"], [[2], [3], [4]])
    assert readers.describe(tmp_path / "a.npz").splits == ("val", "test")


@pytest.mark.parametrize(("extra", "channel"), [(None, None), ("mask", "part"), ("pid", "part")])
def test_h5__layouts(tmp_path: Path, extra: str | None, channel: str | None) -> None:
    data = np.random.default_rng(0).random((300, 4, 3)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["label"] = data, np.full((300, 1), 2, np.uint8)
        if extra:
            file[extra] = np.arange(1200, dtype=np.int64).reshape(300, 4) - 1
    found = list(readers.iterate_clouds(tmp_path / "a.h5", start=250, stop=260))  # across a block of 256
    clouds = [cloud for cloud in found if isinstance(cloud, Cloud)]
    assert len(clouds) == len(found)
    np.testing.assert_array_equal([cloud.points for cloud in clouds], data[250:260])
    assert {cloud.label for cloud in clouds} == {2}
    assert readers.describe(tmp_path / "a.h5").classes == ("0", "1", "2")
    if channel:
        np.testing.assert_array_equal(clouds[-1].channels[channel][:, 0], np.arange(4) + 259 * 4 - 1)
    else:
        assert not clouds[-1].channels


def test_npz__pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=np.array([{"run": "me"}], dtype=object))
    with pytest.raises(DataError, match="allow_pickle=False"):
        readers.read_clouds(tmp_path / "a.npz")


# --- what is wrong with a file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.off", f"OFF\n3 2 0\n{TRIANGLE}3 0 1 2\n", "cut short: 4 rows where 3 vertices and 2 faces"),
        ("a.off", f"OFF\n3 1 0\n{TRIANGLE}3 0 1 7\n", "names vertex 7, but there are only 3"),
        ("a.off", "hello\n", "does not begin with OFF"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n0 0 0\n0 0 0\n3 0 1 2\n", "no area"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "a.obj"),
        ("a.obj", "hello\n", "holds no points"),
        ("a.stl", triangle_as("stl")[:-10], "cut short: 124 bytes where 1 triangles need 134"),
        ("a.stl", triangle_as("stl_ascii")[:-10], "cut short"),
        ("a.glb", triangle_as("glb")[:-10], "a.glb"),
        ("a.ply", triangle_as("ply")[:-5], "a.ply"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\n", "a.ply"),
        (
            "a.ply",
            f"ply\nformat ascii 1.0\nelement vertex 3\n{PLY_HEADER}" + "0 " * 11 + "\n",
            "cut short",
        ),
        ("a.ply", ASCII_TRIANGLE[:-8], "cut short: 0 of 1 faces"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float u\nend_header\n1\n", "x, y, z"),
        ("a.pcd", pcd_header("binary") + bytes(20), "cut short: 1 of 4 points"),
        ("a.pcd", pcd_header("ascii") + b"0 0 0 1\n", "cut short: 1 of 4 points"),
        ("a.pcd", pcd_header("zipped"), "DATA must be ascii, binary, binary_compressed, got 'zipped'"),
        ("a.pcd", base64.b64decode(COMPRESSED_PCD)[:-9], "cut short: 212 of 221 compressed bytes"),
        ("a.pcd", b"nothing", "no DATA line"),
        ("a.las", b"LASF" + bytes(40), "a.las"),
        ("a.laz", b"nonsense" * 40, "a.laz"),
        ("a.e57", b"nonsense" * 40, "a.e57"),
        ("a.bin", bytes(17), "17 bytes are not rows of four float32"),
        ("a.bin", np.full(8, 1e30, "<f4").tobytes(), "not a scan in metres"),
        ("a.xyz", "1 2\n3 4\n", "line 1 has 2 columns"),
        ("a.txt", "chair\ntable\n", "line 2 is not a row of numbers: 'table'"),
        ("a.txt", "1 2 3\n4 5\n", "a.txt"),
        ("a.csv", "# only a comment\n", "holds no points"),
        ("a.pts", "3\n1 2 3\n", "cut short: 1 of 3 points"),
        ("a.txt", b"\x00\xff\xfe" * 50, "a.txt"),
        ("a.npz", b"nonsense", "a.npz"),
        ("a.npy", b"nonsense", "a.npy"),
        ("a.h5", b"nonsense", "a.h5"),
        ("a.ply", b"", "is empty"),
        ("a.jpg", b"nonsense", "unknown kind '.jpg'"),
    ],
)
def test_read_clouds__damaged_file(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        readers.read_clouds(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_clouds__damaged_file_logs_no_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = triangle_as("stl_ascii").replace(b"vertex 0", b"vertex \x81")
    with pytest.raises(DataError):
        readers.read_clouds(write(tmp_path / "a.stl", text))
    assert not caplog.records


def test_read_clouds__missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        readers.read_clouds(tmp_path / "a.ply")
    with pytest.raises(DataError, match="is a folder"):
        readers.read_clouds(tmp_path)


@pytest.mark.parametrize(
    ("save", "reason"),
    [
        (lambda path: np.savez(path, other=XYZ), "no array called points"),
        (lambda path: np.savez(path, points=np.zeros((0, 3))), "no points"),
        (lambda path: np.savez(path, points=np.zeros((4, 2))), r"got float64 \(4, 2\)"),
        (lambda path: np.savez(path, points=np.zeros((0, 4, 3))), "no clouds"),
    ],
)
def test_read_clouds__arrays_without_clouds(tmp_path: Path, save: Callable[[Path], None], reason: str) -> None:
    save(tmp_path / "a.npz")
    with pytest.raises(DataError, match=reason):
        readers.read_clouds(tmp_path / "a.npz")


# --- real files ------------------------------------------------------------------------------------------------------


def test_read_clouds__real_files(shared_data: Path) -> None:
    files = [
        path
        for path in sorted(shared_data.glob("*/originals/**/*"))
        if path.suffix in readers.SUFFIXES and path.parent.name != "splits"
    ]
    assert len(files) > 70
    for path in files:
        for cloud in readers.read_clouds(path):
            assert len(cloud.points) >= 2048
            assert np.isfinite(cloud.points).all()


def test_read_clouds__same_shape_as_ply_and_pcd(shared_data: Path) -> None:
    folder = shared_data / "modelnet40-part/originals/ModelNet40_h5_export"
    ply, pcd = (only(folder / f"flower_pot.{kind}") for kind in ("ply", "pcd"))
    np.testing.assert_array_equal(ply.points, pcd.points)


def test_read_clouds__kitti_scan(shared_data: Path) -> None:
    cloud = only(shared_data / "kitti/000000.bin")
    assert cloud.points.shape == (124_668, 3)
    assert 0 <= cloud.channels["intensity"].min() < cloud.channels["intensity"].max() < 1


@pytest.mark.case("50-utm-files")
@pytest.mark.parametrize("name", ["a.csv", "a.xyz", "a.pcd", "a.npy", "a.obj", "le.ply", "be.ply", "as.ply"])
def test_read_clouds__survey_coordinates_in_every_kind(tmp_path: Path, name: str) -> None:
    written = np.round(np.random.default_rng(0).uniform(0, 50, (200, 3)) + np.array([443000, 5400000, 100]), 3)
    text = "".join("{:.3f} {:.3f} {:.3f}\n".format(*row) for row in written)
    axes = "".join(f"property double {axis}\n" for axis in "xyz")
    ply = "ply\nformat {} 1.0\nelement vertex 200\n" + axes + "end_header\n"
    pcd = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nWIDTH 200\nHEIGHT 1\nPOINTS 200\nDATA binary\n"
    contents: dict[str, bytes] = {
        "a.csv": b"x;y;z\n" + text.replace(" ", ";").encode(),
        "a.xyz": text.encode(),
        "a.pcd": pcd.encode() + written.tobytes(),
        "a.obj": "".join(f"v {line}\n" for line in text.splitlines()).encode(),
        "le.ply": ply.format("binary_little_endian").encode() + written.astype("<f8").tobytes(),
        "be.ply": ply.format("binary_big_endian").encode() + written.astype(">f8").tobytes(),
        "as.ply": ply.format("ascii").encode() + text.encode(),
    }
    if name in contents:
        write(tmp_path / name, contents[name])
    else:
        np.save(tmp_path / name, written)
    cloud = only(tmp_path / name)
    shift = [float(word) for word in cloud.origin.split("minus (")[1].rstrip(")").split(",")]
    np.testing.assert_allclose(cloud.points.astype(np.float64) + shift, written, atol=2e-6)


@pytest.mark.case("51-e57-scans")
def test_e57__poses_and_points_without_echo(tmp_path: Path) -> None:
    """The scan is turned by a right angle about z, (x, y) to (-y, x), and moved by (100, 0, 0)."""
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    table = {f"cartesian{axis}": XYZ[:, place] for place, axis in enumerate("XYZ")}
    table["cartesianInvalidState"] = np.array([0, 1, 2, 0], np.int8)
    half = np.sqrt(0.5)
    file.write_scan_raw(table, rotation=np.array([half, 0, 0, half]), translation=np.array([100.0, 0, 0]))
    file.close()
    cloud = only(tmp_path / "a.e57")
    shift = [float(word) for word in cloud.origin.split("minus (")[1].rstrip(")").split(",")]
    np.testing.assert_allclose(cloud.points + shift, [[100, 0, 0], [98, 0, 3]], atol=1e-5)
