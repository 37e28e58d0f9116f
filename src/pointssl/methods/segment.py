"""Supervised segmentation: an encoder and a head on its features learn which part, or class, every point is of.

It is no pretext task, but it trains on the same engine as all of them. The head sees the point, its whole cloud and,
where clouds have classes of their own, the class as a one-hot vector.

Source: the head is that of C. R. Qi et al., "PointNet", CVPR 2017, and Y. Wang et al., "Dynamic Graph CNN for Learning
on Point Clouds", TOG 2019. Differs: one head for all encoders, so that arms differ in nothing but the encoder; DGCNN's
has a layer of its own for the class.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.heads import PointHead
from pointssl.methods.base import MethodConfig, PretextMethod
from pointssl.ops.classification import smoothed_cross_entropy
from pointssl.types import CloudBatch, Features, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentConfig(MethodConfig):
    """Settings of supervised segmentation."""

    parts: int = 0
    """Number of parts or classes of points; 0 takes the data's."""
    categories: int | None = None
    """Classes of clouds that the head is told of, one-hot; None takes the data's, 0 leaves them out."""
    hidden: tuple[int, ...] = (512, 256, 128)
    """Widths of the layers between the features and the scores of the parts."""
    dropout: float = 0.5
    """Share of the activations before the last layer set to zero in training."""
    label_smoothing: float = 0.0
    """The target is 1 - this on the part and shares this among the others."""
    frozen: bool = False
    """Train the head alone, on the features of an encoder that stays as it is."""
    point_fraction: float = 1.0
    """Part of the points of every training cloud whose labels are known, at least one each."""
    votes: int = 1
    """Passes over every test cloud, its points dealt afresh, whose probabilities are averaged."""

    def __post_init__(self) -> None:
        if self.parts < 0 or self.parts == 1:
            raise ValueError(f"parts must be at least 2, or 0 for the data's, got {self.parts}")
        if self.categories is not None and self.categories < 0:
            raise ValueError(f"categories must be at least 0, got {self.categories}")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must be positive widths, at least one, got {self.hidden}")
        for name, share in (("dropout", self.dropout), ("label_smoothing", self.label_smoothing)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {share}")
        if self.votes < 1:
            raise ValueError(f"votes must be at least 1, got {self.votes}")
        if not 0 < self.point_fraction <= 1:
            raise ValueError(f"point_fraction must be in (0, 1], got {self.point_fraction}")


@final
class PointSegmenter(nn.Module):
    """An encoder and a head on its features: clouds in, one row of logits per point out."""

    def __init__(
        self,
        backbone: Backbone,
        head: PointHead,
        categories: int,
        parts: tuple[str, ...] = (),
        allowed: Bool[np.ndarray, "c p"] | None = None,
    ) -> None:
        """Put them together; `parts` are the names in the order of the logits, `allowed` those of each class."""
        super().__init__()
        self.backbone, self.head, self.categories, self.parts, self.allowed = (
            backbone, head, categories, parts, allowed,
        )  # fmt: skip

    def forward(self, xyz: Float[Tensor, "b n 3"], category: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b n k"]:
        """Return the logits of every point; `category` is the class of each cloud, where the head is told of it."""
        return self.scored(self.backbone(xyz), category)

    def scored(self, features: Features, category: Int[Tensor, "b"] | None) -> Float[Tensor, "b n k"]:
        """Return the logits that belong to features."""
        pooled = features.pooled
        if self.categories:
            if category is None:
                raise ValueError("category must be given: this segmenter was trained with the class of every cloud")
            told = nn.functional.one_hot(category.long(), self.categories).to(pooled.dtype)
            pooled = torch.cat([pooled, told], dim=1)
        logits: Tensor = self.head(Features(points=features.points, pooled=pooled))
        return logits


@final
class Segment(PretextMethod):
    """The loss is in nats per labelled point; batches must carry point labels, -1 for points without one."""

    def __init__(self, backbone: Backbone, config: SegmentConfig) -> None:
        super().__init__()
        if config.parts < 2 or config.categories is None:
            raise ValueError(
                f"parts must be at least 2 and categories a number for a segmenter, got {config.parts} and "
                f"{config.categories}; set method.parts and method.categories"
            )
        self.backbone, self.config = backbone, config
        width = backbone.pooled_dim + config.categories
        self.head = PointHead(backbone.point_dim, width, config.parts, config.hidden, dropout=config.dropout)
        if config.frozen:
            backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "Segment":
        """Set the mode; a frozen encoder stays in evaluation, with the statistics that it has."""
        super().train(mode)
        if self.config.frozen:
            self.backbone.eval()
        return self

    def segmenter(self, parts: tuple[str, ...] = (), allowed: Bool[np.ndarray, "c p"] | None = None) -> PointSegmenter:
        """Return the network, with these very weights and in this mode."""
        assert self.config.categories is not None
        network = PointSegmenter(self.backbone, self.head, self.config.categories, parts, allowed)
        network.training = self.training  # a wrapper is born in training mode; its parts keep theirs
        return network

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:  # noqa: ARG002
        """Score the labelled points of one batch."""
        if batch.point_label is None:
            raise ValueError("batch must carry point labels for segmentation; give clouds with labelled points")
        logits = self.segmenter()(batch.xyz, batch.label)
        known = batch.point_label >= 0
        label, logits = batch.point_label[known].long(), logits[known]
        with torch.autocast(logits.device.type, enabled=False):
            if len(label):
                loss = smoothed_cross_entropy(logits, label, self.config.label_smoothing)
                right = (logits.detach().argmax(dim=1) == label).float().mean()
            else:  # few labels, and this batch has drawn none of them
                loss, right = logits.float().sum(), torch.zeros((), device=logits.device)
        return StepOutput(loss=loss, logs={"cross_entropy": loss.detach(), "train_accuracy": right})
