"""Solids whose depth is known, as meshes and as dense clouds."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pointssl.data.views.meshes import Mesh
from pointssl.ops import random_points


def cube(half: float = 0.5) -> Mesh:
    """A cube around the origin, every triangle wound outwards."""
    corner = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (-half, half)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(corner, np.array([three for a, b, c, d in quads for three in ((a, b, c), (a, c, d))]))


def ball(rings: int = 60, radius: float = 1.0) -> Mesh:
    """A sphere of latitude and longitude."""
    polar, turn = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)], axis=-1)
    across = 2 * rings + 1
    start = (np.arange(rings)[:, None] * across + np.arange(2 * rings)).reshape(-1, 1)
    faces: Int[np.ndarray, "f 3"] = np.concatenate(
        [start + np.array([0, 1, across]), start + np.array([1, across + 1, across])]
    )
    return Mesh((radius * points).reshape(-1, 3).astype(np.float32), faces)


def dense(mesh: Mesh, points: int, seed: int = 0) -> Float[Tensor, "1 n 3"]:
    """Points all over a mesh."""
    drawn = random_points.surface(mesh.vertices, mesh.faces, points, np.random.default_rng(seed))
    return torch.from_numpy(drawn.points.astype(np.float32))[None]
