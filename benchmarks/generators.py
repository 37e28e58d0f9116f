"""How fast are shapes made, and is the fast form right? One JSON: clouds a second of each formula, on one thread.

python benchmarks/generators.py --out results/generators.json

Beside the speed stands how well the fast form agrees with a plain one in the same run: points of unions are tried one
by one in float64 against every part (nothing may lie inside another part, everything must lie on its own), and a plain
loop that draws one cloud at a time by the same rule is timed on the same clouds.
"""

import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import tyro
from jaxtyping import Float64

from pointssl.data.generated.dataset import GeneratedClouds
from pointssl.data.generated.formulas import FORMULAS
from pointssl.data.generated.primitives import BOX, CYLINDER, ELLIPSOID, Primitives
from pointssl.data.generated.surface import surface
from pointssl.data.open import open_dataset
from pointssl.files import write_json
from pointssl.ops import counter_random
from pointssl.runs.record import commit


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    out: Path | None = None
    """File to write; printed as well."""
    points: tuple[int, ...] = (512, 2048)
    batch: int = 64
    repeats: int = 15
    """Batches of each measurement; the median and the fastest are kept."""
    checked: int = 200
    """Shapes whose points are tried one by one."""


def main(settings: Settings) -> None:
    """Measure and write."""
    speed = {
        kind: {str(points): rate(kind, points, settings) for points in settings.points} for kind in sorted(FORMULAS)
    }
    result: dict[str, Any] = {
        "what": "clouds made per second of one thread's time, in batches; agreement of unions with a plain form",
        "settings": {"batch": settings.batch, "repeats": settings.repeats, "checked": settings.checked},
        "clouds_per_s": speed,
        "plain": plain_rate(512, settings),
        "agreement": agreement(settings.checked),
        "machine": {"processor": platform.machine(), "load": os.getloadavg()[0], "numpy": np.__version__},
        "commit": commit(),
    }
    print(json.dumps(result, indent=1))
    if settings.out is not None:
        write_json(settings.out, result)


def rate(kind: str, points: int, settings: Settings) -> dict[str, float]:
    """Return clouds per second of this process's own time, which other processes slow down but do not count in."""
    data = open_dataset(f"generated:{kind}")
    assert isinstance(data, GeneratedClouds)
    taken = []
    for turn in range(settings.repeats + 1):
        began = time.process_time()
        data.sample(np.arange(settings.batch) + turn * settings.batch, points)
        taken.append(time.process_time() - began)
    return {
        "median": round(settings.batch / float(np.median(taken[1:])), 1),
        "fastest": round(settings.batch / min(taken[1:]), 1),
    }


def shapes(count: int) -> Primitives:
    """Return the parts of the first shapes."""
    key = counter_random.stream(counter_random.keys(0, np.arange(count)), 0)
    return Primitives.draw(counter_random.uniform(key, Primitives.slots))


def gauge(kind: int, unit: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """Return by what factor points lie outside a unit primitive, each kind written out."""
    if kind == ELLIPSOID:
        return np.asarray(np.linalg.norm(unit, axis=1))
    if kind == CYLINDER:
        return np.asarray(np.maximum(np.hypot(unit[:, 0], unit[:, 1]), np.abs(unit[:, 2])))
    assert kind == BOX
    return np.asarray(np.abs(unit).max(axis=1))


def agreement(count: int) -> dict[str, float]:
    """Try every point against every part in float64."""
    solids = shapes(count)
    found = surface(solids, counter_random.keys(1, np.arange(count)), 512)
    own, deepest, inside = 0.0, 0.0, 0
    for shape in range(count):
        points = found.points[shape].astype(np.float64)
        for k in range(solids.poses.parts[shape]):
            matrix = solids.poses.turn[shape, k].astype(np.float64) * solids.poses.half[shape, k]
            unit = np.linalg.solve(matrix, (points - solids.poses.move[shape, k]).T).T
            outside, mine = gauge(int(solids.kind[shape, k]), unit), found.part[shape] == k
            own = max(own, float(np.abs(outside[mine] - 1).max(initial=0)))
            deepest = max(deepest, float((1 - outside[~mine]).max(initial=0)))
            inside += int((outside[~mine] < 1 - 1e-5).sum())
    return {
        "points": count * 512,
        "largest_distance_from_own_part": own,
        "deepest_inside_another": max(0.0, deepest),
        "points_inside_another": inside,
    }


def plain_rate(points: int, settings: Settings) -> dict[str, float]:
    """Time a loop that draws one cloud at a time and one part at a time, beside the fast form on the same clouds."""
    solids, chance = shapes(32), np.random.default_rng(0)
    began = time.process_time()
    for shape in range(32):
        kept: list[np.ndarray] = []
        while sum(map(len, kept)) < points:
            kept.append(plain_candidates(solids, shape, 2 * points, chance))
    plain = 32 / (time.process_time() - began)
    fast = rate("unions", points, settings)["median"]
    return {"points": points, "clouds_per_s": round(plain, 1), "fast_over_plain": round(fast / plain, 1)}


def plain_candidates(
    solids: Primitives, shape: int, count: int, chance: np.random.Generator
) -> Float64[np.ndarray, "n 3"]:
    """Return points of one shape that lie inside no other part."""
    one = solids.take(np.array([shape]))
    parts = int(one.poses.parts[0])
    weight = one.patches()[0, :parts].ravel().astype(np.float64)
    number = np.zeros(one.patches().size, dtype=np.int64)
    number[: len(weight)] = chance.multinomial(count, weight / weight.sum())
    numbers = chance.random((2, count)).astype(np.float32)
    unit, kept = one.place(number, numbers[0], numbers[1])
    owner = np.repeat(np.arange(number.size), number) // 3
    matrix = one.poses.turn[0].astype(np.float64) * one.poses.half[0, :, None, :]
    world = np.einsum("nij,jn->ni", matrix[owner], unit) + one.poses.move[0, owner]
    alive = chance.random(count) < kept
    for k in range(parts):
        local = np.linalg.solve(matrix[k], (world - one.poses.move[0, k]).T).T
        alive &= (gauge(int(one.kind[0, k]), local) >= 1) | (owner == k)
    return np.asarray(world[alive])


if __name__ == "__main__":
    main(tyro.cli(Settings))
