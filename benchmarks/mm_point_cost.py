"""What MM-Point costs against the number of views: time per epoch, where it goes, peak memory.

Every number of views is measured in a process of its own, on generated shapes: real training steps for time and memory,
and their parts one by one (drawing the views from the points, image encoder, cloud encoder, each with its way back).
On a GPU the same steps run in float32, in bf16, and compiled. Writes `results/mm-point-cost.json`.

    python benchmarks/mm_point_cost.py --backbone pointnet --threads 2
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import torch
import tyro

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.backbones.image import ResNet, ResNetConfig
from pointssl.data.batches import stack
from pointssl.data.reading import ReadConfig
from pointssl.data.synthetic import SyntheticShapes
from pointssl.data.views.augment import augment_views, level_atoms, standardise
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.methods import MMPointConfig
from pointssl.methods.pictures import PictureConfig, pictures
from pointssl.ops.batch_rng import Draws
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.train.estimate import estimate
from pointssl.types import CloudBatch

RESULTS = Path(__file__).resolve().parent.parent / "results"
EPOCH = 2048
"""Clouds of an epoch."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    backbone: Literal["pointnet", "dgcnn"] = "pointnet"
    """Cloud encoder; DGCNN with k 15 and max ++ mean."""
    views: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of views."""
    batch: int = 32
    """Clouds per step."""
    points: int = 1024
    """Per cloud."""
    width: int = 16
    """Of the ResNet-18."""
    size: int = 64
    """Pixels along a side of the views."""
    threads: int = 2
    """Of the processor."""
    one: int | None = None
    """Measure this number of views alone and print it: what every process of its own does."""


def main(options: Options) -> None:
    """Measure every number of views in its own process and write the table."""
    if options.one is not None:
        torch.set_num_threads(options.threads)
        print(json.dumps(measure(options, options.one)))
        return
    rows = []
    for views in options.views:
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(views)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{views} views: {rows[-1]}")
    result = {"command": "python benchmarks/mm_point_cost.py " + " ".join(sys.argv[1:]), "options": vars(options)}
    path = RESULTS / "mm-point-cost.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["measured"] if path.is_file() else {}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{options.threads} threads"
    kept[f"{options.backbone}, {device}"] = result | {"rows": rows}
    write_json(path, {"versions": versions(), "measured": kept})


def measure(options: Options, views: int) -> dict[str, Any]:
    """Return time, memory and shares of one number of views."""
    forms: dict[str, dict[str, Any]] = {"float32": {}}
    if torch.cuda.is_available():
        forms |= {"bf16": {"precision": "bf16"}, "bf16 compiled": {"precision": "bf16", "compile": True}}
    row: dict[str, Any] = {"views": views}
    for form, change in forms.items():
        found = estimate(config(options, views, **change), data=SyntheticShapes(4 * options.batch), steps=6)
        row[form] = {
            "seconds_per_epoch": found.seconds_per_step * EPOCH / options.batch,
            "clouds_per_s": found.clouds_per_s,
            "images_per_s": found.clouds_per_s * views,
            "memory_mib": None if found.memory is None else found.memory / 2**20,
        }
    return row | {"seconds_of_parts": parts(options, views)}


def config(options: Options, views: int, **change: Any) -> PretrainConfig:
    """Return the settings of a run whose views are drawn from the points."""
    return PretrainConfig(
        method=MMPointConfig(views=views, image=image(options), pictures=drawn(options)),
        backbone=backbone(options),
        data=DataConfig(reading=ReadConfig(points=options.points), batch_size=options.batch),
        optim=OptimConfig(lr=1e-3),
        **change,
    )


def image(options: Options) -> ResNetConfig:
    """Return the settings of the image encoder."""
    return ResNetConfig(width=options.width, channels=1)


def drawn(options: Options) -> PictureConfig:
    """Return what is drawn: shading by estimated normals, the dearest kind."""
    return PictureConfig(kind="shaded", size=options.size)


def backbone(options: Options) -> PointNetConfig | DGCNNConfig:
    """Return the settings of the cloud encoder."""
    return PointNetConfig() if options.backbone == "pointnet" else DGCNNConfig(k=15, pooling="max_mean")


def parts(options: Options, views: int) -> dict[str, float]:
    """Return the seconds of each part of a step, medians of five."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = stack(SyntheticShapes(options.batch), range(options.batch), options.points).to(device)
    cloud_encoder, image_encoder = build_backbone(backbone(options)).to(device), ResNet(image(options)).to(device)
    generator = torch.Generator(device).manual_seed(0)
    draws = Draws(generator, options.batch)
    shown = pictures(batch, views, drawn(options), draws)
    level = torch.arange(1, views + 1, device=device).expand(options.batch, views)

    def change() -> torch.Tensor:
        on, strength = level_atoms(level, "shaded")
        return standardise(augment_views(shown, on, strength, "shaded", draws))

    both = torch.cat([batch.xyz, batch.xyz])
    jobs: dict[str, Callable[[], object]] = {
        "drawing the views": lambda: pictures(CloudBatch(xyz=batch.xyz), views, drawn(options), draws),
        "changing the views": change,
        "image encoder": lambda: image_encoder(change().flatten(0, 1)).square().mean().backward(),
        "cloud encoder": lambda: cloud_encoder(both).pooled.square().mean().backward(),
    }
    seconds = {name: timed(job, device) for name, job in jobs.items()}
    seconds["image encoder"] -= seconds["changing the views"]
    return seconds


def timed(job: Callable[[], object], device: torch.device) -> float:
    """Return the median time of five calls after two."""
    moments = []
    for _ in range(7):
        start = time.perf_counter()
        job()
        if device.type == "cuda":
            torch.cuda.synchronize()
        moments.append(time.perf_counter() - start)
    return median(moments[2:])


if __name__ == "__main__":
    main(tyro.cli(Options))
