"""How fast are all coalitions of regions, do both ways agree, and how near is the transform to an independent library?

PointNet by both ways and DGCNN by masked clouds, in coalitions per second; the Moebius transform against shapiq; and
the whole profile of 200 clouds at n = 10. What is timed is compared in the same run: a disagreement ends it with exit
code 1. Masked clouds are timed on at most --most coalitions, as their cost does not depend on n. Weights are untrained,
with running statistics of such clouds: time does not depend on them.

Run: python benchmarks/interactions.py [--threads 2] [--repeats 3] [--most 4096] [--quick] [--no-shapiq]
Writes results/interactions-speed.json and prints the table.
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages; read at torch's first allocation

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from pointssl import files
from pointssl.backbones import DGCNN, Backbone, DGCNNConfig, PointNet, PointNetConfig
from pointssl.backbones.max_pooled import MaxPooled
from pointssl.data.reading import ReadConfig
from pointssl.data.synthetic import SyntheticShapes
from pointssl.interpret.config import InteractConfig
from pointssl.interpret.max_pooled import MaxPooledLogits, parts
from pointssl.interpret.measurement import interact
from pointssl.interpret.players import Clouds, gather
from pointssl.interpret.profiles import profile
from pointssl.interpret.values import masked_logits
from pointssl.methods import Classify, ClassifyConfig
from pointssl.methods.classify import CloudClassifier
from pointssl.ops.games.coalitions import all_coalitions
from pointssl.ops.games.dividends import moebius

ROOT = Path(__file__).resolve().parent.parent
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
AGREE = 1e-4
"""Largest difference of the two ways, as a share of the largest logit; float32 leaves about 1e-6."""
EXACT = 1e-9
"""Largest difference of the two transforms; float64 leaves about 1e-12."""


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="timings of each; the median is kept")
    parser.add_argument("--most", type=int, default=4096, help="masked clouds per timing")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--no-shapiq", action="store_true", help="leave the independent library out")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "interactions-speed.json")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sizes = (6, 8) if given.quick else (8, 10, 12, 14, 16)
    most = min(given.most, 64) if given.quick else given.most
    data = SyntheticShapes(24 if given.quick else 600, 0, "all")
    networks = {"pointnet": PointNet(PointNetConfig()), "dgcnn": DGCNN(DGCNNConfig())}
    classifiers = {name: ready(backbone, data) for name, backbone in networks.items()}
    rows = [
        row for n in sizes for row in coalition_rows(classifiers, gather(data, settings(n, 1)), n, most, given.repeats)
    ]
    clouds = 8 if given.quick else 200
    result = {
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu",
        "machine": platform.processor() or platform.machine(),
        "threads": given.threads,
        "torch": torch.__version__,
        "points": 1024,
        "coalitions": rows,
        "transform": [] if given.no_shapiq else [transform_row(n, given.repeats) for n in (6, 8, 10)],
        "profile": profile_row(classifiers["pointnet"], data, clouds),
    }
    files.write_json(given.out, result)
    show(result)
    print(f"written to {given.out}")
    wrong = [row for row in rows if row.get("difference", 0.0) > AGREE]
    wrong += [row for row in result["transform"] if row["difference"] > EXACT]
    if wrong:
        sys.exit(f"the two ways disagree: {wrong}")


def settings(n: int, clouds: int) -> InteractConfig:
    """Return what is measured at n regions."""
    return InteractConfig(regions=n, clouds=clouds, reading=ReadConfig(points=1024), device=str(DEVICE))


def ready(backbone: Backbone, data: SyntheticShapes) -> nn.Module:
    """Return a classifier of generated shapes whose norms have seen some of them."""
    torch.manual_seed(0)
    method = Classify(backbone, ClassifyConfig(classes=len(data.classes)))
    network = CloudClassifier(method.backbone, method.head).to(DEVICE)
    seen = torch.from_numpy(gather(data, settings(2, 8)).xyz).to(DEVICE)
    with torch.no_grad():
        for _ in range(10):
            network(seen)
    return network.eval()


@torch.no_grad()
def coalition_rows(
    classifiers: dict[str, nn.Module], clouds: Clouds, n: int, most: int, repeats: int
) -> list[dict[str, Any]]:
    """Return coalitions per second of every network and way for one cloud."""
    xyz, region = (torch.from_numpy(part[0]).to(DEVICE) for part in (clouds.xyz, clouds.region))
    config, kept = settings(n, 1), all_coalitions(n, DEVICE)
    rows = []
    for name, network in classifiers.items():
        # DGCNN is some twenty times slower per cloud, and as steady.
        count = min(len(kept), most if name == "pointnet" else max(1, most // 16))
        chosen = torch.linspace(0, len(kept) - 1, count, device=DEVICE).round().long()
        way = masked_logits(network, xyz, region, config)
        slow, seconds = timed(partial(way, kept[chosen]), 1 if count > 500 else repeats)
        rate = count / seconds
        rows.append({"network": name, "n": n, "way": "masked clouds", "coalitions": count, "per_second": rate})
        found = parts(network)
        if found is None:
            continue
        fast, quick = timed(partial(_one_pass, found, xyz, region, config), repeats)
        rows.append(
            {
                "network": name,
                "n": n,
                "way": "one pass",
                "coalitions": len(kept),
                "per_second": len(kept) / quick,
                "times_faster": len(kept) / quick / rate,
                "difference": float((fast[chosen] - slow).abs().max() / slow.abs().max()),
            }
        )
    return rows


def _one_pass(found: tuple[MaxPooled, nn.Module], xyz: Tensor, region: Tensor, config: InteractConfig) -> Tensor:
    """Encode one cloud and answer all coalitions."""
    return MaxPooledLogits(*found, xyz, region, config).all()


def transform_row(n: int, repeats: int) -> dict[str, Any]:
    """Return seconds of our transform and of shapiq's exact one for one table of values."""
    import shapiq

    v = np.random.default_rng(n).normal(size=2**n)
    number = 2 ** np.arange(n)

    def game(kept: np.ndarray) -> np.ndarray:
        looked_up: np.ndarray = v[(kept * number).sum(axis=1)]
        return looked_up

    def theirs() -> Any:
        return shapiq.ExactComputer(n_players=n, game=game)(index="Moebius", order=n)

    ours, seconds = timed(lambda: moebius(torch.from_numpy(v)), 20 * repeats)
    other, longer = timed(theirs, repeats)
    every = [tuple(i for i in range(n) if k >> i & 1) for k in range(1, 2**n)]
    difference = max(abs(float(ours[k + 1]) - float(other[s])) for k, s in enumerate(every))
    return {"n": n, "ours": seconds, "shapiq": longer, "times_faster": longer / seconds, "difference": difference}


def profile_row(network: nn.Module, data: SyntheticShapes, clouds: int) -> dict[str, Any]:
    """Return the seconds from a data set to strength by order with intervals; clouds are generated before."""
    config = settings(10, clouds)
    gather(data, config)  # generated shapes are made at first sight
    start = time.perf_counter()
    [table] = interact({"pointnet": network}, data, config).values()
    profile(table)
    return {"network": "pointnet", "n": 10, "clouds": clouds, "seconds": time.perf_counter() - start}


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Return the last result and the median of the seconds."""
    seconds = []
    result: Any = None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        if isinstance(result, Tensor) and result.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def show(result: dict[str, Any]) -> None:
    """Print what was measured."""
    console = Console(highlight=False)
    table = Table("network", "n", "way", "coalitions/s", "times faster", "difference", box=None)
    for row in result["coalitions"]:
        more = (f"{row['times_faster']:,.0f}", f"{row['difference']:.1e}") if "difference" in row else ("", "")
        table.add_row(row["network"], str(row["n"]), row["way"], f"{row['per_second']:,.0f}", *more)
    console.print(table)
    table = Table("n", "transform, ms", "shapiq, ms", "times faster", "difference", box=None)
    for row in result["transform"]:
        cells = (1e3 * row["ours"], 1e3 * row["shapiq"], row["times_faster"])
        table.add_row(str(row["n"]), *(f"{cell:,.2f}" for cell in cells), f"{row['difference']:.1e}")
    console.print(table)
    found = result["profile"]
    console.print(f"{found['clouds']} clouds at n = {found['n']}, {found['network']}: {found['seconds']:.1f} s")


if __name__ == "__main__":
    main()
