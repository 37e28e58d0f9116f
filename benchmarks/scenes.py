"""What pre-training ParAE on blocks of rooms is worth where one area has labels: fine-tuned from it and from random.

Generated buildings of six areas; ParAE learns from the blocks of all but area 5, without labels; then a segmenter is
trained on the blocks of one area, from that encoder and from the same one untrained, and scored on area 5, after the
last epoch. It is the protocol of ParAE's Table 3 (Eckart et al., CVPR 2021) on other data: coordinates alone, smaller
blocks and short runs. What is done is kept, so that a stopped run is resumed.

    python benchmarks/scenes.py --out runs/scenes --areas 1 2 3 4 6 --seeds 0 1 2
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from pointssl.backbones import PointNetConfig
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.data.store.pack import pack
from pointssl.data.synthetic.rooms import write_rooms
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.methods import ParAEConfig, SegmentConfig
from pointssl.ops import stats
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from pointssl.train.segmenter import train_segmenter

RESULT = Path(__file__).resolve().parent.parent / "results" / "scenes.json"
TEST = 5


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    out: Path = Path("runs/scenes")
    """Folder of the rooms, the stores and the runs."""
    areas: tuple[int, ...] = (1, 2, 3, 4, 6)
    """Areas whose labels are learned from, one at a time."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of pre-training, of the head and of the order."""
    rooms: int = 3
    """In each area."""
    points: int = 30_000
    """About how many in each room."""
    read: int = 512
    """Points of a block that a network sees at once."""
    pretrain_steps: int = 600
    """Updates of ParAE, 16 blocks each."""
    steps: int = 300
    """Updates of a segmenter, 8 blocks each."""


def main(options: Options) -> None:
    """Measure what is not there yet, and write the result after each area and seed."""
    building = options.out / "building"
    if not building.exists():
        write_rooms(building, rooms=options.rooms, points=options.points)
    stores = {area: store(building, area, options) for area in sorted({*options.areas, TEST})}
    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        encoder = pretrained(building, seed, options)
        for area in options.areas:
            found = {arm: scored(stores, area, seed, encoder if arm else None, options) for arm in (True, False)}
            rows.append({"area": area, "seed": seed, "parae": found[True], "random": found[False]})
            summary = {figure: gain(rows, figure) for figure in ("miou", "accuracy", "mean_accuracy")}
            kept = {"command": "python benchmarks/scenes.py", "options": asdict(options) | {"out": ""}, "rows": rows}
            write_json(RESULT, {**kept, "gain": summary, "versions": versions()})
            print(rows[-1], flush=True)


def store(building: Path, area: int, options: Options) -> Path:
    """Return the blocks of one area as a store: reading text takes longer than training."""
    out = options.out / f"area_{area}"
    if not out.exists():
        pack(open_dataset(f"s3dis:{building}", f"area_{area}"), out, points=None)
    return out


def pretrained(building: Path, seed: int, options: Options) -> Path:
    """Return the run of ParAE on the blocks of all areas but the tested one."""
    run, packed = options.out / f"parae-{seed}", options.out / "train"
    if not packed.exists():
        pack(open_dataset(f"s3dis:{building}", "train"), packed, points=None)
    config = PretrainConfig(
        method=ParAEConfig(components=32, head=(128,), floor=1e-3),
        backbone=PointNetConfig(),
        data=DataConfig(reading=reading(options), batch_size=16),
        optim=OptimConfig(kind="adam", lr=1e-3),
        steps=options.pretrain_steps,
        seed=seed,
        monitor_every=0,
    )
    return pretrain(config, run, data=packed, resume=run.exists(), device="cpu")


def scored(stores: dict[int, Path], area: int, seed: int, start: Path | None, options: Options) -> dict[str, float]:
    """Return how a segmenter of one area does on the tested one."""
    run = options.out / f"segment-{area}-{seed}-{'random' if start is None else 'parae'}"
    config = PretrainConfig(
        method=SegmentConfig(hidden=(256, 128), parts=0),
        backbone=PointNetConfig(),
        data=DataConfig(reading=reading(options), batch_size=8),
        optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, clip=10.0),
        steps=options.steps,
        seed=seed,
        monitor_every=0,
    )
    pair = (stores[area], stores[TEST])
    scores = Run.open(
        train_segmenter(config, run, data=pair, init_from=start, resume=run.exists(), device="cpu")
    ).point_scores()
    return {"miou": scores.miou, "accuracy": scores.accuracy, "mean_accuracy": scores.mean_accuracy}


def gain(rows: list[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Return what ParAE adds, in points: the mean over seeds of the mean over areas, with its t-interval."""
    seeds = sorted({row["seed"] for row in rows})
    per_seed = [
        100 * float(np.mean([row["parae"][figure] - row["random"][figure] for row in rows if row["seed"] == seed]))
        for seed in seeds
    ]
    return asdict(replace(stats.mean_interval(per_seed, over="seeds"), per_seed=tuple(per_seed)))


def reading(options: Options) -> ReadConfig:
    """Blocks stay in metres, as they are cut."""
    return ReadConfig(points=options.read, normalise=False, allow_repeats=True, up="z")


if __name__ == "__main__":
    main(tyro.cli(Options))
