"""The views that a method contrasts with a cloud: as they are given, and as the image encoder gets to see them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pointssl.data.batches import Pictures
from pointssl.data.cloud import Dataset
from pointssl.data.reading import ReadConfig
from pointssl.methods.base import PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.show.run.contact_sheet import Strip


@torch.inference_mode()
def seen_strips(
    method: PretextMethod,
    data: Dataset,
    chosen: Sequence[int],
    names: Sequence[str],
    reading: ReadConfig,
    stored: Pictures | None,
    seed: int,
) -> list[Strip]:
    """Return a strip per cloud: its views, and under each the same view after its changes."""
    batch = reading.batch(data, chosen, seed=seed)
    if stored is not None:
        brought = stored.batch(np.asarray(chosen, dtype=np.int64), seed)
        batch = replace(batch, views=torch.from_numpy(brought))
    seen = method.see_views(batch, Draws(torch.Generator().manual_seed(seed), len(chosen)))
    return [
        Strip(
            title=name,
            rows=[("as given", _bytes(seen.given[i])), ("as seen", _bytes(seen.changed[i]))],
            columns=seen.captions[i],
        )
        for i, name in enumerate(names)
    ]


def _bytes(views: Float[Tensor, "v c h w"]) -> UInt8[np.ndarray, "v c h w"]:
    made: UInt8[np.ndarray, "v c h w"] = (views * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return made
