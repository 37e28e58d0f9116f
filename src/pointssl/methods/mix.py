"""Several pretext tasks on one encoder in one run: the loss is their weighted sum.

Source: C. Doersch, A. Zisserman, "Multi-task Self-Supervised Visual Learning", ICCV 2017: one trunk, a head for each
task. Differs: every batch goes through every task (docs/methods/mix.md).
"""

from dataclasses import dataclass, field
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.errors import SettingError
from pointssl.methods.base import Explanation, Figure, MethodConfig, PretextMethod, SeenViews
from pointssl.methods.contrast import ContrastConfig
from pointssl.methods.parae import ParAEConfig
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class MixConfig(MethodConfig):
    """Settings of a mix."""

    tasks: tuple[MethodConfig, ...] = field(default_factory=lambda: (ParAEConfig(), ContrastConfig()))
    """The tasks, each with settings of its own."""
    weights: tuple[float, ...] = (1.0, 1.0)
    """What the loss of each task is multiplied by; losses have units of their own (nats, radii)."""

    def __post_init__(self) -> None:
        require_finite(self)
        if len(self.tasks) < 2:
            raise ValueError(f"tasks must be at least 2, got {len(self.tasks)}")
        if len(self.weights) != len(self.tasks):
            raise ValueError(f"weights must be one for each of {len(self.tasks)} tasks, got {len(self.weights)}")
        if min(self.weights) <= 0:
            raise ValueError(f"weights must be positive, got {self.weights}; leave out a task that is not wanted")


@final
class Mix(PretextMethod):
    """The loss is the weighted sum; figures of a task carry its place and name, as in `1-contrast.copies`."""

    def __init__(self, backbone: Backbone, config: MixConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.names = names(config)
        self.tasks = nn.ModuleList(_around(backbone, one) for one in config.tasks)
        self.min_points = max(task.min_points for task in self._all())
        with_views = {name: task for name, task in zip(self.names, self._all(), strict=True) if task.views}
        kinds = {name: task.view_kind for name, task in with_views.items()}
        if len(set(kinds.values())) > 1:
            told = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
            raise SettingError(f"the tasks of a mix get the same views, but want different ones: {told}; set one kind")
        self.views = max((task.views for task in with_views.values()), default=0)
        self.view_kind = next(iter(kinds.values()), None)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch by every task in turn."""
        loss, logs = torch.zeros((), device=batch.xyz.device), {}
        for name, weight, task in zip(self.names, self.config.weights, self._all(), strict=True):
            output: StepOutput = task(batch, generator)
            loss = loss + weight * output.loss
            logs[f"{name}.loss"] = output.loss.detach()
            logs |= {f"{name}.{key}": value for key, value in output.logs.items()}
        return StepOutput(loss=loss, logs=logs)

    def explain(self, xyz: Float[Tensor, "1 n 3"]) -> Explanation:
        """Return what the first task that divides shapes into parts says, or else the first."""
        found = [task.explain(xyz) for task in self._all()]
        return next((one for one in found if one.mixture is not None), found[0])

    def see_views(self, batch: CloudBatch, draws: Draws) -> SeenViews:
        """Return the views of the task that works with most of them."""
        return max(self._all(), key=lambda task: task.views).see_views(batch, draws)

    def warning(self) -> str | None:
        """Return the first warning of a task."""
        return next((said for task in self._all() if (said := task.warning())), None)

    def after_step(self, progress: float) -> None:
        """Let teachers and ramps of all tasks follow."""
        for task in self._all():
            task.after_step(progress)

    def after_load(self) -> None:
        """Let teachers of all tasks begin where the encoder does."""
        for task in self._all():
            task.after_load()

    @classmethod
    def curves(cls, config: MethodConfig) -> tuple[Figure, ...]:
        """Return the loss of every task, and its own figures."""
        from pointssl.methods import figures_of

        found: list[Figure] = []
        for name, one in zip(names(cast(MixConfig, config)), cast(MixConfig, config).tasks, strict=True):
            found.append(Figure(f"{name}.loss", f"{name}: loss", "unit of the task"))
            found += [
                Figure(f"{name}.{f.key}", f"{name}: {f.title}", f.unit, logarithmic=f.logarithmic)
                for f in figures_of(one)
            ]
        return tuple(found)

    def _all(self) -> list[PretextMethod]:
        return [cast(PretextMethod, task) for task in self.tasks]


def names(config: MixConfig) -> list[str]:
    """Return what the tasks are called: their place and name; raises `SettingError` for what is no pretext task."""
    from pointssl.methods import METHODS  # which lists this one as well

    found = []
    for place, one in enumerate(config.tasks):
        name = next((name for name, (settings, _) in METHODS.items() if settings is type(one)), None)
        if name is None or isinstance(one, MixConfig):
            raise SettingError(
                f"task {place} of the mix is {type(one).__name__}, but must be the settings of a pretext task, none "
                "that learns from labels and no other mix"
            )
        found.append(f"{place}-{name}")
    return found


def _around(backbone: Backbone, config: MethodConfig) -> PretextMethod:
    """Return a task around an encoder that it uses but does not own, so that a checkpoint holds its weights once."""
    from pointssl.methods import build_method

    task = build_method(config, backbone)
    del task._modules["backbone"]
    task.__dict__["backbone"] = backbone
    return task
