"""What pre-training is worth: frozen features of methods, data and networks beside the same network untrained.

A grid of cells (`cells.py`), shared by any number of processes and over any number of days. Every call ends by
gathering all that is finished into `results/worth.json`.

    POINTSSL_DATA=... python benchmarks/worth.py --clouds-seen 100000 --methods untrained contrast --seeds 0 1 2
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import tyro

from cells import PROBES, TESTS, Cell, Data, Grid, Network, finish
from worth_results import gather

Method = Literal["untrained", "contrast", "mm-point", "crosspoint", "parae", "supervised"]


@dataclass(frozen=True)
class Options:
    """What to run."""

    methods: tuple[Method, ...] = ("untrained", "contrast")
    """Pretext tasks."""
    data: tuple[Data, ...] = ("generated",)
    """What is pre-trained on."""
    backbones: tuple[Network, ...] = ("pointnet",)
    """Networks."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per seed; an untrained network is the one that the run of this seed began with."""
    clouds_seen: tuple[float, ...] = (1.4e6,)
    """Of every run; one run, with its own schedule, for each."""
    points: int = 512
    """Per cloud in pre-training; the probes read 1,024."""
    batch: int = 64
    """Clouds per step."""
    probes: tuple[str, ...] = PROBES
    """Protocols, in this order; those of few labels and of fine-tuning read one subset of the labels per seed."""
    tests: tuple[str, ...] = tuple(TESTS)
    """Sets that are measured on."""
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    """Of the labels, where a protocol asks."""
    precision: Literal["float32", "bf16", "auto"] = "auto"
    """Of pre-training and fine-tuning; the probes are in float32."""
    gather: bool = False
    """Only gather what is there."""


def main(options: Options) -> None:
    """Take one cell after another, then gather."""
    if not options.gather:
        grid = Grid(options.batch, options.probes, options.tests, options.precision, options.fractions)
        finish(cells(options), grid)
    gather()


def cells(options: Options) -> list[Cell]:
    """Return the grid, seed by seed, so that what is finished first is the same for all methods."""
    found = []
    asked = product(options.seeds, options.clouds_seen, options.backbones, options.methods, options.data)
    for seed, seen, network, method, data in asked:
        cell = Cell(method, data, network, seed, int(seen), options.points)
        found.append(cell.untrained if method == "untrained" else cell)
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    main(tyro.cli(Options))
