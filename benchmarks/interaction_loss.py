"""What does the interaction loss cost? Training steps of a classifier without it, with it, and by really masked clouds.

The arms take turns, so that whatever else the machine does meets all of them alike; the median of each is told. Both
ways to the loss must agree, or the script ends with exit code 1.

Run: python benchmarks/interaction_loss.py [--threads 1] [--repeats 7] [--batch 32] [--points 512 1024] [--dgcnn]
Writes results/interaction-loss-speed.json and prints the table.
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages; read at torch's first allocation

import argparse
import platform
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from pointssl import files
from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.data.batches import stack
from pointssl.data.synthetic import SyntheticShapes
from pointssl.methods import Classify, ClassifyConfig
from pointssl.methods.interaction import InteractionConfig
from pointssl.types import CloudBatch

CLASSES = 69
LOSS = InteractionConfig(ramp=0.0)
ARMS: dict[str, InteractionConfig | None] = {
    "without": None,
    "disjoint": LOSS,
    "disjoint, normalised": replace(LOSS, normalised=True),
    "disjoint, every 4th update": replace(LOSS, every=4),
    "disjoint, masked clouds": replace(LOSS, max_pooled=False),
}


def main() -> None:
    """Measure, compare, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--points", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--dgcnn", action="store_true", help="DGCNN as well, with the loss on 8 clouds of each batch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for points in options.points:
        rows += measure("pointnet", PointNetConfig(), ARMS, points, options.batch, options.repeats)
    if options.dgcnn:
        some = replace(LOSS, max_pooled=False, clouds=8)
        arms = {"without": None, "disjoint, 8 clouds, masked clouds": some}
        rows += measure("dgcnn", DGCNNConfig(k=20), arms, options.points[-1], options.batch, options.repeats)
    machine: dict[str, Any] = {"processor": platform.processor() or platform.machine(), "threads": options.threads}
    result = {
        "what": "training steps of a classifier, forward, backward and Adam",
        **machine,
        "torch": torch.__version__,
    }
    files.write_json(Path("results/interaction-loss-speed.json"), {**result, "batch": options.batch, "rows": rows})
    table = Table("encoder", "points", "interaction loss", "clouds/s", "times the cost", "loss", box=None)
    for row in rows:
        figures = (f"{row['clouds_per_s']:.0f}", f"{row['times_the_cost']:.2f}", f"{row['loss']:.5f}")
        table.add_row(row["encoder"], str(row["points"]), row["arm"], *figures)
    Console(highlight=False).print(table)
    ways = [row["loss"] for row in rows if row["arm"] in ("disjoint", "disjoint, masked clouds")]
    if any(abs(one - two) > 1e-3 for one, two in zip(ways[::2], ways[1::2], strict=True)):
        sys.exit("the two ways do not agree")


def measure(
    encoder: str, backbone: Any, arms: dict[str, InteractionConfig | None], points: int, batch: int, repeats: int
) -> list[dict[str, Any]]:
    """Return a row per arm; `loss` is that of the first step, from the same weights."""
    clouds = stack(SyntheticShapes(batch), range(batch), points)
    label = torch.arange(batch) % CLASSES
    given = CloudBatch(xyz=clouds.xyz, label=label)
    ready, first, seconds = {}, {}, {arm: [0.0] * repeats for arm in arms}
    for arm, config in arms.items():
        torch.manual_seed(0)
        method = Classify(build_backbone(backbone), ClassifyConfig(classes=CLASSES, dropout=0.0, interaction=config))
        ready[arm] = (method, torch.optim.Adam(method.parameters(), lr=1e-3))
        first[arm] = step(*ready[arm], given)
    for turn in range(repeats):
        for arm, parts in ready.items():
            pauses = 1 if arms[arm] is None else arms[arm].every  # type: ignore[union-attr]
            start = time.perf_counter()
            for _ in range(pauses):
                step(*parts, given)
            seconds[arm][turn] = (time.perf_counter() - start) / pauses
    cost = {arm: statistics.median(times) for arm, times in seconds.items()}
    return [
        {
            "encoder": encoder,
            "points": points,
            "arm": arm,
            "clouds_per_s": batch / cost[arm],
            "times_the_cost": cost[arm] / cost["without"],
            "loss": first[arm],
        }
        for arm in arms
    ]


def step(method: Classify, optimiser: torch.optim.Optimizer, given: CloudBatch) -> float:
    """Make one update and return the loss before it."""
    optimiser.zero_grad(set_to_none=True)
    output = method(given, torch.Generator().manual_seed(0))
    output.loss.backward()
    optimiser.step()
    method.after_step(1.0)
    return float(output.loss.detach())


if __name__ == "__main__":
    main()
