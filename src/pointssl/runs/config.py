"""Everything that decides what a pre-training run computes, and its one strict form in JSON.

A run's `config.json` is written from these settings and read back by `from_json`, which refuses what it does not know:
a misspelt setting must never be silently the default.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from tyro.conf import arg

from pointssl.backbones import BackboneConfig, PointNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.methods import MethodConfig, ParAEConfig
from pointssl.runs import strict_json
from pointssl.settings import require_finite


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which clouds are read, and how they become batches."""

    source: str | None = None
    """A store, folder or file, `generated:unions`, `mix:SET=WEIGHT,...`, `synthetic`, or NAME:PATH of a known set; None
    where the clouds were passed as an object."""
    split: str = "all"
    """Which part of the data set: all, or one of its splits, such as train."""
    reading: Annotated[ReadConfig, arg(name="")] = field(default_factory=ReadConfig)
    """How clouds are read; their points are drawn afresh every epoch."""
    batch_size: int = 32
    """Clouds per step and process."""
    views: str | None = None
    """Rendered views of the same objects (`pointssl data views`), for methods that use them; None draws the points."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the clouds."""
    workers: int = 1
    """Threads that prepare batches while the network trains; 0 prepares them in between."""

    def __post_init__(self) -> None:
        for name, value, least in (("batch_size", self.batch_size, 1), ("workers", self.workers, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """Settings of the optimiser."""

    kind: Literal["adamw", "adam", "sgd"] = "adam"
    """Optimiser; adamw keeps the weight decay apart from the gradient."""
    lr: float = 1e-3
    """Learning rate after the warm-up."""
    final_lr: float = 0.0
    """Learning rate that the cosine ends at, and that the steps do not go below."""
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """Learning-rate schedule after the warm-up."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises in a straight line from 0."""
    warmup_epochs: float = 0.0
    """The same in epochs, for recipes that are meant for data of any size; give one of the two."""
    step_epochs: float = 20.0
    """Epochs between two cuts of the learning rate, for the schedule `step`."""
    step_factor: float = 0.7
    """Factor of each cut, for the schedule `step`."""
    weight_decay: float = 0.0
    """Weight decay; biases and norms are left out."""
    momentum: float = 0.9
    """Momentum of sgd."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Betas of adam and adamw."""
    clip: float | None = None
    """Largest norm of the whole gradient; longer ones are scaled down."""
    accumulate: int = 1
    """Batches whose gradients are averaged before each update."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.lr <= 0:
            raise ValueError(f"lr must be positive, got {self.lr}")
        if not 0 <= self.final_lr <= self.lr:
            raise ValueError(f"final_lr must be 0 to lr ({self.lr}), got {self.final_lr}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, got {self.warmup_steps}")
        if self.warmup_epochs < 0:
            raise ValueError(f"warmup_epochs must be at least 0, got {self.warmup_epochs}")
        if self.warmup_steps and self.warmup_epochs:
            raise ValueError(
                f"warmup_epochs must be 0 where warmup_steps is given ({self.warmup_steps}), got {self.warmup_epochs}"
            )
        if self.step_epochs <= 0:
            raise ValueError(f"step_epochs must be positive, got {self.step_epochs}")
        if not 0 < self.step_factor <= 1:
            raise ValueError(f"step_factor must be above 0 and at most 1, got {self.step_factor}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if not all(0 <= beta < 1 for beta in (self.momentum, *self.betas)):
            raise ValueError(f"momentum and betas must be 0 to 1, 1 excluded, got {self.momentum}, {self.betas}")
        if self.clip is not None and self.clip <= 0:
            raise ValueError(f"clip must be positive, got {self.clip}")
        if self.accumulate < 1:
            raise ValueError(f"accumulate must be at least 1, got {self.accumulate}")


BUDGETS = ("epochs", "clouds_seen", "minutes", "steps")
"""Settings that say how long a run is; each overrides those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """Settings of one pre-training run."""

    method: MethodConfig = field(default_factory=ParAEConfig)
    """The pretext task."""
    backbone: BackboneConfig = field(default_factory=PointNetConfig)
    """The encoder."""
    data: DataConfig = field(default_factory=DataConfig)
    """The clouds."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """The optimiser."""
    epochs: float = 25.0
    """Training epochs, where no other budget is given; data without an end needs one."""
    clouds_seen: float | None = None
    """Clouds that the whole run sees, such as 1.4e6; overrides `epochs`."""
    minutes: float | None = None
    """Time that the run may take: the first steps are measured, the schedule fits itself; overrides the two above."""
    steps: int | None = None
    """Number of updates; overrides all other budgets."""
    seed: int = 0
    """Decides the first weights, the order of the clouds, their points and all other chance."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """Precision of the network's products; weights and losses are float32 in all. auto is decided at the start: bf16
    where the processor or GPU computes in it, else float32; the run keeps what was decided."""
    compile: bool = False
    """Let torch compile the step: worth it for runs of minutes."""
    ema: float | None = None
    """Memory of a running average of the weights, such as 0.999, which then becomes the encoder; none without."""
    checkpoint_every: int = 500
    """Steps between two checkpoints; the last two are kept."""
    keep_checkpoints_at: tuple[float, ...] = ()
    """Training fractions (0 start, 1 end) at which a checkpoint is kept for later studies."""
    log_every: int = 10
    """Steps between two lines of the metrics."""
    monitor_every: int = 200
    """Steps between two looks at the spread of the pooled feature; 0 never looks."""
    divergence_threshold: float = 20.0
    """Stop when the smoothed loss lies this many early spreads above the early loss; 0 never stops."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.epochs <= 0:
            raise ValueError(f"epochs must be positive, got {self.epochs}")
        for name, budget in (("clouds_seen", self.clouds_seen), ("minutes", self.minutes)):
            if budget is not None and not 0 < budget < float("inf"):
                raise ValueError(f"{name} must be positive, got {budget}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must be between 0 and 1, got {self.ema}")
        for name, value, least in (
            ("checkpoint_every", self.checkpoint_every, 1),
            ("log_every", self.log_every, 1),
            ("monitor_every", self.monitor_every, 0),
            ("divergence_threshold", self.divergence_threshold, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not all(0 <= part <= 1 for part in self.keep_checkpoints_at):
            raise ValueError(f"keep_checkpoints_at must be training fractions, 0 to 1, got {self.keep_checkpoints_at}")

    def total_steps(self, steps_per_epoch: int, clouds_per_step: int) -> int:
        """Return the number of updates of the whole run, given the batches of one epoch and the clouds of one batch.

        `minutes` is not looked at: how many steps they are has to be measured (`train/budget.py`).
        """
        if self.steps is not None:
            return self.steps
        if self.clouds_seen is not None:
            return int(self.clouds_seen // (clouds_per_step * self.optim.accumulate))
        return max(1, round(self.epochs * steps_per_epoch / self.optim.accumulate))


def to_json(config: PretrainConfig) -> dict[str, Any]:
    """Return `config` as plain JSON values; the method and the backbone carry their `kind`."""
    return strict_json.unstructure(config)


def from_json(value: Any, where: str = "settings") -> PretrainConfig:
    """Read what `to_json` wrote; raises `SettingError` for an unknown, missing or impossible setting in `where`."""
    return strict_json.structure(value, PretrainConfig, where)
