"""What a classifier says of every masked form of a cloud, made in batches of bounded memory.

This works for every network and is the oracle of the way for max-pooled ones.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from pointssl.errors import RunError
from pointssl.interpret.config import InteractConfig
from pointssl.interpret.network import logits_of
from pointssl.ops.games.coalitions import mask, score

MASKED = 1 << 22
"""Most coordinates of masked clouds that are made at once; the network sees them batch by batch."""


LogitsFn = Callable[[Bool[Tensor, "c r"]], Float[Tensor, "c k"]]
"""Gives the logits of one cloud under some coalitions, a row for each."""


def masked_logits(
    network: nn.Module, xyz: Float[Tensor, "n 3"], region: Int[Tensor, "n"], config: InteractConfig
) -> LogitsFn:
    """Return the way through real masked clouds."""

    def answer(kept: Bool[Tensor, "c r"]) -> Float[Tensor, "c k"]:
        parts = []
        for some in kept.split(max(config.masked, MASKED // xyz.numel())):
            clouds = mask(xyz[None], region[None], some[None], config.masking)[0]
            parts += [logits_of(network, batch) for batch in clouds.split(config.masked)]
        return torch.cat(parts)

    return answer


def scored(
    logits_fn: LogitsFn, kept: Bool[Tensor, "c r"], label: int, config: InteractConfig, where: str
) -> Float64[Tensor, "c"]:
    """Return the score of class `label` for every coalition; `where` names network and cloud in the error.

    Raises:
        RunError: logits that are NaN or infinite, with the coalition that gave them.
    """
    logits = logits_fn(kept)
    require_finite(logits, kept, where)
    which = torch.full((len(logits),), label, dtype=torch.int64, device=logits.device)
    return score(logits.double(), which, config.score)


def require_finite(logits: Float[Tensor, "c k"], kept: Bool[Tensor, "c r"], where: str) -> None:
    """Raise `RunError` with the first coalition whose logits are NaN or infinite."""
    finite = logits.isfinite().all(dim=1)
    if finite.all():
        return
    first = int((~finite).nonzero()[0])
    regions = kept[first].nonzero()[:, 0].tolist()
    what = f"only regions {', '.join(map(str, regions))} of {kept.shape[1]} are" if regions else "nothing is"
    raise RunError(
        f"{where}: the logits are NaN or infinite for {int((~finite).sum())} of {len(finite)} masked clouds, first "
        f"where {what} kept; many points then lie at one place, so guard divisions by a distance or a spread"
    )
