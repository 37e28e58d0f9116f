"""What a pre-trained method makes of one shape: its point features and, where it has parts, these and their mixture."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.methods.base import Explanation
from pointssl.ops import mixture as gaussians
from pointssl.show.run import mixture as meshes
from pointssl.show.scene import INSIDE, MixtureView, ShapeView

Explainer = Callable[[Float[Tensor, "1 n 3"]], Explanation]
"""`PretextMethod.explain`, of a method on the CPU in evaluation mode; or `explained_by` with an encoder alone."""


@torch.inference_mode()
def explain(source: Explainer, points: Float[np.ndarray, "n 3"], name: str, *, resolution: int = 96) -> ShapeView:
    """Look at one shape through `source`."""
    xyz = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))[None]
    found = source(xyz)
    features = found.features.float().numpy()
    if found.assignment is None or found.mixture is None:
        return ShapeView(name=name, points=points, features=features)
    fitted = found.mixture

    def log_density(places: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.asarray(places, dtype=np.float32))[None]
        value: np.ndarray = gaussians.log_density(batch, fitted)[0].numpy()
        return value

    level = meshes.level_around(log_density(points), INSIDE)
    view = MixtureView(
        part=found.assignment.argmax(dim=-1).numpy(),
        weight=fitted.weight[0].numpy(),
        mean=fitted.mean[0].numpy(),
        cov=fitted.cov[0].numpy(),
        level=level,
        surface=meshes.iso_surface(log_density, level, points, resolution=resolution),
    )
    return ShapeView(name=name, points=points, features=features, mixture=view)
