"""Every pretext task on the same data, network and budget, beside the same network untrained.

A grid of cells (`cells.py`), shared by any number of processes and over any number of days; cells of `worth.py` count.
The budget is clouds seen or, with `--equal-time`, the processor time of the contrast for so many (`results/cost.json`).
Every call ends by gathering all that is finished of it into `results/leaderboard.json`.

    POINTSSL_DATA=... python benchmarks/leaderboard.py --backbones pointnet --seeds 0
"""

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import tyro

from cells import METHODS, Cell, Data, Grid, Network, finish, finished
from pointssl.runs.layout import read_json
from worth_results import RESULTS, write

PROBES = ("svm-cv-standardised", "knn-1", "few-shot-a", "fractions-svm-standardised")
YARDSTICK = "contrast"
"""Whose time is the budget of all, where time is to be equal."""


PATCHES = ("point-mae", "point-jepa")
"""Tasks that hide patches, which other networks do not have."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    methods: tuple[str, ...] = ("untrained", *(name for name in METHODS if name not in ("supervised", *PATCHES)))
    """Pretext tasks, named as in `cells.py`; those of `PATCHES` want the patch transformer."""
    backbones: tuple[Network, ...] = ("pointnet",)
    """Networks."""
    data: tuple[Data, ...] = ("generated",)
    """What is pre-trained on."""
    seeds: tuple[int, ...] = (0,)
    """One run per seed."""
    clouds_seen: float = 300_000
    """Of every run, or of the contrast where time is equal."""
    points: int = 256
    """Per cloud in pre-training; the probes read 1,024."""
    equal_time: bool = False
    """Give every method the processor time of the contrast."""
    probes: tuple[str, ...] = PROBES
    """Protocols, in this order."""
    precision: Literal["float32", "bf16", "auto"] = "auto"
    """Of pre-training; the probes are in float32."""
    gather: bool = False
    """Only gather what is there."""


def main(options: Options) -> None:
    """Take one cell after another, then gather."""
    if not options.gather:
        finish(cells(options), Grid(probes=options.probes, precision=options.precision, fractions=(0.1,)))
    write(RESULTS / "leaderboard.json", "benchmarks/leaderboard.py", mine(options))


def cells(options: Options) -> list[Cell]:
    """Return the grid, seed by seed."""
    found = []
    for seed, network, method, data in product(options.seeds, options.backbones, options.methods, options.data):
        cell = Cell(method, data, network, seed, clouds(options, network, method), options.points)
        found.append(cell.untrained if method == "untrained" else cell)
    return list(dict.fromkeys(found))


def clouds(options: Options, network: Network, method: str) -> int:
    """Return how many clouds a method sees: a whole number of batches of 64, all alike or by its cost."""
    if not options.equal_time or method == "untrained":
        return int(options.clouds_seen)
    rows: list[dict[str, Any]] = read_json(RESULTS / "cost.json")["rows"]
    cost = {row["method"]: row["ms_per_cloud"] for row in rows if row["network"] == network}
    return int(options.clouds_seen * cost[YARDSTICK] / cost[method]) // 64 * 64


def mine(options: Options) -> list[Cell]:
    """Return all finished cells that a table of methods at this size is made of."""
    seen = {(network, m, clouds(options, network, m)) for network, m in product(options.backbones, options.methods)}
    ours = [cell for cell in finished() if cell.network in options.backbones]
    return [cell for cell in ours if cell.method == "untrained" or asked(cell, options, seen)]


def asked(cell: Cell, options: Options, seen: set[tuple[Network, str, int]]) -> bool:
    """Tell whether a cell has the data, the points and the length of the table."""
    same = cell.points == options.points and cell.data in options.data
    return same and (cell.network, cell.method, cell.clouds) in seen


if __name__ == "__main__":
    main(tyro.cli(Options))
