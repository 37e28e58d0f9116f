"""Triangles to pixels: a small depth-buffer renderer in numpy, so that stills need no display and no 3D library.

Every triangle is covered by a lattice of samples closer together than pixels; each pixel keeps its frontmost sample.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pointssl.show.scene import Mesh

LIGHT = np.array([-0.35, 0.55, 0.76])
"""Direction to the lamp in the viewer's frame: right, up, towards the eye."""
_SPACING = 0.8
"""Largest distance of samples, in pixels: a lattice of triangles with sides of 0.86 reaches into every pixel."""
_OVERSAMPLE = 2


def raster(
    meshes: Sequence[Mesh],
    colours: Float[np.ndarray, "m 3"],
    view: Float[np.ndarray, "3 3"],
    low: Float[np.ndarray, "2"],
    high: Float[np.ndarray, "2"],
    pixels: int,
) -> Float[np.ndarray, "p p 4"]:
    """Return a picture (red, green, blue, opacity; lowest row first) of meshes in one colour each, lit from `LIGHT`.

    `view` has right, up and towards the eye as rows; `low` and `high` are the corners of the picture in that frame.
    Triangles that face away are left out: meshes are taken to be closed.
    """
    side = _OVERSAMPLE * pixels
    samples, owners = [np.empty((0, 4), dtype=np.float32)], [np.empty(0, dtype=int)]
    for owner, mesh in enumerate(meshes):
        seen = mesh.vertices @ view.T
        seen[:, :2] = (seen[:, :2] - low) / (high - low) * side
        brightness = 0.58 + 0.46 * np.clip(vertex_normals(mesh) @ view.T @ LIGHT, 0, 1)
        corners = np.concatenate([seen, brightness[:, None]], axis=1).astype(np.float32)[mesh.faces]  # (f, 3, 4)
        samples += _samples(corners)
        owners += [np.full(len(one), owner) for one in samples[len(owners) :]]
    column, row, depth, light = np.concatenate(samples).T
    place = np.where(
        (column >= 0) & (column < side) & (row >= 0) & (row < side),
        row.astype(int) * side + column.astype(int),
        side**2,
    )
    # Of several values for one pixel numpy keeps the last, which is the frontmost in this order.
    order = np.argsort(depth, kind="stable")
    front = np.full(side**2 + 1, -1)
    front[place[order]] = order
    [hit] = np.nonzero(front[:-1] >= 0)
    image = np.zeros((side**2, 4))
    image[hit, :3] = np.clip(colours[np.concatenate(owners)[front[hit]]] * light[front[hit], None], 0, 1)
    image[hit, 3] = 1.0
    blocks = image.reshape(pixels, _OVERSAMPLE, pixels, _OVERSAMPLE, 4)
    opacity = blocks[..., 3:].mean(axis=(1, 3))
    mean = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3)) / np.maximum(opacity, 1e-9)
    return np.concatenate([mean, opacity], axis=-1)


def vertex_normals(mesh: Mesh) -> Float[np.ndarray, "v 3"]:
    """Return the unit mean of the normals of the triangles around each vertex, the larger ones counting more."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(mesh.vertices, dtype=float)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], across)
    unit: Float[np.ndarray, "v 3"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return unit


def _samples(corners: Float[np.ndarray, "f 3 4"]) -> list[Float[np.ndarray, "s 4"]]:
    """Return (x, y, depth, brightness) on a lattice over the triangles that face the eye, one array per fineness."""
    first, second = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    corners = corners[first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0]
    sides = np.linalg.norm(corners[:, :, :2] - np.roll(corners[:, :, :2], 1, axis=1), axis=-1).max(axis=1, initial=0)
    steps = np.ceil(np.maximum(sides / _SPACING, 1)).astype(int)
    made = []
    for count in np.unique(steps).tolist():
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1))
        within = i + j <= count
        weights = np.stack([i[within], j[within], count - i[within] - j[within]], axis=-1) / count  # (s, 3)
        made.append((weights.astype(np.float32) @ corners[steps == count]).reshape(-1, 4))
    return made
