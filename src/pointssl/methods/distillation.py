"""Self-distillation: copies and small local crops of a cloud must be sorted as a teacher sorts its large crops.

Source: M. Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO), ICCV 2021, on clouds: the
invariance half of R. F. Leijenaar, H. Kasaei, "Asymmetric Dual Self-Distillation for 3D Self-Supervised Representation
Learning" (AsymDSD), NeurIPS 2025 (docs/methods/distillation.md).
"""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment, local_crop
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.methods.teacher import follow, match, momentum_at, teacher_of
from pointssl.ops import distributed
from pointssl.ops.batch_rng import Draws
from pointssl.ops.contrastive import unit
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationConfig(MethodConfig):
    """Settings of self-distillation."""

    prototypes: int = 4096
    """Directions among which a cloud is shared out."""
    hidden: int = 1024
    """Width of the two hidden layers of the head."""
    bottleneck: int = 64
    """Width of the space in which clouds and prototypes are compared."""
    student_temperature: float = 0.1
    """Of the student's softmax: cosines are divided by it."""
    teacher_temperature: float = 0.05
    """Of the teacher's; a lower one sharpens what is aimed at."""
    centring: float = 0.9
    """Memory of the running mean that is taken from the teacher's scores."""
    momentum: float = 0.996
    """Of the teacher at the beginning; it rises to 1."""
    local_crops: int = 4
    """Small neighbourhoods of each cloud that the student alone sees; 0 leaves them out."""
    local_share: float = 0.25
    """Share of the points that a local crop holds; its cost falls with it."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(tilt=0.1, scale=(0.8, 1.25), shift=0.05, jitter=0.01, dropout=0.5)
    )
    """Random changes of every copy, each drawn on its own, gentle ones: what an untrained teacher says of a cloud must
    survive them. Local crops are spared `crop` and `region`."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.prototypes < 2:
            raise ValueError(f"prototypes must be at least 2, got {self.prototypes}")
        if min(self.hidden, self.bottleneck) < 1:
            raise ValueError(f"hidden and bottleneck must be at least 1, got {self.hidden} and {self.bottleneck}")
        if min(self.student_temperature, self.teacher_temperature) <= 0:
            raise ValueError(
                "student_temperature and teacher_temperature must be positive, got "
                f"{self.student_temperature} and {self.teacher_temperature}"
            )
        for name, share in (("centring", self.centring), ("momentum", self.momentum)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {share}")
        if self.local_crops < 0:
            raise ValueError(f"local_crops must be at least 0, got {self.local_crops}")
        if not 0 < self.local_share <= 1:
            raise ValueError(f"local_share must be above 0 and at most 1, got {self.local_share}")


@final
class Distillation(PretextMethod):
    """The loss is a mean cross-entropy in nats, at least the teacher's entropy."""

    figures: ClassVar = (
        Figure("disagreement", "Student against teacher", "nats above the teacher's entropy"),
        Figure("teacher_entropy", "How undecided the teacher is", "nats"),
        Figure("used", "Prototypes that the teacher uses in a batch", "exp of the entropy of its mean"),
    )
    centre: Tensor

    def __init__(self, backbone: Backbone, config: DistillationConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.head = PrototypeHead(backbone.pooled_dim, config.hidden, config.bottleneck, config.prototypes)
        self.teacher, self.teacher_head = teacher_of(backbone), teacher_of(self.head)
        self.register_buffer("centre", torch.zeros(config.prototypes))

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch."""
        config = self.config
        draws = Draws.of_process(generator, len(batch.xyz))
        large = torch.cat([augment(batch.xyz, config.augment, draws) for _ in range(2)])
        least = self.backbone.min_points
        small = [
            local_crop(batch.xyz, config.local_share, least, config.augment, draws) for _ in range(config.local_crops)
        ]
        said = [self.head(self.backbone(large).pooled)]
        if small:
            said.append(self.head(self.backbone(torch.cat(small)).pooled))
        with torch.no_grad():
            scores = self.teacher_head(self.teacher(large).pooled).float()
        with torch.autocast(scores.device.type, enabled=False):
            target = torch.softmax((scores - self.centre) / config.teacher_temperature, dim=-1)
            student = torch.cat(said).float() / config.student_temperature
            loss = cross_entropies(target, student.log_softmax(dim=-1), len(batch.xyz)).mean()
            undecided = torch.special.entr(target).sum(dim=-1).mean()
            used = torch.special.entr(target.mean(dim=0)).sum().exp()
        if self.training:
            world = distributed.world()
            self.centre.lerp_(distributed.total(scores.mean(dim=0), world) / world, 1 - config.centring)
        logs = {"disagreement": loss.detach() - undecided, "teacher_entropy": undecided, "used": used}
        return StepOutput(loss=loss, logs=logs)

    def after_step(self, progress: float) -> None:
        """Let the teacher follow."""
        momentum = momentum_at(progress, self.config.momentum)
        follow(self.teacher, self.backbone, momentum)
        follow(self.teacher_head, self.head, momentum)

    def after_load(self) -> None:
        """Let the teacher begin where the encoder does."""
        match(self.teacher, self.backbone)


def cross_entropies(
    target: Float[Tensor, "t k"], logarithm: Float[Tensor, "s k"], clouds: int
) -> Float[Tensor, " pairs"]:
    """Return the mean cross-entropy over the clouds for every pair of a target crop and another crop.

    Rows are crops one after the other, all clouds of each; target crop i and crop i are the same copy, and no pair.
    """
    wanted, said = target.unflatten(0, (-1, clouds)), logarithm.unflatten(0, (-1, clouds))
    pairs = [(i, j) for i in range(len(wanted)) for j in range(len(said)) if i != j]
    return torch.stack([-(wanted[i] * said[j]).sum(dim=-1).mean() for i, j in pairs])


@final
class PrototypeHead(nn.Module):
    """Three layers to a vector of length 1, and its cosines with directions that are learned.

    Batch norm between the layers tells clouds apart from the first step on; without it all of them begin at nearly the
    same scores, and taking the teacher's mean away leaves it undecided for good.
    """

    def __init__(self, in_dim: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.layers = mlp((in_dim, hidden, hidden, bottleneck))
        self.prototypes = nn.Parameter(torch.randn(prototypes, bottleneck) / bottleneck**0.5)

    def forward(self, pooled: Float[Tensor, "b e"]) -> Float[Tensor, "b k"]:
        """Return the cosine with every prototype."""
        with torch.autocast(pooled.device.type, enabled=False):
            return unit(self.layers(pooled.float())) @ unit(self.prototypes).mT
