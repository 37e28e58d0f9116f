"""What a pre-trained method makes of one shape: its point features and, for ParAE, its partition and mixture."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.methods.base import PretextMethod
from pointssl.methods.parae import ParAE
from pointssl.ops import mixture as gaussians
from pointssl.show.run import mixture as meshes

INSIDE = 0.9
"""Share of a cloud's points inside the iso-surface that is drawn."""


@dataclass(frozen=True, slots=True)
class MixtureView:
    """The learned partition and the mixture that it implies."""

    part: Int[np.ndarray, " n"]
    """Component with the largest share in each point."""
    weight: Float[np.ndarray, " j"]
    mean: Float[np.ndarray, "j 3"]
    cov: Float[np.ndarray, "j 3 3"]
    level: float
    """Log density of the iso-surface, in nats."""
    surface: meshes.Mesh

    def drawn(self, least: float = 1e-3) -> Int[np.ndarray, " m"]:
        """Return the components that hold at least this share of the points; the others are left out of pictures."""
        return np.flatnonzero(self.weight >= least)


@dataclass(frozen=True, slots=True)
class Marks:
    """Groups of points with colours of their own and one sentence about them, shown instead of parts and distances."""

    group: Int[np.ndarray, " n"]
    """Group of each point, a place in `colours`."""
    colours: tuple[str, ...]
    """Hex colours."""
    text: str


@dataclass(frozen=True, slots=True)
class ShapeView:
    """One shape, as the pictures need it."""

    name: str
    points: Float[np.ndarray, "n 3"]
    features: Float[np.ndarray, "n d"]
    mixture: MixtureView | None = None
    marks: Marks | None = None


@torch.inference_mode()
def explain(
    source: PretextMethod | Backbone, points: Float[np.ndarray, "n 3"], name: str, *, resolution: int = 96
) -> ShapeView:
    """Look at one shape through `source`, which is left in evaluation mode.

    The features of ParAE are those that enter the last layer of its head, where a point knows of its whole shape; for
    any other method they are the backbone's point features.
    """
    source.eval()
    xyz = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))[None]
    xyz = xyz.to(next(source.parameters()).device)
    if not isinstance(source, ParAE):
        backbone = source.backbone if isinstance(source, PretextMethod) else source
        return ShapeView(name=name, points=points, features=backbone(xyz).points[0].float().cpu().numpy())
    features, logits = _head_features(source, xyz)
    assignment = logits.float().softmax(dim=-1)
    fitted = gaussians.fit(xyz, assignment, floor=source.config.floor, covariance=source.config.covariance)

    def log_density(places: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.asarray(places, dtype=np.float32))[None].to(xyz.device)
        value: np.ndarray = gaussians.log_density(batch, fitted)[0].cpu().numpy()
        return value

    level = meshes.level_around(log_density(points), INSIDE)
    view = MixtureView(
        part=assignment[0].argmax(dim=-1).cpu().numpy(),
        weight=fitted.weight[0].cpu().numpy(),
        mean=fitted.mean[0].cpu().numpy(),
        cov=fitted.cov[0].cpu().numpy(),
        level=level,
        surface=meshes.iso_surface(log_density, level, points, resolution=resolution),
    )
    return ShapeView(name=name, points=points, features=features[0].float().cpu().numpy(), mixture=view)


def _head_features(method: ParAE, xyz: Float[Tensor, "1 n 3"]) -> tuple[Float[Tensor, "1 n d"], Float[Tensor, "1 n j"]]:
    """Return what enters the last layer of the head, and the logits."""
    seen: list[Tensor] = []
    hook = method.head.scores.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        logits = method.partition_logits(xyz)
    finally:
        hook.remove()
    return seen[0], logits
