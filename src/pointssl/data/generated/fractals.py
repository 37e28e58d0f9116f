"""Fractals: clouds whose class is the formula that made them, for supervised pre-training without a single real label.

Source: R. Yamada et al., "Point Cloud Pre-training with Natural 3D Structures", CVPR 2022 (PC-FractalDB). A class is an
iterated function system of 2 to 7 random affine maps; points wander from map to map, each chosen with a probability as
its determinant; a fifth of the points of every cloud is of another class. Differs: spread is judged with one scale for
all axes, and many short walks are taken side by side where the paper takes a single long one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt64

from pointssl.data.generated.dataset import Drawn, Request
from pointssl.ops import counter_random

_MAPS = (2, 7)
"""Fewest and most maps of a class."""

_SPREAD = 0.05
"""Least variance along every axis, once the longest axis reaches from -1 to 1."""

_WALKS, _OWN = 64, 51
"""Walks of a cloud, and how many of them are of its own class: four fifths."""

_WARM = 24
"""Steps of each walk before its places count."""


_AT_ONCE = 32
"""Systems that are tried together for a class."""


class System(NamedTuple):
    """One class, or several side by side: affine maps x -> matrix x + offset, and how likely each of them is."""

    matrix: Float32[np.ndarray, "*a 7 3 3"]
    offset: Float32[np.ndarray, "*a 7 3"]
    upto: Float32[np.ndarray, "*a 7"]
    """Probabilities, added up; 1 from the last map on."""


@final
@dataclass(frozen=True, slots=True)
class Fractals:
    """Clouds of iterated function systems."""

    count: int = 100
    """Number of classes."""

    def __post_init__(self) -> None:
        if not 2 <= self.count <= 10_000:
            raise ValueError(f"count must be 2 to 10000 classes, got {self.count}")

    @property
    def classes(self) -> tuple[str, ...]:
        """`fractal_0000` and so on."""
        return tuple(f"fractal_{number:04d}" for number in range(self.count))

    def draw(self, request: Request) -> Drawn:
        """Return clouds of the classes that are asked for, with the part 1 where points are of another class."""
        shift = counter_random.uniform(counter_random.stream(request.key, 2), 1)[:, 0] * np.float32(self.count - 1)
        other = (request.label + 1 + shift.astype(np.int64)) % self.count
        owner = np.where(np.arange(_WALKS) < _OWN, request.label[:, None], other[:, None])  # (b, w)
        classes, of_walk = np.unique(owner, return_inverse=True)
        systems = System(*(np.stack(part) for part in zip(*(system(int(one)) for one in classes), strict=True)))
        steps = -(-request.points // _WALKS)
        places = walk(systems, of_walk.reshape(owner.shape), request.chance, steps)
        points = places.reshape(len(owner), -1, 3)[:, : request.points]
        part = np.broadcast_to(np.arange(_WALKS, dtype=np.int32) >= _OWN, (len(owner), steps, _WALKS))
        return Drawn(points, None, part.reshape(len(owner), -1)[:, : request.points].astype(np.int32))

    def mesh(self, key: UInt64[np.ndarray, " 1"]) -> None:  # noqa: ARG002
        """None: a fractal has no surface."""
        return


def walk(
    systems: System, of_walk: Int64[np.ndarray, "b w"], chance: UInt64[np.ndarray, " b"], steps: int
) -> Float32[np.ndarray, "b s w 3"]:
    """Return the places of walks through their systems, after they have warmed up from the origin."""
    clouds, walks = of_walk.shape
    matrix, offset = systems.matrix.reshape(-1, 3, 3), systems.offset.reshape(-1, 3)
    upto, first = systems.upto[of_walk], of_walk * systems.upto.shape[1]
    drawn = counter_random.uniform(chance, (_WARM + steps) * walks).reshape(clouds, -1, walks)
    place, found = np.zeros((3, clouds, walks), dtype=np.float32), np.empty((steps, 3, clouds, walks), dtype=np.float32)
    columns, along = matrix.transpose(1, 2, 0).copy(), offset.T.copy()
    for step in range(_WARM + steps):
        chosen = first + (drawn[:, step, :, None] >= upto).sum(axis=-1)
        place = np.stack(
            [
                sum((columns[row, axis].take(chosen) * place[axis] for axis in range(3)), along[row].take(chosen))
                for row in range(3)
            ]
        )
        if step >= _WARM:
            found[step - _WARM] = place
    return found.transpose(2, 0, 3, 1)


@lru_cache(maxsize=10_000)
def system(label: int) -> System:
    """Return the maps of a class: the first drawn for it whose places stay near and fill space; centred and scaled."""
    key = counter_random.stream(counter_random.keys(0, np.array([label], dtype=np.int64)), 3)
    for attempt in range(1000):
        tried = _draw(counter_random.keys(attempt, key.astype(np.int64) + np.arange(_AT_ONCE)))
        low, high, fit = _extent(tried, counter_random.stream(key, attempt))
        if fit.any():
            first = int(fit.argmax())
            one = System(*(part[first] for part in tried))
            return _moved(one, (low + high)[first] / 2, 2 / float((high - low)[first].max()))
    raise AssertionError("about one draw in thirty is fit")


def _draw(key: UInt64[np.ndarray, " a"]) -> System:
    """Return random systems, many at once; their probabilities are as the determinants of their maps."""
    chance = counter_random.uniform(key, 1 + 12 * _MAPS[1])
    maps = _MAPS[0] + (chance[:, 0] * (_MAPS[1] - _MAPS[0] + 1)).astype(np.int64)
    numbers = 2 * chance[:, 1:].reshape(len(key), -1, 12) - 1
    matrix, offset = numbers[..., :9].reshape(len(key), -1, 3, 3), numbers[..., 9:]
    there = np.arange(_MAPS[1]) < maps[:, None]
    likely = np.abs(np.linalg.det(matrix.astype(np.float64))) * there
    upto = np.cumsum(likely, axis=1) / likely.sum(axis=1, keepdims=True)
    upto[np.arange(_MAPS[1]) >= maps[:, None] - 1] = 1
    return System(matrix, offset, upto.astype(np.float32))


def _extent(
    tried: System, key: UInt64[np.ndarray, " 1"]
) -> tuple[Float64[np.ndarray, "a 3"], Float64[np.ndarray, "a 3"], Bool[np.ndarray, " a"]]:
    """Return the lowest and highest coordinates of each system's places, and whether it is fit for a class."""
    of_walk = np.repeat(np.arange(_AT_ONCE)[:, None], _WALKS, axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        places = walk(tried, of_walk, counter_random.keys(int(key[0] >> np.uint64(1)), np.arange(_AT_ONCE)), 32)
        places = places.reshape(_AT_ONCE, -1, 3).astype(np.float64)
        low, high = places.min(axis=1), places.max(axis=1)
        half = (high - low).max(axis=1, keepdims=True) / 2
        # Comparisons with what is not a number are false, so runaway systems are never fit.
        fit = (np.abs(places).max(axis=(1, 2)) < 1e3) & ((places.var(axis=1) / half**2).min(axis=1) > _SPREAD)
    return low, high, fit


def _moved(one: System, middle: Float64[np.ndarray, "3"], scale: float) -> System:
    """Return the system whose places are (x - middle) · scale of this one's, so that all classes are of one size."""
    centre = middle.astype(np.float32)
    offset = (one.offset + one.matrix @ centre - centre) * np.float32(scale)
    return System(one.matrix, offset.astype(np.float32), one.upto)
