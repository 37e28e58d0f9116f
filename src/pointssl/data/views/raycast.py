"""Pictures of meshes by ray casting: which triangle each pixel sees, how far it lies, which way it looks.

Source: Embree finds the triangles (I. Wald et al., "Embree: A Kernel Framework for Efficient CPU Ray Tracing",
SIGGRAPH 2014). Rays are given a length of 1 along the viewing axis, so that what it reports is depth.
Normals are turned towards the eye: meshes from the wild are wound either way, and often both.
"""

from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int32
from torch import Tensor

from pointssl.data.cloud import Points
from pointssl.ops.render import cameras as views
from pointssl.ops.render.cameras import Cameras
from pointssl.ops.render.shading import lambert
from pointssl.ops.render.splat import Channels, depth_picture

CREASE = 0.5
"""Smoothed normals that lean more than 60 degrees (cosine below this) from their triangle give way to its own: there
an edge is meant to be sharp, or neighbours are wound against each other and cancel out."""

NUDGE = 1e-5
"""Rays pass this far from where they should, in scene units: symmetric meshes have edges exactly under the centres of
pixels, where rounding can let a ray through between two triangles."""


class RaycastViews(NamedTuple):
    """What each pixel sees of a mesh."""

    depth: Float[Tensor, "v h w"]
    """Along the viewing axis; infinite where there is nothing."""
    normal: Float[Tensor, "v h w 3"]
    """In the camera's frame (right, top, towards the eye), of length 1; zero where there is nothing."""
    face: Int32[Tensor, "v h w"]
    """Number of the triangle; -1 where there is nothing."""

    @property
    def shaded(self) -> Float[Tensor, "v h w"]:
        """Lambert shading in [0, 1] on white."""
        return lambert(self.normal, self.face >= 0)


@final
class Caster:
    """The rays of some cameras, made once for any number of meshes."""

    def __init__(self, cameras: Cameras, size: int) -> None:
        if cameras.eye.shape[0] != 1:
            raise ValueError(f"cameras must be those of one mesh (b = 1), got b = {cameras.eye.shape[0]}")
        origin, direction = views.rays(cameras, size)
        self.cameras, self.size = cameras, size
        frame = views.axes(cameras)[0]  # (v, 3, 3)
        aside = NUDGE * (0.83 * frame[:, 0] + 0.56 * frame[:, 1])
        self._origin = (origin[0] + aside[:, None, None]).contiguous().numpy()
        self._direction, self._frame = direction[0].contiguous().numpy(), frame.numpy()

    def __call__(self, vertices: Points, faces: Int[np.ndarray, "f 3"], *, smooth: bool = False) -> RaycastViews:
        """Return what the cameras see of one mesh; `smooth` blends the normals of triangles that meet."""
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        if len(faces) == 0:
            raise ValueError("faces must be at least one triangle, got none")
        if not np.isfinite(vertices).all():
            raise ValueError("vertices must be finite, got NaN or infinity")
        vertices = np.ascontiguousarray(vertices, dtype=np.float32)
        # Watertight rays cost a seventh of the speed; what they are for, `NUDGE` has made all but impossible.
        scene = EmbreeScene(robust=False)
        mesh = TriangleMesh(scene, vertices, np.ascontiguousarray(faces, dtype=np.int32))
        count, side = len(self._frame), self.size
        depth = np.full((count, side, side), np.inf, dtype=np.float32)
        turned = np.zeros((count, side, side, 3), dtype=np.float32)
        number = np.full((count, side, side), -1, dtype=np.int32)
        corner = _vertex_normals(vertices, faces) if smooth else None
        # View by view, although one call could take all: what passes between the steps then stays in the cache.
        for view, rows, columns in self._windows(vertices):
            origin, direction = (whole[view, rows, columns].reshape(-1, 3) for whole in (self._origin, self._direction))
            found = scene.run(origin, direction, output=True)
            face = found["primID"]
            hit = face >= 0
            normal = _towards_eye(found["Ng"] @ self._frame[view].T)
            if corner is not None:
                u, v = found["u"][hit], found["v"][hit]
                normal[hit] = _smoothed(corner[faces[face[hit]]] @ self._frame[view].T, normal[hit], u, v)
            deep = np.where(hit, found["tfar"], np.float32(np.inf))
            for whole, values in ((depth, deep), (turned, normal), (number, face)):
                window = whole[view, rows, columns]
                window[...] = values.reshape(window.shape)
        del mesh
        return RaycastViews(*map(torch.from_numpy, (depth, turned, number)))

    def _windows(self, vertices: Float32[np.ndarray, "p 3"]) -> list[tuple[int, slice, slice]]:
        """Return the rows and columns of each view that the mesh can reach: half of all rays need not be cast."""
        seen = views.project(torch.from_numpy(vertices)[None], self.cameras)
        behind = (seen.depth[0] <= 1e-3).any(dim=-1)
        bounds = []
        for place in (-seen.top[0], seen.right[0]):
            low, high = ((place.aminmax(dim=-1)[end] + 1) * (self.size / 2) for end in (0, 1))
            # A pixel more on either side makes up for rounding.
            first = (low.floor() - 1).clamp(0, self.size).masked_fill(behind, 0)
            last = (high.floor() + 2).clamp(0, self.size).masked_fill(behind, self.size)
            bounds.append((first.int().tolist(), last.int().tolist()))
        (top, bottom), (left, right) = bounds
        return [(view, slice(top[view], bottom[view]), slice(left[view], right[view])) for view in range(len(top))]


def render_mesh(
    vertices: Points, faces: Int[np.ndarray, "f 3"], cameras: Cameras, size: int, *, smooth: bool = False
) -> RaycastViews:
    """Return what `cameras` (b = 1) see of a mesh in pictures of `size` pixels a side.

    Many meshes under the same cameras are faster through one `Caster`.

    Raises:
        ValueError: no faces, or vertices that are NaN or infinite.
    """
    return Caster(cameras, size)(vertices, faces, smooth=smooth)


def mesh_picture(seen: RaycastViews, cameras: Cameras, channels: Channels) -> Float[Tensor, "v c h w"]:
    """Return what pixels show, in [0, 1], in the terms of `pointssl.ops.render.splat.picture`."""
    if channels == "depth":
        return depth_picture(seen.depth[None], cameras)[0, :, None]
    if channels == "shaded":
        return seen.shaded[:, None]
    return (0.5 + 0.5 * seen.normal).movedim(-1, 1)


def _towards_eye(normal: Float32[np.ndarray, "m 3"]) -> Float32[np.ndarray, "m 3"]:
    """Return unit normals in the camera's frame that look towards the eye; zero stays zero."""
    length = np.sqrt(np.einsum("md,md->m", normal, normal))
    scale = np.copysign(1 / np.maximum(length, np.finfo(np.float32).tiny), normal[:, 2])
    unit: Float32[np.ndarray, "m 3"] = np.multiply(normal, scale[:, None], dtype=np.float32)
    return unit


def _smoothed(
    corner: Float32[np.ndarray, "m c 3"],
    flat: Float32[np.ndarray, "m 3"],
    u: Float32[np.ndarray, " m"],
    v: Float32[np.ndarray, " m"],
) -> Float32[np.ndarray, "m 3"]:
    """Blend the normals at the three corners of each hit; the triangle's own, `flat`, stay where the blend is no use.

    That is where it leans too far from the triangle's own, and where it looks away from the eye.
    """
    blend = _towards_eye((1 - u - v)[:, None] * corner[:, 0] + u[:, None] * corner[:, 1] + v[:, None] * corner[:, 2])
    return np.where(np.einsum("md,md->m", blend, flat)[:, None] >= CREASE, blend, flat)


def _vertex_normals(vertices: Float32[np.ndarray, "p 3"], faces: Int[np.ndarray, "f 3"]) -> Float32[np.ndarray, "p 3"]:
    """Return unit means of the normals around each vertex, larger triangles counting more."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    total = np.stack(
        [
            np.bincount(faces.ravel(), weights=np.repeat(across[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30), dtype=np.float32)
