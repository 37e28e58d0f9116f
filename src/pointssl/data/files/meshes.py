"""Meshes: one table of the kinds that are read, and points drawn over what they hold.

Files of these kinds that hold vertices and no face are read as clouds. Clouds are drawn from, and pictures made of,
the same triangles: those of `read_surface`.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.cloud import Array, make_cloud
from pointssl.data.files.columns import Meaning
from pointssl.data.files.kinds import kind_of, name_of
from pointssl.data.files.surfaces.collada import read_collada
from pointssl.data.files.surfaces.gltf import read_gltf
from pointssl.data.files.surfaces.ldraw import read_ldraw
from pointssl.data.files.surfaces.obj import read_obj
from pointssl.data.files.surfaces.off import read_off
from pointssl.data.files.surfaces.ply import read_ply
from pointssl.data.files.surfaces.step import read_step
from pointssl.data.files.surfaces.stl import read_stl
from pointssl.data.files.surfaces.surface import Surface
from pointssl.data.files.surfaces.threemf import read_3mf
from pointssl.data.files.surfaces.vrml import read_vrml
from pointssl.ops import random_points

SURFACES: dict[str, Callable[[Path], Surface]] = {
    ".3mf": read_3mf,
    ".dae": read_collada,
    ".dat": read_ldraw,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".ldr": read_ldraw,
    ".mpd": read_ldraw,
    ".obj": read_obj,
    ".off": read_off,
    ".ply": read_ply,
    ".step": read_step,
    ".stl": read_stl,
    ".stp": read_step,
    ".wrl": read_vrml,
}
"""Reader of every kind of file that may hold a surface."""

PLAIN = (".dae", ".obj", ".off", ".ply", ".step", ".stl", ".stp", ".wrl")
"""Kinds that are also read where they are compressed (`.ply.gz`)."""


def read_surface(path: Path) -> Surface:
    """Return the triangles of a file, or its points where it has no triangles.

    Raises:
        ValueError: cut short, damaged, or of a form that is not supported.
    """
    return SURFACES[kind_of(path)](path)


def read_mesh(path: Path, points: int, seed: int) -> Cloud:
    """Return `points` points of the surface in `path`, or its vertices where it has no faces."""
    surface = read_surface(path)
    if len(surface.faces):
        return sample_mesh(surface, points=points, seed=seed, path=path)
    return make_cloud(surface.vertices, surface.channels, name=name_of(path), origin=str(path))


def explain(path: Path) -> tuple[Meaning, ...]:
    """Return what the parts of a mesh were taken for."""
    surface = read_surface(path)
    meanings = list(surface.meanings)
    if not meanings:
        meanings.append(Meaning(f"{len(surface.vertices)} vertices", "x, y, z", "the kind of file"))
        meanings += [Meaning(f"{name} of the vertices", name, "the kind of file") for name in surface.channels]
    if len(surface.faces):
        rule = "points are drawn over the surface"
        meanings.append(Meaning(f"{len(surface.faces)} triangles", "x, y, z, normal", rule))
    if surface.face_color is not None:
        meanings.append(Meaning("color of the faces", "color", "the kind of file"))
    return tuple(meanings)


def sample_mesh(surface: Surface, *, points: int, seed: int, path: Path) -> Cloud:
    """Draw a cloud with normals (and colours, blended between the corners) from a triangle mesh.

    The draw depends on the seed and on the mesh, not on its name or place, so that equal meshes give equal clouds.
    """
    vertices, faces = np.asarray(surface.vertices, dtype=np.float64), surface.faces
    generator = np.random.default_rng([seed, zlib.crc32(vertices.tobytes()), zlib.crc32(faces.tobytes())])
    with np.errstate(invalid="ignore", over="ignore"):
        sample = random_points.surface(vertices, faces, points, generator)
        normals, _ = random_points.triangle_normals(vertices, faces)
    channels: dict[str, Array] = {"normal": normals[sample.face]}
    if "color" in surface.channels:
        corners = surface.channels["color"][faces[sample.face]]  # (n, 3 corners, 3)
        channels["color"] = np.einsum("nc,ncd->nd", sample.weight, corners)
    elif surface.face_color is not None:
        channels["color"] = surface.face_color[sample.face]
    return make_cloud(sample.points, channels, name=name_of(path), origin=str(path))
