"""What a pretext task costs on a network: processor seconds per cloud and peak memory of whole short runs.

Every pair is run twice in a process of its own, once shortly and once longer; the difference is free of start-up. What
counts is the processor time of the process and of its workers, so that a busy machine does not matter much.

    python benchmarks/cost.py --backbones pointnet --methods contrast parae
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from cells import METHODS, SOURCES, Cell, Data, Grid, Network, settings
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.runs.layout import read_json
from pointssl.train.classifier import train_classifier
from pointssl.train.pretrain import pretrain

RESULT = Path(__file__).resolve().parent.parent / "results" / "cost.json"
STEPS = (10, 40)


@dataclass(frozen=True)
class Options:
    """What to measure; pairs that are in the result already are measured anew."""

    methods: tuple[str, ...] = tuple(METHODS)
    """Pretext tasks, named as in `cells.py`."""
    backbones: tuple[Network, ...] = ("pointnet",)
    """Networks."""
    points: int = 256
    """Per cloud."""
    batch: int = 64
    """Clouds per step."""
    precision: str = "float32"
    """Of the network."""


def main(options: Options) -> None:
    """Measure every pair and keep it, one after the other."""
    for network, method in product(options.backbones, options.methods):
        pair = {"method": method, "network": network, "points": options.points, "batch": options.batch}
        pair["precision"] = options.precision
        spent = [alone(pair | {"steps": steps}) for steps in STEPS]
        seconds = (spent[1]["seconds"] - spent[0]["seconds"]) / ((STEPS[1] - STEPS[0]) * options.batch)
        row = pair | {"ms_per_cloud": 1000 * seconds, "clouds_per_second": 1 / seconds, "mib": spent[1]["mib"]}
        kept = (
            [old for old in read_json(RESULT)["rows"] if {k: old[k] for k in pair} != pair] if RESULT.exists() else []
        )
        write_json(RESULT, {"command": "python benchmarks/cost.py", "versions": versions(), "rows": [*kept, row]})
        print(
            f"{network:14} {method:14} {row['clouds_per_second']:7.0f} clouds/s and core {row['mib']:7.0f} MiB",
            flush=True,
        )


def alone(pair: dict[str, Any]) -> dict[str, float]:
    """Run a pair in a process of its own and return its processor seconds and peak memory."""
    command = [sys.executable, __file__, "--one", json.dumps(pair)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(pair: dict[str, Any]) -> None:
    """Train for some steps and print what it took."""
    data: Data = "families" if pair["method"] == "supervised" else "generated"
    cell = Cell(pair["method"], data, pair["network"], 0, pair["steps"] * pair["batch"], pair["points"])
    config = settings(cell, Grid(batch=pair["batch"], precision=pair["precision"]))
    source = SOURCES[data].replace("30000", "3000")
    config = replace(config, data=replace(config.data, source=source), optim=replace(config.optim, warmup_steps=2))
    with TemporaryDirectory() as folder:
        (train_classifier if pair["method"] == "supervised" else pretrain)(config, Path(folder) / "run")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"seconds": seconds, "mib": used[0].ru_maxrss / 1024}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(json.loads(sys.argv[2]))
    else:
        main(tyro.cli(Options))
