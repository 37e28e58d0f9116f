"""Are the kernels around chosen points faster than their peers, and do they choose the same points?

Farthest point sampling beside fpsample (compiled Rust and C++; its k-d line starts elsewhere, so its points differ),
balls beside SciPy's k-d tree, gathered rows beside torch's own, and all of them beside plain torch. Forms are timed in
turn (A B C A B C ...) in one process, medians; a disagreement with plain torch ends the run with exit code 1. Writes
results/grouping.json and prints the table.

Run: pip install fpsample; python benchmarks/grouping.py [--repeats 9] [--threads 1]
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import fpsample
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree
from torch import Tensor

from pointssl import files
from pointssl.ops import sampling
from pointssl.ops.kernels import grouping, native

ROOT = Path(__file__).resolve().parent.parent
FORMS = dict[str, Callable[[], Tensor]]


def surface(clouds: int, points: int) -> Tensor:
    """Return points on ellipsoids in the unit ball, of different shapes; float32 throughout, no two equal."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(clouds, points, 3, generator=generator), dim=-1)
    return (direction * (0.3 + 0.7 * torch.rand(clouds, 1, 3, generator=generator))).contiguous()


def sampling_forms(clouds: int, points: int, count: int) -> FORMS:
    """Farthest points from point 0 on; fpsample works on one cloud at a time."""
    xyz = surface(clouds, points)
    arrays = [cloud.numpy() for cloud in xyz]
    start = torch.zeros(clouds, dtype=torch.int64)

    def peer(function: Callable[..., Any], **settings: int) -> Callable[[], Tensor]:
        return lambda: torch.from_numpy(
            np.stack([function(cloud, count, start_idx=0, **settings) for cloud in arrays]).astype(np.int64)
        )

    return {
        "ours": lambda: sampling.farthest_points(xyz, count, start),
        "plain torch": lambda: sampling.farthest_points_plain(xyz, count, start),
        "fpsample fps": peer(fpsample.fps_sampling),
        # Heights of the tree as its documentation advises: 3, 5 or 7 by size; the fastest counts.
        **{f"fpsample kd-line, h {h}": peer(fpsample.bucket_fps_kdline_sampling, h=h) for h in (3, 5, 7)},
    }


def ball_forms(clouds: int, points: int, count: int, k: int, radius: float) -> FORMS:
    """The k nearest in a ball around farthest points."""
    xyz = surface(clouds, points)
    centre = xyz.gather(1, sampling.farthest_points(xyz, count)[..., None].expand(-1, -1, 3))

    def tree(cloud: Tensor, around: Tensor) -> np.ndarray[Any, Any]:
        away, index = cKDTree(cloud.numpy()).query(around.numpy(), k=k)
        inside: np.ndarray[Any, Any] = np.where(away > radius, index[:, :1], index)
        return inside

    return {
        "ours": lambda: grouping.ball(xyz, centre, k, radius),
        "plain torch": lambda: grouping.ball_plain(xyz, centre, k, radius),
        "SciPy k-d tree": lambda: torch.from_numpy(np.stack([tree(*pair) for pair in zip(xyz, centre, strict=True)])),
    }


def group_forms(clouds: int, points: int, count: int, k: int, width: int) -> FORMS:
    """Rows by place, forward and back; the forms give the gradient."""
    xyz = surface(clouds, points)
    index = grouping.ball(xyz, xyz[:, :count], k)
    x = torch.randn(clouds, points, width, generator=torch.Generator().manual_seed(1)).requires_grad_()
    back = torch.randn(clouds, count, k, width, generator=torch.Generator().manual_seed(2))
    flat = (index + points * torch.arange(clouds)[:, None, None]).flatten()

    def step(function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return lambda: torch.autograd.grad(function(), x, back)[0]

    return {
        "ours": step(lambda: grouping.group(x, index)),
        "plain torch": step(lambda: grouping.group_plain(x, index)),
        "torch index_select": step(lambda: x.flatten(0, 1).index_select(0, flat).view(clouds, count, k, width)),
    }


CASES: dict[str, Callable[[], FORMS]] = {
    "sampling, 32 clouds, 64 of 1,024": lambda: sampling_forms(32, 1024, 64),
    "sampling, 32 clouds, 512 of 1,024": lambda: sampling_forms(32, 1024, 512),
    "sampling, 8 clouds, 1,024 of 8,192": lambda: sampling_forms(8, 8192, 1024),
    "sampling, 1 cloud, 4,096 of 100,000": lambda: sampling_forms(1, 100_000, 4096),
    "ball, 32 clouds, 512 around 1,024, k 32, r 0.2": lambda: ball_forms(32, 1024, 512, 32, 0.2),
    "patches, 32 clouds, 64 around 1,024, k 32": lambda: ball_forms(32, 1024, 64, 32, float("inf")),
    "group and back, 16 clouds, 512 x 32 of 1,024, width 64": lambda: group_forms(16, 1024, 512, 32, 64),
}


def measure(forms: FORMS, repeats: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of each form, and the share of its values that are ours."""
    ours = forms["ours"]()
    agree = {
        name: float((value == ours if not value.is_floating_point() else (value - ours).abs() < 1e-3).double().mean())
        for name, value in ((name, form()) for name, form in forms.items())
    }
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(repeats):
        for name, form in forms.items():
            started = time.perf_counter()
            form()
            seconds[name].append(time.perf_counter() - started)
    return {name: {"seconds": statistics.median(seconds[name]), "agreement": agree[name]} for name in forms}


def main() -> int:
    """Time all cases and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not native.available():
        print(native.reason(), file=sys.stderr)
        return 1
    table = Table("case", "form", "ms", "times ours", "same")
    kept: dict[str, Any] = {}
    for case, build in CASES.items():
        kept[case] = measure(build(), options.repeats)
        ours = kept[case]["ours"]["seconds"]
        for name, row in kept[case].items():
            ratio = row["seconds"] / ours
            table.add_row(case, name, f"{1e3 * row['seconds']:.2f}", f"{ratio:.1f}", f"{100 * row['agreement']:.2f} %")
    Console(width=120).print(table)
    about = {"threads": options.threads, "repeats": options.repeats, "torch": torch.__version__}
    about |= {"fpsample": metadata.version("fpsample"), "python": platform.python_version()}
    files.write_json(ROOT / "results" / "grouping.json", {"about": about, "cases": kept})
    # Plain torch must choose exactly the same; peers have their own roundings, which may turn a near tie.
    return 0 if all(forms["plain torch"]["agreement"] == 1 for forms in kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
