"""Estimates for more regions than coalitions can be tried for, such as the 32 of the earlier work: never exact values.

Every figure has a standard error, and every cloud is told converged or not; a figure that has not converged may be
chance alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from pointssl import progress
from pointssl.data.cloud import Dataset
from pointssl.interpret import max_pooled
from pointssl.interpret.config import InteractConfig
from pointssl.interpret.network import check_classes, check_steady, logits_of, measuring
from pointssl.interpret.players import Clouds, gather
from pointssl.interpret.values import LogitsFn, masked_logits, scored
from pointssl.ops.games import pairs, shapley
from pointssl.runs.device import choose_device


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingBudget:
    """How much is sampled per cloud."""

    orders: int = 100
    """Random orders of arrival for Shapley values; 2 (regions + 1) masked clouds each."""
    pairs: int = 30
    """Random pairs of regions."""
    contexts: int = 20
    """Random contexts of a pair and size; 4 masked clouds each."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("orders", self.orders, 2),
            ("pairs", self.pairs, 1),
            ("contexts", self.contexts, 2),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Sampled figures of one network; m clouds, r regions, k sizes of context."""

    network: str
    label: Int64[np.ndarray, " m"]
    predicted: Int64[np.ndarray, " m"]
    shapley: Float64[np.ndarray, "m r"]
    shapley_error: Float64[np.ndarray, "m r"]
    """Standard errors."""
    size: tuple[int, ...]
    """Regions in the context of a pair."""
    pair_strength: Float64[np.ndarray, "m k"]
    """Mean |I_ij| over the sampled pairs."""
    pair_error: Float64[np.ndarray, "m k"]
    """Its standard error over pairs."""
    shapley_converged: Bool[np.ndarray, " m"]
    pairs_converged: Bool[np.ndarray, " m"]


def estimate(
    networks: Mapping[str, nn.Module],
    dataset: Dataset,
    config: InteractConfig,
    budget: SamplingBudget | None = None,
    *,
    clouds: Clouds | None = None,
) -> dict[str, Estimates]:
    """Return Shapley values and pair interactions by size of context for every network, on the same clouds and samples.

    Raises what `interact` raises, but for the number of regions.
    """
    budget, chosen = budget or SamplingBudget(), clouds or gather(dataset, config)
    return {name: _one(name, network, dataset, config, budget, chosen) for name, network in networks.items()}


def _one(
    name: str, network: nn.Module, dataset: Dataset, config: InteractConfig, budget: SamplingBudget, clouds: Clouds
) -> Estimates:
    device = choose_device(config.device)
    rows: list[tuple[int, shapley.SampledShapley, pairs.SampledPairs]] = []
    with measuring(network, device), progress.bar(f"{name}, estimates", len(clouds.label)) as line:
        xyz, region = (torch.from_numpy(part).to(device) for part in (clouds.xyz, clouds.region))
        check_steady(network, xyz[:2], name)
        own: Any = getattr(network, "classes", ())
        names, width = tuple(own) if isinstance(own, tuple | list) else (), logits_of(network, xyz[:1]).shape[1]
        check_classes(name, width, names, dataset.name, dataset.classes, int(clouds.label.max()))
        quick = config.max_pooled and max_pooled.agrees(network, xyz[0], region[0], config)
        for row, label in enumerate(clouds.label):
            logits_fn = _logits_fn(network, xyz[row], region[row], config, quick=quick)
            predicted = int(logits_fn(torch.ones(1, config.regions, dtype=torch.bool, device=device)).argmax())
            target = predicted if config.target == "predicted" else int(label)
            rows.append(
                (
                    predicted,
                    *_sample(logits_fn, target, config, budget, row, f"{name}, cloud {clouds.index[row]}", device),
                )
            )
            line.advance()
    strengths = [one.strength() for _, _, one in rows]
    return Estimates(
        network=name,
        label=clouds.label,
        predicted=np.array([one for one, _, _ in rows]),
        shapley=_stack([one.value for _, one, _ in rows]),
        shapley_error=_stack([one.error for _, one, _ in rows]),
        size=rows[0][2].size,
        pair_strength=_stack([mean for mean, _ in strengths]),
        pair_error=_stack([error for _, error in strengths]),
        shapley_converged=np.array([one.converged() for _, one, _ in rows]),
        pairs_converged=np.array([one.converged() for _, _, one in rows]),
    )


def _sample(
    logits_fn: LogitsFn,
    label: int,
    config: InteractConfig,
    budget: SamplingBudget,
    row: int,
    where: str,
    device: torch.device,
) -> tuple[shapley.SampledShapley, pairs.SampledPairs]:
    """Return both estimates of one cloud; its samples are those of every other network."""

    def game(kept: Bool[Tensor, "c r"]) -> Float[Tensor, "c"]:
        return scored(logits_fn, kept, label, config, where)

    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + row)
    r = config.regions
    values = shapley.sampled_shapley(game, r, orders=budget.orders, generator=generator, device=device)
    both = pairs.sampled_pairs(
        game, r, pairs=budget.pairs, contexts=budget.contexts, generator=generator, device=device
    )
    return values, both


def _logits_fn(network: nn.Module, xyz: Tensor, region: Tensor, config: InteractConfig, *, quick: bool) -> LogitsFn:
    found = max_pooled.parts(network) if quick else None
    return (
        masked_logits(network, xyz, region, config)
        if found is None
        else max_pooled.MaxPooledLogits(*found, xyz, region, config)
    )


def _stack(rows: list[Tensor]) -> Float64[np.ndarray, "m k"]:
    return np.stack([row.cpu().numpy() for row in rows])
