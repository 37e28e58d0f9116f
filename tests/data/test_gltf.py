"""glTF: numbers of any type, sparse values, strips, fans, instances; what is not supported is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointssl.data.files import readers
from pointssl.data.files.surfaces.gltf import read_gltf
from pointssl.errors import DataError
from tests.data.gltf_files import Binary, one_mesh, write_glb

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")


@pytest.mark.parametrize(("kind", "top"), [("i1", 127), ("u1", 255), ("<i2", 32767), ("<u2", 65535)])
@pytest.mark.parametrize("normalized", [True, False])
def test_read_gltf__quantised(tmp_path: Path, kind: str, top: int, normalized: bool) -> None:
    binary = Binary()
    padded = np.zeros((3, 4), kind)  # rows are padded to four bytes, and so have a stride
    padded[:, :3] = TRIANGLE * top
    binary.add(padded, type="VEC3", normalized=normalized)
    binary.views[0]["byteStride"] = padded.strides[0]
    document = one_mesh({"attributes": {"POSITION": 0}}, {}, {"translation": [10, 0, 0]})
    surface = read_gltf(write_glb(tmp_path / "a.glb", binary, extensionsRequired=["KHR_mesh_quantization"], **document))
    expected = TRIANGLE * (1 if normalized else top)
    np.testing.assert_allclose(surface.vertices, np.concatenate([expected, expected + np.array([10, 0, 0])]))


def test_read_gltf__smallest_integer_is_no_less_than_minus_one(tmp_path: Path) -> None:
    binary = Binary()
    binary.add(np.array([[-128, 127, 0], [0, 0, 0], [127, 0, 0]], "i1"), normalized=True)
    surface = read_gltf(write_glb(tmp_path / "a.glb", binary, **one_mesh({"attributes": {"POSITION": 0}})))
    assert surface.vertices[0].tolist() == [-1, 1, 0]


@pytest.mark.parametrize("base", [True, False])
def test_read_gltf__sparse(tmp_path: Path, base: bool) -> None:
    binary = Binary()
    binary.add(np.ones((4, 3), "<f4"))
    sparse = {
        "count": 2,
        "indices": {"bufferView": binary.view(np.array([1, 3], "u1")), "componentType": 5121},
        "values": {"bufferView": binary.view(np.array([[5, 6, 7], [8, 9, 10]], "<f4"))},
    }
    binary.accessors[0]["sparse"] = sparse
    if not base:
        del binary.accessors[0]["bufferView"]  # then all others are zero
    surface = read_gltf(write_glb(tmp_path / "a.glb", binary, **one_mesh({"attributes": {"POSITION": 0}, "mode": 0})))
    other = [float(base)] * 3
    assert surface.vertices.tolist() == [other, [5, 6, 7], other, [8, 9, 10]]


@pytest.mark.parametrize(
    ("mode", "triangles"),
    [
        (4, [[0, 1, 2], [3, 2, 1]]),
        (5, [[0, 1, 2], [2, 1, 3], [2, 3, 2], [2, 3, 1]]),
        (6, [[0, 1, 2], [0, 2, 3], [0, 3, 2], [0, 2, 1]]),
    ],
)
@pytest.mark.parametrize("kind", ["u1", "<u2", "<u4"])
def test_read_gltf__modes(tmp_path: Path, mode: int, triangles: list[list[int]], kind: str) -> None:
    binary = Binary()
    binary.add(np.arange(12, dtype="<f4").reshape(4, 3))
    binary.add(np.array([0, 1, 2, 3, 2, 1], kind))
    primitive = {"attributes": {"POSITION": 0}, "indices": 1, "mode": mode}
    assert read_gltf(write_glb(tmp_path / "a.glb", binary, **one_mesh(primitive))).faces.tolist() == triangles


def test_read_gltf__instances_and_mirrors(tmp_path: Path) -> None:
    binary = Binary()
    binary.add(TRIANGLE)
    places = binary.add(np.array([[0, 0, 0], [0, 0, 5]], "<f4"))
    turns = binary.add(
        np.array([[0, 0, 0, 32767], [0, 0, 32767, 0]], "<i2"), normalized=True
    )  # the second by 180 degrees
    instances = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places, "ROTATION": turns}}}
    node = {"scale": [-1, 1, 1], "extensions": instances}
    document = one_mesh({"attributes": {"POSITION": 0}}, node)
    surface = read_gltf(
        write_glb(tmp_path / "a.glb", binary, extensionsRequired=["EXT_mesh_gpu_instancing"], **document)
    )
    expected = [[0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, -1, 5]]
    np.testing.assert_allclose(surface.vertices, expected, atol=1e-4)
    cloud = readers.read_clouds(tmp_path / "a.glb", points=50)[0]
    np.testing.assert_allclose(
        cloud.channels["normal"], np.tile([0, 0, 1], (50, 1)), atol=1e-6
    )  # outside stays outside


@pytest.mark.parametrize("name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "ACME_secret"])
def test_read_gltf__required_extension_by_its_name(tmp_path: Path, name: str) -> None:
    binary = Binary()
    binary.add(TRIANGLE)
    document = one_mesh({"attributes": {"POSITION": 0}})
    path = write_glb(tmp_path / "a.glb", binary, extensionsRequired=["KHR_materials_unlit", name], **document)
    with pytest.raises(DataError, match=f"a.glb cannot be read: it requires {name}, which is not supported"):
        readers.read_clouds(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"accessors": [{"bufferView": 0, "componentType": 5126, "count": 10**9, "type": "VEC3"}]}, "10+ values, more"),
        (
            {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 9, "type": "VEC3"}]},
            "before its 9 values do",
        ),
        ({"nodes": [{"mesh": 0, "children": [0]}]}, "stands in two places"),
        ({"buffers": [{"byteLength": 999}]}, "cut short: buffer 0 has 36 of 999"),
        ({"buffers": [{"byteLength": 36, "uri": "../../etc/passwd"}]}, "lies outside of its folder"),
        ({"buffers": [{"byteLength": 36, "uri": "a.bin"}]}, "'a.bin' is not beside it"),
        ({"asset": {"version": "1.0"}}, "glTF of version '1.0'"),
        ({"nodes": []}, "does not fit together"),
        ({"meshes": [[]]}, "does not fit together"),
    ],
)
def test_read_gltf__damaged(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    binary = Binary()
    binary.add(TRIANGLE)
    path = write_glb(tmp_path / "a.glb", binary, **{**one_mesh({"attributes": {"POSITION": 0}}), **change})
    with pytest.raises(DataError, match=reason):
        readers.read_clouds(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data())
def test_read_gltf__trees_of_nodes_as_trimesh(tmp_path: Path, data: st.DataObject) -> None:
    binary = Binary()
    binary.add(TRIANGLE)
    numbers = st.floats(-2, 2, width=32).filter(lambda value: abs(value) > 0.1)
    nodes: list[dict[str, Any]] = []
    for _ in range(data.draw(st.integers(1, 4))):
        rotation = np.array([data.draw(numbers) for _ in range(4)])
        node: dict[str, Any] = {"mesh": 0, "rotation": (rotation / np.linalg.norm(rotation)).tolist()}
        node["translation"], node["scale"] = ([data.draw(numbers) for _ in range(3)] for _ in range(2))
        nodes.append({**node, "children": [len(nodes) - 1]} if nodes else node)
    document = {**one_mesh({"attributes": {"POSITION": 0}}), "nodes": nodes, "scenes": [{"nodes": [len(nodes) - 1]}]}
    path = write_glb(tmp_path / "a.glb", binary, **document)
    ours = read_gltf(path)
    theirs = trimesh.load_mesh(str(path), process=False)
    rows = [np.sort(np.round(mesh.vertices[mesh.faces].reshape(-1, 9), 3), axis=0) for mesh in (ours, theirs)]
    np.testing.assert_allclose(rows[0], rows[1], atol=2e-3)
