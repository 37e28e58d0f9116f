"""Does ParAE's partition mean anything? Against human segmentations, beside k-means, EM, chance weights and people.

Run: python benchmarks/partition.py --run runs/parae-j8 --run runs/parae-j32 [--data models.npz] [--points 1024]
Each run brings its own J; k-means and the mixture fitted by EM get the same J, the same points and the same floor.
Writes results/partition.json and prints a table. The data is psb-segmentation/models.npz under POINTSSL_DATA.
"""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from pointssl import files
from pointssl.backbones import build_backbone
from pointssl.data.files.dataset import open_files
from pointssl.data.public.psb import human_segmentations
from pointssl.errors import DataError, RunError, UserError
from pointssl.evaluation import partition
from pointssl.evaluation.partition import Agreement, Segmenter
from pointssl.methods import ParAE, ParAEConfig, build_method
from pointssl.runs.run import Run


def main() -> None:
    """Measure every way of cutting on all models, write JSON, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, help="folder of a ParAE run; repeat for other J")
    parser.add_argument("--data", type=Path, default=None, help="models.npz with human segmentations")
    parser.add_argument("--split", default="all", help="all, train or test")
    parser.add_argument("--points", type=int, default=1024, help="points per model, the same for every way")
    parser.add_argument("--out", type=Path, default=Path("results/partition.json"))
    given = parser.parse_args()
    try:
        path = given.data or default_data()
        result = measure_all(given.run, path, given.split, given.points)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    files.write_json(given.out, result)
    Console().print(table(result))
    print(f"written to {given.out}")


def default_data() -> Path:
    """Return the file under POINTSSL_DATA."""
    folder = os.environ.get("POINTSSL_DATA")
    if folder is None:
        raise DataError("give --data models.npz, or set POINTSSL_DATA to the folder that holds psb-segmentation")
    return Path(folder) / "psb-segmentation" / "models.npz"


def measure_all(runs: list[str], path: Path, split: str, points: int) -> dict[str, Any]:
    """Return all agreements and the paired differences between ParAE and everything with the same J."""
    dataset, people = open_files(path, split), human_segmentations(path, split)
    seen = {"points": points, "seed": 0}
    rows = [{"J": None, **summary(partition.measure_people(dataset, people, **seen))}]
    differences = []
    for run in runs:
        config = Run.open(run).config
        method = Run.open(run).method()
        if not isinstance(method, ParAE) or not isinstance(config.method, ParAEConfig):
            raise RunError(f"{run} is not a ParAE run; it has no partition")
        j, floor = config.method.components, config.method.floor
        torch.manual_seed(0)
        baseline = build_method(config.method, build_backbone(config.backbone))
        assert isinstance(baseline, ParAE)
        ways = {
            f"ParAE ({Path(run).name})": partition.by_network(method),
            "ParAE, untrained": partition.by_network(baseline),
            "k-means": partition.by_k_means(j),
            "k-means, as many parts as ParAE uses": as_many_as(partition.by_network(method)),
            "mixture by EM": partition.by_mixture(j, floor=floor),
        }
        found = [partition.measure(name, way, dataset, people, **seen) for name, way in ways.items()]
        rows += [{"J": j, **summary(one)} for one in found]
        for other in found[1:]:
            rand, adjusted = partition.compare(found[0], other)
            names = {"J": j, "first": found[0].name, "second": other.name}
            differences.append({**names, "rand": dataclasses.asdict(rand), "adjusted": dataclasses.asdict(adjusted)})
    return {
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "models": len(dataset),
        "segmentations": sum(len(p) for p in people),
        "points": points,
        "interval": "95 % t over models",
        "rows": rows,
        "differences": differences,
    }


def as_many_as(segmenter: Segmenter) -> Segmenter:
    """Cut by k-means into as many parts as `segmenter` uses on that model, because more parts score differently."""
    return lambda xyz: partition.by_k_means(len(np.unique(segmenter(xyz))))(xyz)


def summary(one: Agreement) -> dict[str, Any]:
    """Return an agreement without its value per model."""
    return {
        "name": one.name,
        "rand": dataclasses.asdict(one.rand),
        "adjusted": dataclasses.asdict(one.adjusted),
        "parts": one.parts,
    }


def table(result: dict[str, Any]) -> Table:
    """Return the agreements, then the differences, for the terminal."""
    title = f"{result['data']}: {result['models']} models, {result['segmentations']} human segmentations"
    made = Table(title=title, caption=f"[ ] {result['interval']}; p by paired sign flips over models")
    for name in ("J", "way of cutting", "parts used", "Rand index", "adjusted", "p (Rand)"):
        made.add_column(name, justify="left" if name == "way of cutting" else "right")
    for row in result["rows"]:
        j = "" if row["J"] is None else str(row["J"])
        made.add_row(j, row["name"], f"{row['parts']:.1f}", bounds(row["rand"]), bounds(row["adjusted"]), "")
    made.add_section()
    for d in result["differences"]:
        rand, adjusted = (bounds(d[key], "+.3f") for key in ("rand", "adjusted"))
        made.add_row(str(d["J"]), f"{d['first']} minus {d['second']}", "", rand, adjusted, f"{d['rand']['p']:.4f}")
    return made


def bounds(value: dict[str, float], form: str = ".3f") -> str:
    """Return a number with its interval; the backslash keeps rich from reading the bracket."""
    return f"{value['mean']:{form}} \\[{value['low']:{form}}, {value['high']:{form}}]"


if __name__ == "__main__":
    main()
