"""Furnished rooms as scanners see them, in six areas that differ, written in the official folder layout of S3DIS.

    OUT/Area_1/office_1/Annotations/chair_1.txt     rows of x y z (metres) and red green blue (0 to 255)

A room is walls, floor, ceiling, door, window and board, with tables, chairs, sofas, bookcases and clutter put where
they stand free. It is seen from two or three places: in every direction of a scanner the nearest surface alone is kept.
An area has a style of its own: sizes of rooms, what stands in them, colours and noise. Everything follows from (seed,
area, room).
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy.random import Generator

from pointssl.data.synthetic import furniture, objects
from pointssl.data.synthetic.mesh import Mesh, box, joined, moved, sample_surface, turned
from pointssl.data.synthetic.pieces import Pieces, chance, pick, within
from pointssl.errors import DataError, SettingError
from pointssl.files import atomic_folder
from pointssl.progress import track

AREAS = 6
KINDS = ("office", "hallway", "lounge")

Thing = tuple[str, Mesh]

_FAMILIES: dict[str, tuple[Callable[[Generator], Pieces], ...]] = {
    "table": (furniture.table, furniture.desk),
    "chair": (furniture.chair, furniture.armchair, furniture.stool),
    "sofa": (furniture.sofa,),
    "bookcase": (furniture.bookshelf,),
    "clutter": (furniture.lamp, objects.vase, objects.tree, furniture.cabinet),
}
_WEIGHTS = {"office": (3, 5, 0.4, 2, 2), "hallway": (0.3, 0.5, 0.2, 0.5, 2), "lounge": (2, 3, 2, 1, 2)}
"""How likely each family is in a kind of room, in the order of `_FAMILIES`."""
_DIRECTIONS = (720, 360)
"""Directions that a scanner tells apart: around, and from top to bottom."""
_THICKNESS = 0.06
"""Metres behind the nearest surface in which points still count as seen."""


def write_rooms(out: Path, *, rooms: int = 4, points: int = 60_000, seed: int = 0) -> int:
    """Write `rooms` rooms for each of the six areas, of about `points` points each; return how many points in all.

    Raises:
        SettingError: no rooms, or so few points that they hold no block.
        DataError: `out` exists.
    """
    if rooms < 1 or points < 1000 or seed < 0:
        raise SettingError(
            f"rooms must be at least 1, points at least 1,000 and seed at least 0, got {rooms}, {points} and {seed}"
        )
    if out.exists():
        raise DataError(f"{out} exists already; delete it or choose another name")
    total = 0
    with atomic_folder(out) as partial:
        for place in track(range(AREAS * rooms), "rooms", AREAS * rooms):
            area, number = divmod(place, rooms)
            kind = KINDS[number % len(KINDS)]
            things = scanned_room(kind, area, points, np.random.default_rng((seed, area, number)))
            folder = partial / f"Area_{area + 1}" / f"{kind}_{number // len(KINDS) + 1}" / "Annotations"
            folder.mkdir(parents=True)
            counts: Counter[str] = Counter()
            for name, rows in things:
                counts[name] += 1
                np.savetxt(folder / f"{name}_{counts[name]}.txt", rows, fmt="%.3f %.3f %.3f %d %d %d")
                total += len(rows)
    return total


def scanned_room(kind: str, area: int, points: int, rng: Generator) -> list[tuple[str, Float[np.ndarray, "n 6"]]]:
    """Return the things of one room, each with the points that a scanner sees of it: x y z and colour, 0 to 255."""
    style = np.random.default_rng((7, area))
    size = _size(kind, style, rng)
    things = [*_shell(size, style, rng), *_furniture(kind, size, style, rng)]
    areas = np.array([_surface(mesh) for _, mesh in things])
    share = 1.1 * points * areas / areas.sum()  # about a tenth of what is drawn is hidden
    tint = {name: style.uniform(60, 230, 3) for name in dict.fromkeys(name for name, _ in things)}
    clouds = [sample_surface(mesh, max(20, int(n)), rng)[0] for (_, mesh), n in zip(things, share, strict=True)]
    every = np.concatenate(clouds).astype(np.float64)
    owner = np.repeat(np.arange(len(clouds)), [len(cloud) for cloud in clouds])
    seen = np.zeros(len(every), dtype=bool)
    for _ in range(int(rng.integers(2, 4))):
        eye = np.array([within(rng, 0.3, 0.7) * size[0], within(rng, 0.3, 0.7) * size[1], within(rng, 1.2, 1.8)])
        seen |= visible(every, eye)
    every += rng.normal(0, 0.002 + 0.004 * style.random(), every.shape)
    made = []
    for number, (name, _) in enumerate(things):
        xyz = every[seen & (owner == number)]
        if len(xyz) < 10:
            continue
        own = tint[name] + rng.normal(0, 20, 3)
        colour = np.clip(own + rng.normal(0, 12, (len(xyz), 3)), 0, 255).round()
        made.append((name, np.concatenate([xyz, colour], axis=1)))
    return made


def visible(xyz: Float[np.ndarray, "n 3"], eye: Float[np.ndarray, "3"]) -> Bool[np.ndarray, " n"]:
    """Return which points a scanner at `eye` sees: those nearest in their direction, and what is right behind them."""
    ray = xyz - eye
    far = np.linalg.norm(ray, axis=1)
    around = ((np.arctan2(ray[:, 1], ray[:, 0]) / (2 * np.pi) + 0.5) * _DIRECTIONS[0]).astype(int) % _DIRECTIONS[0]
    height = np.arccos(np.clip(ray[:, 2] / np.maximum(far, 1e-9), -1, 1)) / np.pi
    cell = around * _DIRECTIONS[1] + np.minimum((height * _DIRECTIONS[1]).astype(int), _DIRECTIONS[1] - 1)
    nearest = np.full(_DIRECTIONS[0] * _DIRECTIONS[1], np.inf)
    np.minimum.at(nearest, cell, far)
    shown: Bool[np.ndarray, " n"] = far <= nearest[cell] + _THICKNESS
    return shown


def _size(kind: str, style: Generator, rng: Generator) -> tuple[float, float, float]:
    wide, long, high = within(style, 3.0, 4.5), within(style, 3.5, 6.0), within(style, 2.5, 3.4)
    if kind == "hallway":
        wide, long = 2.0, 1.4 * long
    return wide * within(rng, 0.9, 1.1), long * within(rng, 0.9, 1.1), high


def _shell(size: tuple[float, float, float], style: Generator, rng: Generator) -> list[Thing]:
    """Return what every room has, with a door in one wall, a window or a board on another."""
    x, y, z = size
    thick = 0.05
    shell: list[Thing] = [
        ("floor", box((x, y, thick), (x / 2, y / 2, -thick / 2))),
        ("ceiling", box((x, y, thick), (x / 2, y / 2, z + thick / 2))),
    ]
    for side in (0.0, 1.0):
        shell.append(("wall", box((thick, y, z), (side * x, y / 2, z / 2))))
        shell.append(("wall", box((x, thick, z), (x / 2, side * y, z / 2))))
    door = within(rng, 0.6, x - 0.6)
    shell.append(("door", box((within(style, 0.8, 1.0), 0.08, 2.05), (door, 0.03, 1.03))))
    along = within(rng, 0.3, 0.7) * y
    shell.append(("window", box((0.08, within(style, 1.0, 1.8), 1.2), (0.03, along, 1.5))))
    if chance(rng, 0.7):
        shell.append(("board", box((0.06, within(style, 1.2, 2.0), 1.0), (x - 0.05, y - along, 1.4))))
    if chance(style, 0.5):
        shell.append(("beam", box((x, 0.3, 0.3), (x / 2, y / 2, z - 0.15))))
    if chance(style, 0.5):
        shell.append(("column", box((0.4, 0.4, z), (x - 0.2, 0.2, z / 2))))
    return shell


def _furniture(kind: str, size: tuple[float, float, float], style: Generator, rng: Generator) -> list[Thing]:
    """Return things that stand free of one another on the floor."""
    names = tuple(_FAMILIES)
    weight = np.array(_WEIGHTS[kind]) * style.uniform(0.5, 1.5, len(names))
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(size[0] * size[1] * within(style, 1.5, 3.0))):
        name = names[int(rng.choice(len(names), p=weight / weight.sum()))]
        mesh = joined([part for _, part in pick(rng, _FAMILIES[name])(rng)])
        mesh = turned(mesh, float(rng.integers(4)) * np.pi / 2 + rng.normal(0, 0.1))
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        radius = float(np.linalg.norm((high - low)[:2]) / 2) * 0.8
        if 2 * radius > min(size[:2]) or high[2] - low[2] > size[2]:
            continue
        spot = np.array([within(rng, radius, size[0] - radius), within(rng, radius, size[1] - radius)])
        if any(np.hypot(spot[0] - px, spot[1] - py) < radius + other for px, py, other in taken):
            continue
        taken.append((float(spot[0]), float(spot[1]), radius))
        middle = (low + high) / 2
        things.append((name, moved(mesh, (spot[0] - middle[0], spot[1] - middle[1], -low[2]))))
    return things


def _surface(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
