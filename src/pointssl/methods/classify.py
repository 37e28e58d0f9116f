"""Supervised classification: an encoder and a small network on its pooled feature learn the classes of labelled clouds.

It is no pretext task, but it trains on the same engine: exact resume, checkpoints, records. The interaction loss
(`interaction.py`) can be added to it.

Source: the head is that of C. R. Qi et al., "PointNet", CVPR 2017, and Y. Wang et al., "Dynamic Graph CNN for Learning
on Point Clouds", TOG 2019. Differs: one head for all encoders, so that arms differ in nothing but the encoder.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.backbones.max_pooled import pools_by_max
from pointssl.methods.base import MethodConfig, PretextMethod
from pointssl.methods.interaction import (
    InteractionConfig,
    InteractionLoss,
    logits_fn_of,
    logits_fn_of_max_pooled,
)
from pointssl.ops.batch_rng import Draws
from pointssl.ops.classification import smoothed_cross_entropy
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyConfig(MethodConfig):
    """Settings of supervised classification."""

    classes: int = 0
    """Number of classes; 0 takes the data's."""
    hidden: tuple[int, ...] = (512, 256)
    """Widths of the classifier between the pooled feature and the classes; linear, batch norm, ReLU, dropout."""
    dropout: float = 0.5
    """Share of classifier activations set to zero in training."""
    label_smoothing: float = 0.0
    """The target is 1 - this on the class and shares this among the others; the interaction loss wants 0."""
    interaction: InteractionConfig | None = None
    """The interaction loss; none without."""

    def __post_init__(self) -> None:
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes must be at least 2, or 0 for the data's, got {self.classes}")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden must be positive widths, got {self.hidden}")
        for name, share in (("dropout", self.dropout), ("label_smoothing", self.label_smoothing)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {share}")


@final
class CloudClassifier(nn.Module):
    """An encoder and a head on its pooled feature: clouds in, logits out."""

    def __init__(self, backbone: Backbone, head: nn.Module, classes: tuple[str, ...] = ()) -> None:
        """Put them together; `classes` are the names in the order of the logits, empty where they have none."""
        super().__init__()
        self.backbone, self.head, self.classes = backbone, head, classes

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b k"]:
        """Return the logits of every cloud."""
        logits: Tensor = self.head(self.backbone(xyz).pooled)
        return logits


@final
class Classify(PretextMethod):
    """The loss is in nats; batches must carry labels."""

    def __init__(self, backbone: Backbone, config: ClassifyConfig) -> None:
        super().__init__()
        if config.classes < 2:
            raise ValueError(f"classes must be at least 2 for a classifier, got {config.classes}; set method.classes")
        self.backbone, self.config = backbone, config
        self.head = mlp((backbone.pooled_dim, *config.hidden, config.classes), config.dropout)
        self.interaction = None if config.interaction is None else InteractionLoss(config.interaction)

    def logits(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b k"]:
        """Return the logits of every cloud."""
        logits: Tensor = self.head(self.backbone(xyz).pooled)
        return logits

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; the masked clouds of the interaction loss come after it, with the statistics it left."""
        if batch.label is None:
            raise ValueError("batch must carry labels for classification; give labelled clouds")
        logits, label = self.logits(batch.xyz), batch.label.long()
        with torch.autocast(logits.device.type, enabled=False):
            loss = smoothed_cross_entropy(logits, label, self.config.label_smoothing)
        right = (logits.detach().argmax(dim=1) == label).float().mean()
        logs = {"cross_entropy": loss.detach(), "train_accuracy": right}
        if self.interaction is not None:
            config = self.interaction.config
            fast = config.max_pooled and pools_by_max(self.backbone)
            logits_fn = (
                logits_fn_of_max_pooled(self.backbone, self.head)
                if fast
                else logits_fn_of(CloudClassifier(self.backbone, self.head))
            )
            added, more = self.interaction(logits_fn, batch.xyz, label, Draws.of_process(generator, len(label)))
            loss = loss if added is None else loss + added
            logs |= more
        return StepOutput(loss=loss, logs=logs)

    def after_step(self, progress: float) -> None:
        """Let the weight of the interaction loss follow its ramp."""
        if self.interaction is not None:
            self.interaction.after_step(progress)
