"""Generated shapes with labels, parts and normals: the data set that needs no download.

Every cloud is a function of (seed, index): a family is drawn parametrically with parts that come and go, stretched,
turned, tilted, sampled by area, jittered as a scanner would. Families share parts and silhouettes on purpose. y is up;
clouds are centred and their farthest point lies at radius 1.
"""

import hashlib
from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Int64
from numpy.random import Generator

from pointssl.data.cloud import Cloud, Labels, Points, Up
from pointssl.data.split_names import check_split
from pointssl.data.synthetic import furniture, objects, vehicles
from pointssl.data.synthetic.mesh import Mesh, joined, rotation, sample_surface
from pointssl.data.synthetic.pieces import Pieces, chance, within
from pointssl.errors import SettingError
from pointssl.memory import require

VERSION = 1
"""Raise it whenever any cloud changes: it is part of the fingerprint of every run."""

FAMILIES: dict[str, Callable[[Generator], Pieces]] = {
    "aeroplane": vehicles.aeroplane,
    "armchair": furniture.armchair,
    "bed": furniture.bed,
    "bench": furniture.bench,
    "bicycle": vehicles.bicycle,
    "boat": vehicles.boat,
    "bookshelf": furniture.bookshelf,
    "bottle": objects.bottle,
    "cabinet": furniture.cabinet,
    "car": vehicles.car,
    "chair": furniture.chair,
    "desk": furniture.desk,
    "figure": objects.figure,
    "guitar": objects.guitar,
    "lamp": furniture.lamp,
    "mug": objects.mug,
    "rocket": vehicles.rocket,
    "sofa": furniture.sofa,
    "stairs": objects.stairs,
    "stool": furniture.stool,
    "table": furniture.table,
    "tree": objects.tree,
    "truck": vehicles.truck,
    "vase": objects.vase,
}
"""Class name to the function that draws one shape of it."""

PARTS = (
    "arm", "back", "body", "cabin", "content", "cushion", "drawer", "engine",
    "fin", "handle", "head", "leaf", "leg", "lid", "sail", "seat", "shade",
    "shelf", "side", "stem", "step", "top", "wheel", "wing",
)  # fmt: skip
"""Part names, shared by all families; the `part` channel holds indices into them."""

YAW = np.pi / 2
"""Largest turn about the vertical, radians."""

TILT = 0.1
"""Standard deviation of the lean about either horizontal axis, radians."""

STRETCH = 0.15
"""Standard deviation of the logarithm of each axis's factor."""

MISSING = 0.35
"""Largest share of the surface that a scan may miss."""

NOISE = 0.025
"""Largest standard deviation of the coordinates, in radii of the cloud."""

CACHE_BYTES = 256 * 2**20
"""Coordinates are kept once made, up to this much memory."""


def pose(mesh: Mesh, rng: Generator) -> Mesh:
    """Stretch each axis, turn about the vertical within `YAW` either way, tilt a little, make y the up axis."""
    stretch = np.exp(rng.normal(0, STRETCH, 3))
    yaw, roll, pitch = within(rng, -YAW, YAW), rng.normal(0, TILT), rng.normal(0, TILT)
    turn = rotation(yaw, 2) @ rotation(roll, 0) @ rotation(pitch, 1)
    upright = rotation(-np.pi / 2, 0)  # the families are drawn with z up, as in a plan; the public sets have y up
    return Mesh((mesh.vertices * stretch) @ (upright @ turn).T, mesh.faces)


def unit_ball(points: Points) -> Points:
    """Centre on the mean and put the farthest point at radius 1."""
    centred = points - points.mean(0)
    scaled: Points = centred / np.float32(np.sqrt((centred * centred).sum(1).max()))
    return scaled


def scan(mesh: Mesh, points: int, rng: Generator) -> tuple[Points, Points, Int64[np.ndarray, " n"]]:
    """Draw points as a sensor would: often a part of one side is missing, and coordinates are off by up to `NOISE`.

    Returns points in the unit ball, normals and the face of each point.
    """
    missing = within(rng, 0.0, MISSING) if chance(rng, 0.5) else 0.0
    xyz, normal, face = sample_surface(mesh, round(points / (1 - missing)), rng)
    xyz = unit_ball(xyz)
    if len(xyz) > points:
        side = rng.normal(0, 1, 3).astype(np.float32)
        depth = xyz @ (side / np.linalg.norm(side)) + rng.normal(0, 0.1, len(xyz))  # a ragged edge, not a saw cut
        kept = np.sort(np.argpartition(depth, points)[:points])
        xyz, normal, face = xyz[kept], normal[kept], face[kept]
    xyz = xyz + rng.normal(0, within(rng, 0.0, NOISE), xyz.shape).astype(np.float32)
    return unit_ball(xyz), normal, face


def draw(family: str, points: int, rng: Generator) -> Cloud:
    """Draw one cloud of a family with the channels `normal` and `part`."""
    pieces = FAMILIES[family](rng)
    mesh = pose(joined([m for _, m in pieces]), rng)
    xyz, normal, face = scan(mesh, points, rng)
    owner = np.repeat([PARTS.index(name) for name, _ in pieces], [len(m.faces) for _, m in pieces])
    return Cloud(points=xyz, channels={"normal": normal, "part": owner[face, None].astype(np.int32)})


@final
class SyntheticShapes:
    """`count` generated clouds, two thirds of them for training, one third for testing, classes balanced in both."""

    splits = ("train", "test")
    up: Up = "y"

    def __init__(self, count: int = 600, seed: int = 0, split: str = "all", *, points: int = 2048) -> None:
        if count < 1:
            raise SettingError(f"the number of synthetic shapes must be at least 1, got {count}")
        if seed < 0:
            raise SettingError(f"the seed of synthetic shapes must be at least 0, got {seed}")
        if points < 1:
            raise ValueError(f"points must be at least 1, got {points}")
        check_split(split, self.splits, "synthetic")
        require(40 * count, f"a list of {count:,} synthetic shapes", "ask for fewer; `generated:unions` has no end")
        index = np.arange(count, dtype=np.int64)
        test = index % 3 == 2
        # Counting within each split keeps the classes of both balanced, whatever `count` is.
        rank = np.where(test, index // 3, index - (index + 1) // 3)
        chosen = {"all": index >= 0, "train": ~test, "test": test}[split]
        if not chosen.any():
            raise SettingError(f"synthetic:{count} leaves no cloud in '{split}'; ask for at least 3 shapes")
        self._index = index[chosen]
        self._labels: Labels = (rank % len(FAMILIES))[chosen]
        self._seed, self._points = seed, points
        self._name = f"synthetic:{count}:{seed}/{split}"
        self._fingerprint = hashlib.sha256(repr((VERSION, count, seed, split, points)).encode()).hexdigest()
        self._kept: dict[int, Points] = {}

    @property
    def name(self) -> str:
        """`synthetic:600:0/train`: count, seed and split."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """The families, in alphabetical order."""
        return tuple(FAMILIES)

    @property
    def part_names(self) -> tuple[str, ...]:
        """What the numbers in the `part` channel mean."""
        return PARTS

    @property
    def labels(self) -> Labels:
        """Family of every cloud."""
        return self._labels

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [self._called(index) for index in range(len(self))]

    def _called(self, index: int) -> str:
        return f"{self.classes[int(self._labels[index])]}_{int(self._index[index]):05d}"

    @property
    def fingerprint(self) -> str:
        """Digest of the generator's version and arguments."""
        return self._fingerprint

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Cloud:
        """Draw the cloud again; the same index always gives the same cloud."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} clouds, there is no cloud {index}")
        index %= len(self)
        number, label = int(self._index[index]), int(self._labels[index])
        family = self.classes[label]
        cloud = draw(family, self._points, np.random.default_rng((self._seed, number)))
        return Cloud(cloud.points, cloud.channels, label, self._called(index), f"synthetic:{self._seed}#{number}")

    def xyz(self, index: int) -> Points:
        """Return the coordinates, remembered up to a fixed amount of memory; do not write into them."""
        index = range(len(self))[index]
        kept = self._kept.get(index)
        if kept is None:
            kept = self[index].points
            if (len(self._kept) + 1) * kept.nbytes <= CACHE_BYTES:
                self._kept[index] = kept
        return kept
