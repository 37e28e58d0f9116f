"""Contrast between paired vectors: each must find its partner among the partners of all others.

Sources: A. van den Oord, Y. Li, O. Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018 (InfoNCE
and its bound); T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020
(NT-Xent: the vectors of one's own kind are negatives too).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops import distributed


def unit(x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """Return the vectors at length 1, in float32 or better; a vector of zeros stays one."""
    return nn.functional.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=1e-8)


def info_nce(
    anchor: Float[Tensor, "b d"],
    partner: Float[Tensor, "b d"],
    temperature: float,
    *,
    intra_modal_negatives: bool = True,
) -> Float[Tensor, "b"]:
    """Return for each anchor -log softmax of its partner's cosine / `temperature`, in nats.

    Candidates are the partners of the clouds of all processes and, with `intra_modal_negatives`, all other anchors.
    Row i of both belongs to cloud i. The loss of a single cloud without `intra_modal_negatives` is 0.
    """
    with torch.autocast(anchor.device.type, enabled=False):
        mine, theirs = unit(anchor), distributed.gather(unit(partner))
        rows = torch.arange(len(mine), device=mine.device)
        right = rows + distributed.rank() * len(mine)
        logits = mine @ theirs.mT / temperature
        if intra_modal_negatives:
            same = mine @ distributed.gather(mine).mT / temperature
            itself = torch.zeros_like(same, dtype=torch.bool)
            itself[rows, right] = True
            logits = torch.cat([logits, same.masked_fill(itself, -math.inf)], dim=1)
        return nn.functional.cross_entropy(logits, right, reduction="none")


def nt_xent(
    a: Float[Tensor, "b d"], b: Float[Tensor, "b d"], temperature: float, *, intra_modal_negatives: bool = True
) -> Float[Tensor, ""]:
    """Return the mean of both directions, a's to find b's and b's to find a's, over the clouds of this process."""
    forth = info_nce(a, b, temperature, intra_modal_negatives=intra_modal_negatives)
    return ((forth + info_nce(b, a, temperature, intra_modal_negatives=intra_modal_negatives)) / 2).mean()


@torch.no_grad()
def information_bound(a: Float[Tensor, "b d"], b: Float[Tensor, "b d"], temperature: float) -> Float[Tensor, "b"]:
    """Return for each cloud log(number of clouds) - InfoNCE; the mean bounds what a and b say of each other, in nats.

    The mean of both directions, among the partners alone: own kind would belong to another bound. At most log(number of
    clouds), however much the two share; negative where the match is worse than chance.
    """
    forth, back = (info_nce(x, y, temperature, intra_modal_negatives=False) for x, y in ((a, b), (b, a)))
    return math.log(len(a) * distributed.world()) - (forth + back) / 2
