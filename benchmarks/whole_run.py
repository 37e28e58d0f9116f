"""What of a whole run is the network's arithmetic? Contrast at recipe settings, data and augmentation beside it.

python benchmarks/whole_run.py --out results/whole-run-contrast.json

All parts are measured in turns in one process, and in the processor time of that process with one thread, because
other work makes a machine slower from minute to minute: the arithmetic alone (encoder, head, loss, gradient, update) on
copies that lie ready; the same behind real batches and augmentation, as `pretrain` steps; and the making of one batch
and of its two copies by themselves.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from pointssl.app.recipes import recipe
from pointssl.data.augment import augment
from pointssl.files import write_json
from pointssl.methods import Contrast
from pointssl.ops import contrastive
from pointssl.ops.batch_rng import Draws
from pointssl.runs.record import commit
from pointssl.train import loop
from pointssl.train.pretrain import own_randomness, prepare
from pointssl.train.runtime import start


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    out: Path | None = None
    """File to write; printed as well."""
    recipe: str = "contrast-pointnet"
    batch: int = 64
    steps: int = 6
    """Steps of every turn."""
    turns: int = 6
    workers: int = 1


def main(settings: Settings) -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    config = recipe(settings.recipe)
    config = replace(config, data=replace(config.data, batch_size=settings.batch, workers=settings.workers))
    with start("cpu") as runtime, own_randomness(runtime.device):
        parts = prepare(config, config.data.source or "", None, runtime)
        method, optimizer = parts.state.method, parts.state.optimizer
        assert isinstance(method, Contrast)
        changes, temperature = method.config.augment, method.config.temperature
        batch = parts.batches(0)
        generator = torch.Generator().manual_seed(0)

        def copies() -> list[torch.Tensor]:
            return [augment(batch.xyz, changes, Draws(generator, len(batch.xyz))) for _ in range(2)]

        ready = torch.cat(copies())

        def arithmetic() -> None:
            optimizer.zero_grad(set_to_none=True)
            one, two = method.head(method.backbone(ready).pooled).chunk(2)
            contrastive.nt_xent(one, two, temperature).backward()
            optimizer.step()

        found: dict[str, list[float]] = {name: [] for name in ("arithmetic", "whole", "batch", "copies")}
        with closing(loop.run(parts.state, parts.batches, config, runtime, total=2**31)) as running:
            for turn in range(settings.turns + 1):
                timed = {
                    "arithmetic": per_step(arithmetic, settings.steps),
                    "whole": per_step(lambda: next(running), settings.steps),
                    "batch": per_step(partial(parts.batches, turn), settings.steps),
                    "copies": per_step(copies, settings.steps),
                }
                if turn:  # the first one warms up
                    for name, seconds in timed.items():
                        found[name].append(seconds)
        clouds = settings.batch
    middle = {name: float(np.median(values)) for name, values in found.items()}
    # Turns stand side by side, so the ratio of each is of one moment.
    shares = [1 - a / w for a, w in zip(found["arithmetic"], found["whole"], strict=True)]
    result: dict[str, Any] = {
        "what": "processor seconds per step at recipe settings; `beside` is the share of a step that is no arithmetic",
        "settings": {name: getattr(settings, name) for name in ("recipe", "batch", "steps", "turns", "workers")},
        "seconds_per_step": {name: round(value, 5) for name, value in middle.items()},
        "clouds_per_processor_second": round(clouds / middle["whole"], 1),
        "beside": {"median": round(float(np.median(shares)), 4), "all": [round(share, 4) for share in shares]},
        "making_a_batch_over_a_step": round(middle["batch"] / middle["whole"], 4),
        "augmentation_over_a_step": round(middle["copies"] / middle["whole"], 4),
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "torch": torch.__version__},
        "commit": commit(),
    }
    print(json.dumps(result, indent=1))
    if settings.out is not None:
        write_json(settings.out, result)


def per_step(step: Callable[[], object], steps: int) -> float:
    """Return the processor seconds of one step, those of the thread that prepares batches included."""
    began = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - began) / steps


if __name__ == "__main__":
    main(tyro.cli(Settings))
