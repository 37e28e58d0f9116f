"""What is finished of the cells, with what lies between each and the same networks untrained, for `results/`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from cells import PROBES, TESTS, Cell, answers, finished
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.ops import stats
from pointssl.ops.evidence import difference_of_runs
from pointssl.runs.layout import read_json

RESULTS = Path(__file__).resolve().parent.parent / "results"
METHODS = ("untrained", "contrast", "mm-point", "crosspoint", "parae", "supervised")
"""Whose cells belong to `results/worth.json`; the rivals have `results/leaderboard.json`."""


def gather() -> None:
    """Write every mean over seeds and, over seeds and clouds together, how far it is from the baseline."""
    write(RESULTS / "worth.json", "benchmarks/worth.py", [cell for cell in finished() if cell.method in METHODS])


def write(path: Path, script: str, cells: Sequence[Cell]) -> None:
    """Write the rows of some cells with all that made them, and print them."""
    rows = list(rows_of(cells))
    for main in (True, False):  # the probes of the main table are one family of comparisons, all the rest another
        gains = [row["gain"] for row in rows if "gain" in row and (row["probe"] in PROBES) == main]
        for gain, corrected in zip(gains, stats.holm([gain["p"] for gain in gains]), strict=True):
            gain["p_holm"] = corrected
    runs = {cell.folder.name: cell.folder / "run" for cell in cells if cell.method != "untrained"}
    result = {
        "command": f"python {script} " + " ".join(sys.argv[1:]),
        "settings": {name: without_paths(read_json(run / "config.json")) for name, run in runs.items()},
        "finished": {name: read_json(run / "record.json").get("finished") for name, run in runs.items()},
        "versions": versions(),
        "rows": rows,
    }
    write_json(path, result)
    for row in rows:
        gain = row.get("gain")
        told = f" gain {100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]" if gain else ""
        named = f"{row['network']:13} {row['method']:9} {row['data']:9} {row['clouds']:7} {row['test']:11}"
        print(f"{named} {row['probe']:19} {100 * row['accuracy']['mean']:5.1f} (n {row['accuracy']['n']}){told}")


def rows_of(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return one row for every network, method, data, length, test set and probe."""
    rows: list[dict[str, Any]] = []
    for one, name in product(dict.fromkeys(replace(cell, seed=0) for cell in cells), TESTS):
        mine = {cell.seed: answers(cell, name) for cell in cells if replace(cell, seed=0) == one}
        for key in dict.fromkeys(key for found in mine.values() for key in found):
            ours = {seed: found[key] for seed, found in mine.items() if key in found}
            untrained = {seed: answers(replace(one.untrained, seed=seed), name) for seed in ours}
            baselines = {seed: theirs[key] for seed, theirs in untrained.items() if key in theirs}
            row: dict[str, Any] = {k: v for k, v in asdict(one).items() if k != "seed"} | {"test": name, "probe": key}
            row |= {"test_clouds": len(next(iter(ours.values()))), "seeds": list(ours)}
            row["accuracy"] = asdict(stats.mean_interval([float(r.mean()) for r in ours.values()], over="seeds"))
            if one.method != "untrained" and baselines:
                both = np.stack([ours[seed] for seed in baselines]), np.stack([baselines[seed] for seed in baselines])
                over = "episodes" if key.startswith("few-shot") else "test clouds"
                row["gain"] = asdict(difference_of_runs(*both, over=over))
            rows.append(row)
    return rows


def without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Name data sets rather than the place where they lie; those that were handed over have no place."""
    source = settings["data"]["source"]
    if source is not None:
        settings["data"]["source"] = source.replace(os.environ.get("POINTSSL_DATA", "data"), "data")
    return settings
