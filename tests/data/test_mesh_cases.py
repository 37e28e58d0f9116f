"""Meshes that went wrong in other people's hands: each is a situation from a public bug report."""

import base64
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.data.files import readers
from pointssl.data.files.readers import read_surface
from pointssl.data.views.config import ViewConfig
from pointssl.data.views.meshes import MeshFiles, open_meshes
from pointssl.data.views.sources import renderer
from pointssl.errors import DataError
from pointssl.ops.random_points import triangle_normals
from tests.data.gltf_files import Binary, one_mesh, write_glb
from tests.data.test_ply import write_ply

AXES = [("x", "float"), ("y", "float"), ("z", "float")]
CUBE = [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]
QUADS = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]


def area(path: Path) -> float:
    surface = read_surface(path)
    return float(triangle_normals(surface.vertices, surface.faces)[1].sum())


@pytest.mark.case("14-ply-quads")
@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("sides", [6, 5])
def test_quads__clouds_and_views_from_the_same_triangles(tmp_path: Path, order: str, sides: int) -> None:
    lists = [("vertex_indices", "uint32", "uint8")]
    faces = [[quad] for quad in QUADS[:sides]]
    path = write_ply(tmp_path / "cube.ply", order, [("vertex", AXES, CUBE), ("face", lists, faces)], "\n")
    assert area(path) == pytest.approx(sides)
    [cloud] = readers.read_clouds(path, points=600)
    on_a_side = np.isclose(cloud.points, 0) | np.isclose(cloud.points, 1)
    assert on_a_side.any(axis=1).all()
    assert (np.abs(cloud.channels["normal"]).sum(axis=1) == 1).all()
    meshes = open_meshes(tmp_path)
    assert isinstance(meshes, MeshFiles)
    mesh = meshes.mesh(0)
    assert triangle_normals(mesh.vertices, mesh.faces)[1].sum() == pytest.approx(sides)


@pytest.mark.case("14-ply-quads")
def test_quads__pictures_are_those_of_the_triangles(tmp_path: Path) -> None:
    for folder, polygons in (
        ("quads", QUADS),
        ("triangles", [t for a, b, c, d in QUADS for t in ([a, b, c], [a, c, d])]),
    ):
        (tmp_path / folder).mkdir()
        lists = [("vertex_indices", "int", "uint8")]
        elements = [("vertex", AXES, CUBE), ("face", lists, [[polygon] for polygon in polygons])]
        write_ply(tmp_path / folder / "a.ply", "binary_little_endian", elements, "\n")
    config = ViewConfig(views=2, size=32)
    shown = []
    for folder in ("quads", "triangles"):
        source = open_meshes(tmp_path / folder)
        assert source is not None
        shown.append(renderer(source, config)(0, "a"))
    np.testing.assert_array_equal(shown[0], shown[1])
    assert 0.2 < (shown[0] < 255).mean() < 0.9


@pytest.mark.case("15-ply-mixed-polygons")
@pytest.mark.parametrize(
    ("polygons", "expected"),
    [([[0, 1, 2, 3], [4, 5, 6]], 4.5), ([[0, 1, 2, 3, 3]], 4), ([[0, 1, 2, 3], [4, 5, 6], [0, 1, 2, 3, 3]], 8.5)],
)
def test_mixed_polygons(tmp_path: Path, polygons: list[list[int]], expected: float) -> None:
    points = [[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0], [10, 0, 0], [11, 0, 0], [10, 1, 0]]
    elements = [("vertex", AXES, points), ("face", [("vertex_indices", "int", "uint8")], [[one] for one in polygons])]
    assert area(write_ply(tmp_path / "a.ply", "binary_little_endian", elements, "\n")) == pytest.approx(expected)


@pytest.mark.case("16-ply-tristrips")
@pytest.mark.parametrize("order", ["ascii", "binary_little_endian"])
def test_tristrips(tmp_path: Path, order: str) -> None:
    points = [[place // 2, place % 2, 0] for place in range(8)]
    for strip, expected in (([*range(8)], 3), ([0, 1, 2, 3, -1, 4, 5, 6, 7], 2)):
        elements = [("vertex", AXES, points), ("tristrips", [("vertex_indices", "int", "int")], [[strip]])]
        path = write_ply(tmp_path / "a.ply", order, elements, "\n")
        assert area(path) == pytest.approx(expected)
        normals, _ = triangle_normals(read_surface(path).vertices, read_surface(path).faces)
        assert len(np.unique(normals, axis=0)) == 1


@pytest.mark.case("18-obj-relative-interleaved")
def test_relative_indices_between_vertices(tmp_path: Path) -> None:
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 10 0 0\nv 11 0 0\nv 10 1 0\nf -3 -2 -1\n"
    (tmp_path / "two.obj").write_text(text)
    assert read_surface(tmp_path / "two.obj").faces.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.case("19-glb-quantised")
def test_quantised_parts_keep_their_places(tmp_path: Path) -> None:
    binary = Binary()
    binary.add(np.array([[0, 0, 0, 0], [32767, 0, 0, 0], [0, 32767, 0, 0]], "<i2"), type="VEC3", normalized=True)
    binary.views[0]["byteStride"] = 8
    document = one_mesh({"attributes": {"POSITION": 0}}, {}, {"translation": [10, 0, 0]})
    write_glb(tmp_path / "a.glb", binary, extensionsRequired=["KHR_mesh_quantization"], **document)
    points = readers.read_clouds(tmp_path / "a.glb", points=400)[0].points
    assert (points[:, 0] < 1.001).sum() == 200
    assert points[:, 0].max() == pytest.approx(11, abs=0.2)
    assert points[:, 1].max() == pytest.approx(1, abs=0.2)


@pytest.mark.case("22-glb-draco")
@pytest.mark.parametrize("required", [["KHR_draco_mesh_compression"], []])
def test_draco_is_named(tmp_path: Path, required: list[str]) -> None:
    binary = Binary()
    packed = {"bufferView": binary.view(np.frombuffer(base64.b64decode("RFJBQ08CAgEBAAAA"), "u1")), "attributes": {}}
    binary.accessors.append({"componentType": 5126, "count": 4, "type": "VEC3"})
    primitive = {"attributes": {"POSITION": 0}, "extensions": {"KHR_draco_mesh_compression": packed}}
    path = write_glb(tmp_path / "a.glb", binary, extensionsRequired=required, **one_mesh(primitive))
    with pytest.raises(DataError, match=r"KHR_draco_mesh_compression.* not supported"):
        readers.read_clouds(path)


@pytest.mark.case("27-obj-colours-255")
def test_colours_of_obj(tmp_path: Path) -> None:
    (tmp_path / "points.obj").write_text("v 0 0 0 255 0 51\nv 2 0 0 0 102 51\nv 2 2 0 10 20 30\n")
    (tmp_path / "mesh.obj").write_text("v 0 0 0 128 0 51\nv 2 0 0 128 0 51\nv 2 2 0 128 0 51\nf 1 2 3\n")
    (tmp_path / "unit.obj").write_text("v 0 0 0 1.0 0 0.2\nv 2 0 0 0 0.4 0.2\nv 2 2 0 0.04 0.08 0.12\n")
    for name, expected in (("points", [1, 0, 0.2]), ("mesh", [128 / 255, 0, 0.2]), ("unit", [1, 0, 0.2])):
        color = readers.read_clouds(tmp_path / f"{name}.obj", points=9)[0].channels["color"]
        np.testing.assert_allclose(color[0], expected, atol=1e-6)


@pytest.mark.case("55-stl-binary-solid")
def test_binary_stl_that_says_solid(tmp_path: Path) -> None:
    triangle = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0)
    head = b"solid exported by a CAD program, facet"
    (tmp_path / "a.stl").write_bytes(head.ljust(80) + struct.pack("<I", 2) + 2 * triangle)
    assert area(tmp_path / "a.stl") == pytest.approx(4)


@pytest.mark.case("many groups (reliability, F2)")
def test_obj_of_many_groups_is_read_in_linear_time(tmp_path: Path) -> None:
    def seconds(groups: int) -> float:
        block = "g part{0}\nusemtl m{0}\nv {0} 0 0\nv {0} 1 0\nv {0} 0 1\nf -3 -2 -1\n"
        (tmp_path / "a.obj").write_text("".join(block.format(number) for number in range(groups)))
        start = time.process_time()
        assert len(read_surface(tmp_path / "a.obj").faces) == groups
        return time.process_time() - start

    # Quadratic, eight times as many groups would take 64 times as long.
    assert seconds(32000) < 24 * seconds(4000)


@pytest.mark.case("PLY of MeshLab (reliability, F35)")
def test_ply_that_names_a_texture_is_read_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    elements = [("vertex", AXES, CUBE), ("face", [("vertex_indices", "int", "uint8")], [[quad] for quad in QUADS])]
    path = write_ply(tmp_path / "a.ply", "ascii", elements, "\n")
    path.write_text(path.read_text().replace("comment made", "comment TextureFile none.png\ncomment made"))
    assert area(path) == pytest.approx(6)
    assert not caplog.records


@pytest.mark.case("63-ply-forms")
@pytest.mark.parametrize("form", ["no faces", "face 0", "windows", "list first"])
def test_ply_of_vertices_alone(tmp_path: Path, form: str) -> None:
    written = np.array([[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 3]], "<f4")
    vertex = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head = f"ply\nformat binary_little_endian 1.0\n{vertex}"
    head += "element face 0\nproperty list uchar int vertex_indices\n" if form == "face 0" else ""
    head += "end_header\n"
    data = (head.replace("\n", "\r\n") if form == "windows" else head).encode() + written.tobytes()
    if form == "list first":
        rows = "2 9 8\n3 9 8 7\n" + "".join("{:g} {:g} {:g}\n".format(*row) for row in written)
        camera = "element camera 2\nproperty list int float p\n"
        data = f"ply\nformat ascii 1.0\n{camera}{vertex}end_header\n{rows}".encode()
    (tmp_path / "a.ply").write_bytes(data)
    [cloud] = readers.read_clouds(tmp_path / "a.ply")
    np.testing.assert_array_equal(cloud.points, written)


SCENES: dict[str, tuple[dict[str, Any], list[list[float]]]] = {
    "default": (  # the second of two scenes is the one to show
        {
            "scene": 1,
            "scenes": [{"nodes": [0]}, {"nodes": [1]}],
            "nodes": [{"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}],
        },
        [[5, 0, 0], [6, 0, 0], [5, 1, 0]],
    ),
    "nested": (  # turned by a quarter about z, then doubled, then lifted
        {
            "scenes": [{"nodes": [0]}],
            "nodes": [
                {"children": [1], "translation": [0, 0, 7], "scale": [2, 2, 2]},
                {"mesh": 0, "rotation": [0, 0, 0.5**0.5, 0.5**0.5]},
            ],
        },
        [[0, 0, 7], [0, 2, 7], [-2, 0, 7]],
    ),
    "mirrored": (
        {"scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "scale": [-1, 1, 1]}]},
        [[0, 0, 0], [-1, 0, 0], [0, 1, 0]],
    ),
}


@pytest.mark.case("64-glb-scenes")
@pytest.mark.parametrize("name", SCENES)
def test_scenes_of_glb(tmp_path: Path, name: str) -> None:
    binary = Binary()
    binary.add(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4"))
    placed, expected = SCENES[name]
    document = one_mesh({"attributes": {"POSITION": 0}}) | {"scene": 0} | placed
    surface = read_surface(write_glb(tmp_path / "a.glb", binary, **document))
    np.testing.assert_allclose(surface.vertices, expected, atol=1e-6)
    [cloud] = readers.read_clouds(tmp_path / "a.glb", points=20)
    np.testing.assert_allclose(cloud.channels["normal"], np.tile([0, 0, 1], (20, 1)), atol=1e-6)


@pytest.mark.case("64-glb-scenes")
def test_points_of_glb_keep_their_colours_and_their_place(tmp_path: Path) -> None:
    binary = Binary()
    binary.add(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4"))
    color = binary.add(np.array([[255, 0, 51, 255]] * 3, "u1"), normalized=True)
    primitive = {"attributes": {"POSITION": 0, "COLOR_0": color}, "mode": 0}
    write_glb(tmp_path / "a.glb", binary, **one_mesh(primitive, {"translation": [3, 0, 0]}))
    [cloud] = readers.read_clouds(tmp_path / "a.glb")
    np.testing.assert_array_equal(cloud.points, [[3, 0, 0], [4, 0, 0], [3, 1, 0]])
    np.testing.assert_allclose(cloud.channels["color"], np.tile([1, 0, 0.2], (3, 1)), atol=1e-6)
