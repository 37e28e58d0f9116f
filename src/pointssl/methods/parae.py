"""ParAE: a cloud must be explained by the Gaussian mixture that its own soft partition implies.

Source: B. Eckart, W. Yuan, C. Liu, J. Kautz, "Self-Supervised Learning on 3D Point Clouds by Learning Discrete
Generative Models", CVPR 2021. The paper gives neither a floor on the covariances nor the head's widths; both are ours
(docs/methods/parae.md). The loss is the mean over points, a constant factor away from the paper's sum.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.heads import PointHead
from pointssl.methods.base import Explanation, Figure, MethodConfig, PretextMethod
from pointssl.ops import mixture
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, Features, StepOutput

FLOAT32_FLOOR = 5e-5
"""Floors below this, in squared radii of the largest cloud of a batch, are computed in float64: in float32 the moments
would lose more than a thousandth of a nat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParAEConfig(MethodConfig):
    """Settings of the ParAE pretext task."""

    components: int = 32
    """Gaussians in the bottleneck (J in the paper), at least 2."""
    floor: float = 1e-4
    """Variance added to every axis of every Gaussian, in squared cloud radii; the loss depends on it."""
    covariance: mixture.Covariance = "full"
    """Shape of the Gaussians; the paper's is full."""
    head: tuple[int, ...] = (512, 256, 128)
    """Widths of the layers between the features and the logits."""
    point_features: bool = True
    """Give the head every point's own feature, as in the paper; without them it has the coordinates and z alone."""
    held_out: bool = False
    """Show the network a random half of the points, fit the mixture on them, and score the other half; ours."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.components < 2:
            raise ValueError(f"components must be at least 2, got {self.components}")
        if self.floor <= 0:
            raise ValueError(f"floor must be positive, got {self.floor}; flat parts have no inverse without it")
        if not self.head or min(self.head) < 1:
            raise ValueError(f"head must be positive widths, at least one, got {self.head}")


@final
class ParAE(PretextMethod):
    """Predicts the soft partition; the loss is the mean negative log likelihood per point, in nats."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("nll", "Negative log likelihood", "nats per point"),
        Figure("effective_components", "Components in use", "components"),
        Figure("mean_max_assignment", "Assignment confidence", "largest share, mean"),
        Figure("smallest_variance", "Smallest variance of a component", "squared radii", logarithmic=True),
    )

    def __init__(self, backbone: Backbone, config: ParAEConfig) -> None:
        super().__init__()
        self.backbone = backbone
        point_dim = backbone.point_dim if config.point_features else 3
        if config.held_out:
            self.min_points = 2 * backbone.min_points
        self.head = PointHead(point_dim, backbone.pooled_dim, config.components, config.head)
        self.config = config

    def partition_logits(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n j"]:
        """Scores of every point for every component; their softmax is the soft partition."""
        features = self.backbone(xyz)
        if not self.config.point_features:
            features = Features(points=xyz, pooled=features.pooled)
        scores: Tensor = self.head(features)
        return scores

    def fit(self, xyz: Float[Tensor, "b n 3"]) -> mixture.Mixture:
        """Return the mixture that the network sees in each cloud."""
        return self.fit_assignment(xyz, self.partition_logits(xyz).float().softmax(dim=-1))

    def explain(self, xyz: Float[Tensor, "1 n 3"]) -> Explanation:
        """Return the partition and its mixture; the features are those that enter the last layer of the head.

        There a point knows of its whole shape.
        """
        seen: list[Tensor] = []
        hook = self.head.scores.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        try:
            assignment = self.partition_logits(xyz).float().softmax(dim=-1)
        finally:
            hook.remove()
        fitted = self.fit_assignment(xyz, assignment)
        return Explanation(features=seen[0][0], assignment=assignment[0], mixture=fitted)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; what is random is which points are held out, where some are."""
        exact = self.precision(
            batch.xyz
        )  # asked first, so that a compiled step breaks before the network, not behind it
        seen, scored = halves(batch.xyz, generator) if self.config.held_out else (batch.xyz, batch.xyz)
        logits = self.partition_logits(seen)
        # Autocast would run the products of the loss in bf16, where flat clouds have no Cholesky factor.
        with torch.autocast(batch.xyz.device.type, enabled=False):
            # Moments cancel for clouds far from the origin.
            centre = seen.to(exact).mean(dim=1, keepdim=True)
            assignment = logits.to(exact).softmax(dim=-1)
            fitted = self.fit_assignment(seen.to(exact) - centre, assignment)
            loss = -mixture.log_density(scored.to(exact) - centre, fitted).mean().float()
            with torch.no_grad():
                logs = {
                    "nll": loss.detach(),
                    "effective_components": mixture.effective_components(fitted.weight).mean(),
                    "mean_max_assignment": assignment.amax(dim=-1).mean(),
                    "smallest_variance": mixture.smallest_eigenvalue(fitted.cov).amin(),
                }
        return StepOutput(loss=loss, logs=logs)

    @torch.compiler.disable
    def precision(self, xyz: Float[Tensor, "b n 3"]) -> torch.dtype:
        """Return what the loss is computed in: a floor is small or large beside the squared radius of a cloud.

        Moments cancel where it is small: 0.025 nats at a floor of 1e-6 in float32, and the gradient goes first.
        """
        radius = (xyz - xyz.mean(dim=1, keepdim=True)).square().sum(dim=-1).amax()
        return torch.float64 if self.config.floor < FLOAT32_FLOOR * float(radius) else torch.float32

    def fit_assignment(self, xyz: Float[Tensor, "b n 3"], assignment: Float[Tensor, "b n j"]) -> mixture.Mixture:
        """Return the mixture of a given soft partition, with this method's floor and covariance."""
        return mixture.fit(xyz, assignment, floor=self.config.floor, covariance=self.config.covariance)


def halves(
    xyz: Float[Tensor, "b n 3"], generator: torch.Generator | None
) -> tuple[Float[Tensor, "b h 3"], Float[Tensor, "b r 3"]]:
    """Divide the points of every cloud at random; the first part has n // 2 of them, at least 1."""
    order = Draws.of_process(generator, len(xyz)).uniform(xyz.shape[1]).argsort(dim=1).to(xyz.device)
    mixed = xyz.gather(1, order[..., None].expand(-1, -1, 3))
    half = max(xyz.shape[1] // 2, 1)
    return mixed[:, :half], mixed[:, half:]
