"""Is the run still healthy? Stops on NaN and divergence, warns when the features collapse."""

import math
import shlex
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones import Backbone
from pointssl.errors import TrainingStopped
from pointssl.files import atomic_folder, remove_folder, write_json
from pointssl.runs import layout
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.weights import optimizer_tensors, write_tensors
from pointssl.train.loop import Step
from pointssl.train.state import TrainingState

_EARLY = 20
_MEMORY = 0.9


@final
class LossWatch:
    """Says why training should stop, if it should.

    The first 20 losses give a level and a spread; the run has diverged when the smoothed loss lies `limit` spreads
    above that level. The spread counts as at least a tenth of the level, so that a smooth start does not stop a run.
    """

    def __init__(self, limit: float, figures: dict[str, float] | None = None) -> None:
        """Watch with the given limit (0 watches for NaN only), going on from the `figures` of a checkpoint."""
        self._limit = limit
        self.figures = {"count": 0.0, "sum": 0.0, "squares": 0.0, "smooth": 0.0} | (figures or {})
        """All that the watch remembers; kept in checkpoints."""

    def fault(self, step: Step) -> str | None:
        """Return what is wrong with `step`, or None."""
        if not math.isfinite(step.loss):
            return f"the loss became {step.loss}"
        if not step.applied:
            return f"the gradient became {step.grad_norm} (the loss was {step.loss:.4g})"
        now = self.figures
        if now["count"] < _EARLY:
            now["count"] += 1
            now["sum"] += step.loss
            now["squares"] += step.loss**2
            now["smooth"] = now["sum"] / now["count"]
            return None
        now["smooth"] += (1 - _MEMORY) * (step.loss - now["smooth"])
        level = now["sum"] / _EARLY
        spread = max(math.sqrt(max(0.0, now["squares"] / _EARLY - level**2)), 0.1 * abs(level), 1e-3)
        if self._limit and now["smooth"] > level + self._limit * spread:
            return f"the loss diverged to {now['smooth']:.4g} from {level:.4g} at the start"
        return None


def stop(
    reason: str, step: Step, state: TrainingState, config: PretrainConfig, run: Path, rank: int = 0
) -> TrainingStopped:
    """Keep the evidence (batch, weights, reason) in the run's `failure/` and return the error to raise.

    The weights are those that met the batch where the fault was NaN (the running statistics of the norms have then
    met it too), those after it where the loss diverged. Each process keeps its own batch: `failure/`,
    `failure-rank-1/` and so on.
    """
    folder = run / (f"{layout.FAILURE}-rank-{rank}" if rank else layout.FAILURE)
    if folder.exists():  # from an earlier attempt at the same run
        remove_folder(folder)
    message = (
        f"training stopped at step {step.index + 1}: {reason}; the batch and the weights are in {folder}, earlier "
        f"checkpoints in {run / layout.CHECKPOINTS}; the same settings would come to the same end: go on from the last "
        "weights with a lower optim.lr, optim.clip 1 or precision float32: "
        f"pointssl pretrain RECIPE --init-from {shlex.quote(str(run))} --out NEW --optim.lr {config.optim.lr / 10:g}"
    )
    with atomic_folder(folder) as partial:
        batch = {f"xyz.{part}": b.xyz for part, b in enumerate(step.batches)}
        batch |= {f"index.{part}": b.index for part, b in enumerate(step.batches) if b.index is not None}
        write_tensors(partial / "batch.safetensors", batch)
        write_tensors(partial / layout.WEIGHTS, state.method.state_dict())
        write_tensors(partial / layout.OPTIMIZER, optimizer_tensors(state.optimizer, state.names()))
        write_json(partial / layout.CONFIG, to_json(config))
        reasons: dict[str, Any] = {"step": step.index + 1, "reason": reason, "weights_updated": step.applied}
        write_json(partial / "reason.json", reasons | {"loss": str(step.loss), "grad_norm": str(step.grad_norm)})
    return TrainingStopped(message)


def effective_rank(features: Float[Tensor, "b e"]) -> float:
    """Number of directions that the centred features spread over: exp of the entropy of their singular values.

    Between 1 (all on a line; also where all are equal) and min(b - 1, e). Source: O. Roy, M. Vetterli, "The Effective
    Rank: A Measure of Effective Dimensionality", EUSIPCO 2007.
    """
    centred = features.double() - features.double().mean(dim=0)
    values = torch.linalg.svdvals(centred)
    if not values.sum() > 0:
        return 1.0
    return float(torch.special.entr(values / values.sum()).sum().exp())


def spread(features: Float[Tensor, "b e"]) -> float:
    """Mean standard deviation of a feature over the clouds, in the feature's own units."""
    return float(features.double().std(dim=0).mean())


@final
class CollapseMonitor:
    """Looks at the pooled features of the same few clouds again and again, and warns when they grow alike."""

    def __init__(self, clouds: Float[Tensor, "b n 3"]) -> None:
        self._clouds = clouds
        self._best = {"effective_rank": 0.0, "feature_std": 0.0}
        self._warned = False

    @torch.no_grad()
    def look(self, backbone: Backbone) -> dict[str, float]:
        """Return `effective_rank` and `feature_std`; the backbone is left in the mode it was in."""
        training = backbone.training
        backbone.eval()
        pooled = backbone(self._clouds).pooled.float().cpu()
        backbone.train(training)
        if not pooled.isfinite().all():
            return {"effective_rank": math.nan, "feature_std": math.nan}
        return {"effective_rank": effective_rank(pooled), "feature_std": spread(pooled)}

    def warning(self, seen: dict[str, float]) -> str | None:
        """Return one line when a figure falls under a tenth of its best, once for each fall."""
        fallen = [name for name, best in self._best.items() if seen[name] < 0.1 * best]
        self._best = {name: max(best, seen[name]) for name, best in self._best.items()}
        if not fallen:
            self._warned = False
            return None
        if self._warned:
            return None
        self._warned = True
        figures = ", ".join(f"{name} {seen[name]:.3g} (was {self._best[name]:.3g})" for name in fallen)
        return f"the features are collapsing: {figures}; different clouds give ever more alike features"
