"""A formula as a data set: `generated:unions`, endless, or `generated:unions:n=1000`, its first thousand clouds."""

import hashlib
from typing import NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt64

from pointssl.data.batches import unit_sphere
from pointssl.data.cloud import Cloud, Labels, Points, Up
from pointssl.data.endless import no_end
from pointssl.data.split_names import check_split
from pointssl.data.synthetic.mesh import Mesh
from pointssl.errors import DataError
from pointssl.ops import counter_random

VERSION = 1
"""Raise it whenever any cloud changes: it is part of the fingerprint of every run."""


class Request(NamedTuple):
    """Which clouds a formula is to draw."""

    key: UInt64[np.ndarray, " b"]
    """Decides the shape."""
    chance: UInt64[np.ndarray, " b"]
    """Decides which points of it are drawn."""
    label: Int64[np.ndarray, " b"]
    """Class, of formulas that have classes."""
    points: int
    normals: bool = False
    """Whether normals are wanted."""


class Drawn(NamedTuple):
    """Clouds as a formula gives them, before they are centred and scaled."""

    points: Float32[np.ndarray, "b n 3"]
    normals: Float32[np.ndarray, "b n 3"] | None = None
    part: Int32[np.ndarray, "b n"] | None = None
    """The part that each point lies on."""


@runtime_checkable
class Formula(Protocol):
    """What turns keys into clouds. A frozen dataclass; its fields are the formula's own parameters."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty where clouds have none."""

    def draw(self, request: "Request") -> "Drawn":
        """Return the clouds that are asked for, before they are centred and scaled."""

    def mesh(self, key: UInt64[np.ndarray, " 1"]) -> Mesh | None:
        """Return one shape as triangles, in the frame of `draw`; None where it has no surface."""


@final
class GeneratedClouds:
    """Clouds made on the spot: a function of (seed, index), centred to their mean, the farthest point at radius 1."""

    splits = ("train", "test")
    up: Up = "y"
    """By agreement: generated shapes lie in every direction alike."""

    def __init__(
        self,
        kind: str,
        formula: Formula,
        *,
        seed: int = 0,
        n: int | None = None,
        points: int = 2048,
        split: str = "all",
        spec: str = "",
    ) -> None:
        """Make the first `n` clouds, or all of them without an end; of a stated number every third is for testing."""
        self._kind, self._formula, self._seed, self._points = kind, formula, seed, points
        self._spec = spec or f"generated:{kind}"
        if n is None and split != "all":
            raise DataError(f"{self._spec} has no end and so no split '{split}'; say how many: {self._spec}:n=1000")
        check_split(split, self.splits, self._spec)
        self._rows: Int64[np.ndarray, " n"] | None = None
        if n is not None:
            index = np.arange(n, dtype=np.int64)
            self._rows = index[{"all": index >= 0, "train": index % 3 != 2, "test": index % 3 == 2}[split]]
        if self._rows is not None and not len(self._rows):
            raise DataError(f"{self._spec} leaves no cloud in '{split}'; ask for at least 3")
        self._name = self._spec if n is None else f"{self._spec}/{split}"
        what = (VERSION, kind, repr(formula), seed, n, points, split)
        self._fingerprint = hashlib.sha256(repr(what).encode()).hexdigest()

    @property
    def name(self) -> str:
        """What stands behind `--data`, and the split."""
        return self._name

    @property
    def endless(self) -> bool:
        """Whether any index is a cloud."""
        return self._rows is None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the formula knows; empty where it knows none."""
        return self._formula.classes

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud; None where the formula has none, and where there is no end of them."""
        return None if self._rows is None or not self.classes else _class_of(self._rows, len(self.classes))

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [self._called(int(number)) for number in self._existing(np.arange(len(self)))]

    @property
    def fingerprint(self) -> str:
        """Digest of the formula, its version and parameters."""
        return self._fingerprint

    def __len__(self) -> int:
        if self._rows is None:
            raise no_end(self._spec, f"name it: {self._spec}:n=1000")
        return len(self._rows)

    def __getitem__(self, index: int) -> Cloud:
        """Make the cloud with its normals and parts; the same index always gives the same cloud."""
        number = self._existing(np.array([index]))
        request = self._request(number, self._points, normals=True)
        drawn = self._formula.draw(request)
        channels = {}
        if drawn.normals is not None:
            channels["normal"] = drawn.normals[0]
        if drawn.part is not None:
            channels["part"] = drawn.part[0, :, None]
        return Cloud(
            points=unit_sphere(drawn.points)[0],
            channels=channels,
            label=int(request.label[0]) if self.classes and not self.endless else None,
            name=self._called(int(number[0])),
            origin=f"{self._spec}#{number[0]}",
        )

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone."""
        points: Points = self.sample(np.array([index]), self._points)[0]
        return points

    def sample(
        self,
        indices: Int64[np.ndarray, " b"],
        points: int,
        *,
        seed: int = 0,
        allow_repeats: bool = False,  # noqa: ARG002
    ) -> Float32[np.ndarray, "b n 3"]:
        """Make many clouds at once; another number of points or another seed draws other points on the same shapes."""
        drawn = self._formula.draw(self._request(self._existing(indices), points, seed))
        return unit_sphere(drawn.points)

    def mesh(self, index: int) -> Mesh | None:
        """Return the shape as triangles in the frame of the cloud; None for formulas without a surface."""
        request = self._request(self._existing(np.array([index])), self._points)
        mesh = self._formula.mesh(request.key)
        if mesh is None:
            return None
        points = self._formula.draw(request).points[0]
        middle = points.mean(axis=0)
        radius = np.linalg.norm(points - middle, axis=1).max()
        return Mesh((mesh.vertices - middle) / radius, mesh.faces)

    def _request(
        self, number: Int64[np.ndarray, " b"], points: int, seed: int = 0, *, normals: bool = False
    ) -> Request:
        key = counter_random.keys(self._seed, number)
        label = _class_of(number, len(self.classes))
        return Request(key, counter_random.stream(key, counter_random.seed_of(1, seed)), label, points, normals)

    def _existing(self, indices: Int64[np.ndarray, " b"]) -> Int64[np.ndarray, " b"]:
        """Return the numbers of clouds from their places in this set; raises IndexError where there are none."""
        if self._rows is None:
            if len(indices) and indices.min() < 0:
                raise IndexError(f"{self._name} begins at cloud 0, there is no cloud {indices.min()}")
            return indices.astype(np.int64)
        size = len(self._rows)
        outside = (indices < -size) | (indices >= size)
        if outside.any():
            raise IndexError(f"{self._name} has {size} clouds, there is no cloud {indices[outside][0]}")
        numbers: Int64[np.ndarray, " b"] = self._rows[indices]
        return numbers

    def _called(self, number: int) -> str:
        return f"{self._kind}_{number:08d}"


def _class_of(number: Int64[np.ndarray, " b"], classes: int) -> Int64[np.ndarray, " b"]:
    """Return classes in turn, three clouds of each, so that both splits have all of them alike; 0 without classes."""
    label: Int64[np.ndarray, " b"] = number // 3 % max(1, classes)
    return label
