"""What a pre-trained method makes of one shape: its point features and, for ParAE, its partition and mixture."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.methods.base import PretextMethod
from pointssl.methods.parae import ParAE
from pointssl.ops import mixture as gaussians
from pointssl.show.run import mixture as meshes
from pointssl.show.scene import INSIDE, MixtureView, ShapeView


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
