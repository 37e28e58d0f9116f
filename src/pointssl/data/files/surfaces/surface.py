"""A surface as a file holds it, and how the parts of a scene become one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from pointssl.data.files.cloud import Array
from pointssl.data.files.columns import Meaning

_MOST_CORNERS = 1 << 26
"""Instances let a small file stand for any number of triangles; this many need some 5 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Triangles over shared corners; without triangles, the corners are a cloud."""

    vertices: Array
    """(v, 3), in the units and with the digits of the file."""
    faces: Int64[np.ndarray, "f 3"]
    channels: Mapping[str, Array] = field(default_factory=dict)
    """Of the corners; colours are in [0, 1]."""
    face_color: Array | None = None
    """(f, 3) in [0, 1], where the file colours whole faces."""
    meanings: tuple[Meaning, ...] = ()
    """What the named columns of the corners were taken for, where the file names them."""

    def __post_init__(self) -> None:
        if len(self.faces) and (self.faces.min() < 0 or self.faces.max() >= len(self.vertices)):
            wrong = self.faces.min() if self.faces.min() < 0 else self.faces.max()
            raise ValueError(f"a face names vertex {wrong}, but there are only {len(self.vertices)}")


def no_faces() -> Int64[np.ndarray, "0 3"]:
    """Return the triangles of a cloud."""
    return np.zeros((0, 3), dtype=np.int64)


def moved(surface: Surface, matrix: Float64[np.ndarray, "4 4"]) -> Surface:
    """Return the surface in the frame that `matrix` leads to; a mirrored one keeps its outside outside."""
    if np.array_equal(matrix, np.eye(4)):
        return surface
    linear, offset = matrix[:3, :3], matrix[:3, 3]
    faces = surface.faces[:, ::-1] if np.linalg.det(linear) < 0 else surface.faces
    return replace(surface, vertices=surface.vertices @ linear.T + offset, faces=faces)


def joined(found: Iterable[Surface]) -> Surface:
    """Return all parts as one; surfaces hide loose points, and colours stay where every part has them.

    Parts are taken one by one, so that a file whose instances are without number is refused before it is unfolded.

    Raises:
        ValueError: no parts, or more than fits into memory.
    """
    parts = list(_bounded(found))
    parts = [part for part in parts if len(part.faces)] or [part for part in parts if len(part.vertices)]
    if not parts:
        raise ValueError("it holds no points")
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    shared = set.intersection(*(set(part.channels) for part in parts))
    painted = [part.face_color for part in parts if part.face_color is not None]
    return Surface(
        vertices=np.concatenate([part.vertices for part in parts]),
        faces=np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        channels={key: np.concatenate([part.channels[key] for part in parts]) for key in sorted(shared)},
        face_color=np.concatenate(painted) if len(painted) == len(parts) else None,
    )


def _bounded(parts: Iterable[Surface]) -> Iterator[Surface]:
    held = 0
    for part in parts:
        held += len(part.vertices) + len(part.faces)
        if held > _MOST_CORNERS:
            raise ValueError(f"its parts add up to more than {_MOST_CORNERS} vertices and triangles")
        yield part


def as_indices(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return numbers of vertices as int64.

    Raises:
        ValueError: numbers that are not whole, as text may hold them.
    """
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.trunc(values)).all()):
        raise ValueError("a face names vertices by numbers that are not whole")
    return values.astype(np.int64)
