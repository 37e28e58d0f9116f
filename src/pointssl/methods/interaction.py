"""The interaction loss: while a classifier trains, weaken what few regions say together and strengthen what many do.

Networks that were pre-trained read more complex structures than networks from scratch; this loss asks for them without
pre-training. It is added to the loss of any classifier.

Source: Li, Ruan, Wu, Chen, Wei, Shen, "A Unified Approach to Interpreting Self-supervised Pre-training Methods for 3D
Point Clouds via Interactions", CVPR 2025. Its formula after the three subsets is not public; ours, what it covers and
how it is kept stable: docs/interaction-loss.md. The control `nested` is the entropy loss of H. Deng et al.,
"Discovering and Explaining the Representation Bottleneck of DNNs", ICLR 2022.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.modes import evaluating
from pointssl.ops.batch_rng import Draws
from pointssl.ops.games import interaction_loss as maths
from pointssl.ops.games.coalitions import all_coalitions, log_odds, mask, regions
from pointssl.ops.games.max_pool_coalitions import pooled_of_coalitions, region_pieces, region_reach
from pointssl.settings import require_finite

MOST_EXACT = 8
"""Most regions of the exact form: 256 masked forms of every cloud."""

LogitsFn = Callable[[Float[Tensor, "b n 3"], Int[Tensor, "b n"], Bool[Tensor, "b c r"]], Float[Tensor, "b c k"]]
"""Gives the logits of every cloud under its coalitions of regions, with gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionConfig:
    """Settings of the interaction loss."""

    alpha: float = 0.01
    """Weight of the loss beside the classification's; 0.001 to 0.1 are worth trying, on clouds kept for validation."""
    regions: int = 10
    """Regions that every cloud is cut into."""
    estimator: Literal["disjoint", "exact", "nested"] = "disjoint"
    """Three disjoint sets of regions, all 2^regions coalitions (few regions), or nested pairs, which are a control."""
    low: tuple[int, int] = (1, 3)
    """Orders to weaken: of the exact form, or sizes of each of the three sets."""
    high: tuple[int, int] = (8, 10)
    """Orders to strengthen: of the exact form, or sizes of the three sets together."""
    low_term: Literal["singles", "pairs"] = "singles"
    """Weaken what each of the three sets says alone, or what each two say together."""
    draws: int = 1
    """Triples, or nested pairs, drawn per cloud and step."""
    normalised: bool = False
    """Divide scores by what the whole cloud gains over an empty one, without a gradient through that."""
    clip: float | None = 15.0
    """The high term counts up to this, in nats (no unit where normalised); none leaves it without a bound."""
    ramp: float = 0.1
    """Part of the training over which alpha rises from 0 in a straight line."""
    every: int = 1
    """Updates from one use of the loss to the next, which then weighs as many times more."""
    clouds: int | None = None
    """Clouds of each batch that the loss looks at, of all processes together; all, when not given."""
    nested: tuple[float, float] = (0.0, 0.5)
    """Shares of the regions of a nested pair: what is learned from the first to the second is unlearned."""
    max_pooled: bool = True
    """Use that a network pools by max, where it does: the same loss without making the masked clouds."""

    def __post_init__(self) -> None:
        require_finite(self)
        for name, value, least in (("regions", self.regions, 3), ("draws", self.draws, 1), ("every", self.every, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if self.alpha < 0:
            raise ValueError(f"alpha must be at least 0, got {self.alpha}")
        if self.clip is not None and self.clip <= 0:
            raise ValueError(f"clip must be positive, got {self.clip}")
        if not 0 <= self.ramp <= 1:
            raise ValueError(f"ramp must be a part of the training, 0 to 1, got {self.ramp}")
        if self.clouds is not None and self.clouds < 1:
            raise ValueError(f"clouds must be at least 1, got {self.clouds}")
        if not 0 <= self.nested[0] < self.nested[1] <= 1:
            raise ValueError(f"nested must be two shares from 0 to 1, the smaller first, got {self.nested}")
        if self.estimator == "nested" and self.nested_regions[0] == self.nested_regions[1]:
            raise ValueError(
                f"nested must be shares that differ by a region of {self.regions} at least, got {self.nested}"
            )
        for name, bounds in (("low", self.low), ("high", self.high)):
            if not 1 <= bounds[0] <= bounds[1] <= self.regions:
                raise ValueError(f"{name} must be two orders from 1 to regions ({self.regions}), got {bounds}")
        if self.estimator == "exact" and self.regions > MOST_EXACT:
            raise ValueError(
                f"regions must be at most {MOST_EXACT} for the exact form, got {self.regions}: it needs 2^regions "
                "masked forms of every cloud; take fewer, with low and high to match, or the disjoint form"
            )
        if self.estimator == "disjoint":
            maths.subset_sizes(self.regions, self.low, self.high)

    @property
    def nested_regions(self) -> tuple[int, int]:
        """Regions of a nested pair; the shares are rounded to them."""
        return round(self.nested[0] * self.regions), round(self.nested[1] * self.regions)


@final
class InteractionLoss(nn.Module):
    """Keeps how far training is, for the ramp and the pauses; the state is part of a checkpoint."""

    progress: Tensor
    updates: Tensor

    def __init__(self, config: InteractionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("progress", torch.zeros((), dtype=torch.float64))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(
        self, logits_fn: LogitsFn, xyz: Float[Tensor, "b n 3"], label: Int[Tensor, "b"], draws: Draws
    ) -> tuple[Float[Tensor, ""] | None, dict[str, Tensor]]:
        """Return alpha times the loss at this point of training, None where it takes no part, and what to log."""
        config = self.config
        risen = 1.0 if config.ramp == 0 else min(1.0, float(self.progress) / config.ramp)
        weight = config.alpha * risen * config.every
        # Drawn in any case: a pause must not change what a later user of the generator gets.
        uniform, choice = draws.uniform(config.draws, config.regions), draws.uniform(config.draws)
        if weight == 0 or int(self.updates) % config.every:
            return None, {}
        some, share = draws.spread(config.clouds)
        if not len(some):
            return None, {}
        some = some.to(xyz.device)
        uniform, choice = uniform.to(xyz.device)[some], choice.to(xyz.device)[some]
        loss, logs = interaction_loss(logits_fn, xyz[some], label[some], config, uniform, choice)
        return weight * share * loss, {
            "interaction": loss.detach(),
            **logs,
            "interaction_weight": xyz.new_tensor(weight),
        }

    def after_step(self, progress: float) -> None:
        """Take note of one update; `progress` runs from 0 to 1 over training."""
        self.progress.fill_(progress)
        self.updates.add_(1)


def interaction_loss(
    logits_fn: LogitsFn,
    xyz: Float[Tensor, "b n 3"],
    label: Int[Tensor, "b"],
    config: InteractionConfig,
    uniform: Float[Tensor, "b t r"],
    choice: Float[Tensor, "b t"],
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return the loss of some clouds, without alpha, and its parts.

    Args:
        logits_fn: the network, from `logits_fn_of` or `logits_fn_of_max_pooled`.
        xyz: the clouds as the classifier sees them, augmented.
        label: their classes.
        config: settings.
        uniform: numbers in [0, 1) that decide which regions come into which set.
        choice: numbers in [0, 1) that decide the sizes of the sets.

    Raises:
        ValueError: fewer points than regions, or fewer than two classes.
    """
    with torch.no_grad():
        region = regions(xyz, config.regions)
    if config.estimator == "nested":
        return _nested(logits_fn, xyz, region, config, uniform)
    if config.estimator == "exact":
        kept = all_coalitions(config.regions, xyz.device).expand(len(xyz), -1, -1)
        v = _scores(logits_fn(xyz, region, kept), label)
        with torch.autocast(xyz.device.type, enabled=False):
            v = maths.relative(v, v[:, -1], v[:, 0]) if config.normalised else v
            return _contrast(maths.exact_terms(v, config.low, config.high, config.clip))
    sizes = torch.tensor(maths.subset_sizes(config.regions, config.low, config.high), device=xyz.device)
    group = maths.disjoint_groups(uniform, choice, sizes)
    if config.draws == 1:  # the sets themselves as regions: fewer to tell apart
        region = group[:, 0].gather(1, region)
        kept = maths.three_merged(xyz.device).expand(len(xyz), -1, -1)
    else:
        kept = maths.kept_groups(group).flatten(1, 2)
    if config.normalised:
        kept = torch.cat([kept, torch.ones_like(kept[:, :1])], dim=1)
    v = _scores(logits_fn(xyz, region, kept), label)
    with torch.autocast(xyz.device.type, enabled=False):
        table = v[:, : 8 * config.draws].unflatten(1, (config.draws, 8))
        if config.normalised:
            table = maths.relative(table, v[:, -1:].expand(-1, config.draws), table[:, :, 0])
        return _contrast(maths.disjoint_terms(table, config.clip, pairs=config.low_term == "pairs"))


def logits_fn_of(network: nn.Module) -> LogitsFn:
    """Return the way through really masked clouds, for any network from clouds (b, n, 3) to logits (b, k).

    The network runs in evaluation mode: masked clouds must not move its running statistics, and no dropout may differ
    between two of them. Each part gets its own mode back.
    """

    def answer(
        xyz: Float[Tensor, "b n 3"], region: Int[Tensor, "b n"], kept: Bool[Tensor, "b c r"]
    ) -> Float[Tensor, "b c k"]:
        with evaluating(network):
            logits: Tensor = network(mask(xyz, region, kept).flatten(0, 1))
        return logits.view(*kept.shape[:2], -1)

    return answer


def logits_fn_of_max_pooled(backbone: Backbone, head: nn.Module) -> LogitsFn:
    """Return the way through one look at the points, for an encoder whose `pools_by_max` is true, and its head."""

    def answer(
        xyz: Float[Tensor, "b n 3"], region: Int[Tensor, "b n"], kept: Bool[Tensor, "b c r"]
    ) -> Float[Tensor, "b c k"]:
        pieces, owner = region_pieces(xyz, region, kept.any(dim=1))
        with evaluating(backbone, head):
            reached = region_reach(backbone(pieces).pooled, owner, len(xyz), kept.shape[2])
            rest = backbone(xyz.mean(dim=1, keepdim=True).expand(-1, backbone.min_points, -1)).pooled
            logits: Tensor = head(pooled_of_coalitions(reached, rest, kept).flatten(0, 1))
        return logits.view(*kept.shape[:2], -1)

    return answer


def _scores(logits: Float[Tensor, "b c k"], label: Int[Tensor, "b"]) -> Float[Tensor, "b c"]:
    with torch.autocast(logits.device.type, enabled=False):
        return log_odds(logits.float(), label[:, None].expand(-1, logits.shape[1]))


def _contrast(terms: maths.Terms) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    low, high = (term.mean().float() for term in terms)
    return low - high, {"interaction_low": low.detach(), "interaction_high": high.detach()}


def _nested(
    logits_fn: LogitsFn,
    xyz: Float[Tensor, "b n 3"],
    region: Int[Tensor, "b n"],
    config: InteractionConfig,
    uniform: Float[Tensor, "b t r"],
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    small, large = config.nested_regions
    kept = maths.nested_kept(uniform, small, large).flatten(1, 2)
    logits = logits_fn(xyz, region, kept)
    with torch.autocast(xyz.device.type, enabled=False):
        inner, outer = logits.float().unflatten(1, (config.draws, 2)).unbind(2)
        return maths.certainty(maths.nested_change(inner, outer, small, large)).mean(), {}
