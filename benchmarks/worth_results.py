"""What is finished of `benchmarks/worth.py`, with what lies between it and untrained, for `results/worth.json`."""

import os
import sys
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.ops import stats
from pointssl.ops.evidence import difference_of_runs
from pointssl.runs.layout import read_json

RESULTS = Path(__file__).resolve().parent.parent / "results"
RUNS = Path("runs/worth")
Method = Literal["untrained", "contrast", "mm-point", "crosspoint", "parae", "supervised"]
Data = Literal["generated", "real", "both", "families", "fractals"]
Network = Literal["pointnet", "edge-pointnet", "dgcnn"]

TESTS = {"psb-shrec12": "test", "kicad-parts": "val", "ldraw-parts": "val", "bimnet10": "test"}
"""The split that is measured on: where a third one holds clouds without labels, it is the second."""


@dataclass(frozen=True)
class Cell:
    """One network to measure."""

    method: Method
    data: Data | Literal["nothing"]
    network: Network
    seed: int
    clouds: int
    """Seen in pre-training."""
    points: int
    """Of each, in pre-training."""

    @property
    def folder(self) -> Path:
        """Where its run and its evaluations lie."""
        return RUNS / f"{self.network}-{self.method}-{self.data}-{self.clouds}x{self.points}-{self.seed}"


def gather() -> None:
    """Write every mean over seeds and, over seeds and clouds together, how far it is from the baseline."""
    finished = [Cell(**read_json(path)) for path in sorted(RUNS.glob("*/cell.json"))]
    rows: list[dict[str, Any]] = []
    for one, name in product(dict.fromkeys(replace(cell, seed=0) for cell in finished), TESTS):
        mine = {cell.seed: right(cell, name) for cell in finished if replace(cell, seed=0) == one}
        plain = Cell("untrained", "nothing", one.network, 0, 0, 0)
        for key in dict.fromkeys(key for found in mine.values() for key in found):
            ours = {seed: found[key] for seed, found in mine.items() if key in found}
            untrained = {seed: right(replace(plain, seed=seed), name) for seed in ours}
            baselines = {seed: theirs[key] for seed, theirs in untrained.items() if key in theirs}
            row: dict[str, Any] = {k: v for k, v in asdict(one).items() if k != "seed"} | {"test": name, "probe": key}
            row |= {"test_clouds": len(next(iter(ours.values()))), "seeds": list(ours)}
            row["accuracy"] = asdict(stats.mean_interval([float(r.mean()) for r in ours.values()], over="seeds"))
            if one != plain and baselines:
                both = np.stack([ours[seed] for seed in baselines]), np.stack([baselines[seed] for seed in baselines])
                row["gain"] = asdict(difference_of_runs(*both))
            rows.append(row)
    gains = [row["gain"] for row in rows if "gain" in row]
    for gain, corrected in zip(gains, stats.holm([gain["p"] for gain in gains]), strict=True):
        gain["p_holm"] = corrected
    runs = {cell.folder.name: cell.folder / "run" for cell in finished if cell.method != "untrained"}
    result = {
        "command": "python benchmarks/worth.py " + " ".join(sys.argv[1:]),
        "settings": {name: without_paths(read_json(run / "config.json")) for name, run in runs.items()},
        "finished": {name: read_json(run / "record.json").get("finished") for name, run in runs.items()},
        "versions": versions(),
        "rows": rows,
    }
    write_json(RESULTS / "worth.json", result)
    for row in rows:
        gain = row.get("gain")
        told = f" gain {100 * gain['mean']:+.1f} [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]" if gain else ""
        named = f"{row['network']:13} {row['method']:9} {row['data']:9} {row['clouds']:7} {row['test']:11}"
        print(f"{named} {row['probe']:19} {100 * row['accuracy']['mean']:5.1f} (n {row['accuracy']['n']}){told}")


def right(cell: Cell, name: str) -> dict[str, np.ndarray]:
    """Return for every probe of a finished cell which test clouds it had right, as 0 and 1."""
    path = cell.folder / f"{name}.json"
    probes = read_json(path)["probes"] if path.is_file() else {}
    return {key: np.array(found["right"], dtype=float) for key, found in probes.items()}


def without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Name data sets rather than the place where they lie."""
    settings["data"]["source"] = settings["data"]["source"].replace(os.environ.get("POINTSSL_DATA", "data"), "data")
    return settings
