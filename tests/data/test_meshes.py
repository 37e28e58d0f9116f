"""Meshes with names: from archives, folders and broken files, and what is refused before rendering."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from pointssl.data.files.dataset import open_files
from pointssl.data.views.meshes import MeshFiles, PackedMeshes, checked, open_meshes, unit_ball
from pointssl.errors import DataError
from tests.data.solids import cube


def write_archive(path: Path, **more: np.ndarray) -> Path:
    """Write a cube and a tetrahedron end to end, in 1024ths."""
    vertices, faces = cube(0.5)
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    np.savez(
        path,
        vertices=(1024 * np.concatenate([vertices, corner])).astype(np.int16),
        faces=np.concatenate([faces, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]]).astype(np.uint16),
        vertex_offset=np.array([0, 8, 12]),
        face_offset=np.array([0, 12, 16]),
        **more,  # type: ignore[arg-type]
    )
    return path


def test_packed_meshes__two_shapes(tmp_path: Path) -> None:
    names = {"name": np.array(["box", "tip"]), "label": np.array([1, 0]), "class_names": np.array(["a", "b"])}
    meshes = open_meshes(write_archive(tmp_path / "meshes.npz", **names))
    assert isinstance(meshes, PackedMeshes)
    assert (meshes.names, meshes.groups, len(meshes), meshes.name) == (("box", "tip"), ("b", "a"), 2, tmp_path.name)
    np.testing.assert_array_equal(meshes.mesh(0).vertices, cube(0.5).vertices)
    np.testing.assert_array_equal(meshes.mesh(0).faces, cube(0.5).faces)
    assert meshes.mesh(1).vertices.max() == 1.0
    assert open_meshes(tmp_path) is not None  # a folder with the archive is the archive


def test_packed_meshes__names_of_the_places_as_for_clouds(tmp_path: Path) -> None:
    np.savez(tmp_path / "clouds.npz", points=np.zeros((2, 5, 3), np.float32), split=np.array([0, 1]))
    write_archive(tmp_path / "meshes.npz")
    clouds = [open_files(tmp_path / "clouds.npz", split)[0].name for split in ("train", "test")]
    assert list(PackedMeshes(tmp_path / "meshes.npz").names) == clouds


def test_packed_meshes__does_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not fit together"):
        PackedMeshes(write_archive(tmp_path / "meshes.npz", name=np.array(["only one"])))
    np.savez(tmp_path / "other.npz", faces=np.zeros(3))
    with pytest.raises(DataError, match="expected are vertices"):
        open_meshes(tmp_path / "other.npz")


def test_packed_meshes__real(shared_data: Path) -> None:
    meshes = PackedMeshes(shared_data / "psb-shrec12/meshes.npz")
    clouds = open_files(shared_data / "psb-shrec12/clouds.npz", "test")
    assert len(meshes) == 2303
    row = meshes.names.index(clouds[5].name)
    near = np.linalg.norm(unit_ball(meshes.mesh(row).vertices), axis=1)
    assert near.max() == pytest.approx(1)
    # The same shape: points drawn over the mesh have its proportions.
    sizes = [np.sort(np.ptp(points, axis=0)) for points in (clouds[5].points, meshes.mesh(row).vertices)]
    np.testing.assert_allclose(sizes[0] / sizes[0].max(), sizes[1] / sizes[1].max(), atol=0.05)


@pytest.mark.parametrize("suffix", ["off", "obj", "ply", "stl", "glb"])
def test_open_meshes__folder(tmp_path: Path, suffix: str) -> None:
    vertices, faces = cube(0.5)
    for group in ("bed", "lamp"):
        (tmp_path / "src" / group).mkdir(parents=True)
        trimesh.Trimesh(vertices, faces, process=False).export(tmp_path / "src" / group / f"{group}1.{suffix}")
    meshes = open_meshes(tmp_path / "src")
    assert isinstance(meshes, MeshFiles)
    assert (meshes.names, meshes.groups) == (("bed1", "lamp1"), ("bed", "lamp"))
    corners, triangles = meshes.mesh(1)
    assert len(triangles) == 12
    np.testing.assert_allclose(np.abs(corners), 0.5)
    dataset = open_files(tmp_path / "src", points=10)
    assert [dataset[place].name for place in range(2)] == list(meshes.names)


def test_open_meshes__broken_header_of_modelnet(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text("OFF3 1 0\n0 0 0\n1 0 0\n0 2 0\n3 0 1 2\n")
    meshes = open_meshes(tmp_path)
    assert meshes is not None
    assert meshes.mesh(0).faces.tolist() == [[0, 1, 2]]


def test_open_meshes__clouds_are_no_meshes(tmp_path: Path) -> None:
    np.savez(tmp_path / "clouds.npz", points=np.zeros((2, 5, 3), np.float32))
    assert open_meshes(tmp_path) is None
    assert open_meshes(tmp_path / "clouds.npz") is None
    (tmp_path / "bare").mkdir()
    header = "ply\nformat ascii 1.0\nelement vertex 1\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    (tmp_path / "bare/a.ply").write_text(header + "end_header\n0 0 0\n")
    assert open_meshes(tmp_path / "bare") is None


def test_mesh_files__without_faces_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 2 0\n3 0 1 2\n")
    (tmp_path / "b.off").write_text("OFF\n3 0 0\n0 0 0\n1 0 0\n0 2 0\n")
    meshes = open_meshes(tmp_path)
    assert meshes is not None
    with pytest.raises(DataError, match=r"b\.off cannot be read: it has no faces"):
        meshes.mesh(1)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((3, 3)), np.zeros((0, 3)), "has no faces"),
        (np.array([[0, 0, 0], [np.nan, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]), "1 vertices that are NaN"),
        (np.eye(3), np.array([[0, 1, 3]]), "corner 3, but 3 vertices"),
        (np.ones((3, 3)), np.array([[0, 1, 2]]), "in one place"),
    ],
)
def test_checked__names_what_is_wrong(vertices: np.ndarray, faces: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=f"the mesh chair7 has .*{message.removeprefix('has ')}"):
        checked(vertices, faces, "chair7")


def test_checked__unused_corners_go() -> None:
    vertices = np.array([[9, 9, 9], [0, 0, 0], [1, 0, 0], [np.nan, 0, 0], [0, 1, 0]])
    corners, faces = checked(vertices, np.array([[1, 2, 4]]), "a")
    assert corners.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert faces.tolist() == [[0, 1, 2]]


def test_checked__survey_coordinates_keep_their_digits() -> None:
    vertices = np.array([[0, 0, 0], [0.001, 0, 0], [0, 0.001, 0]]) + 4e6
    corners, _ = checked(vertices, np.array([[0, 1, 2]]), "a")
    np.testing.assert_allclose(np.ptp(corners, axis=0), [0.001, 0.001, 0], rtol=1e-3)
