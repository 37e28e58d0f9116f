"""Small shapes for the tests of pictures and pages: made in milliseconds, with everything that a real one has."""

from functools import partial

import numpy as np
import torch

from pointssl.backbones import PointNet, PointNetConfig
from pointssl.methods import ParAE, ParAEConfig
from pointssl.methods.base import explained_by
from pointssl.show.run.explain import explain
from pointssl.show.scene import ShapeView


def tiny_method(components: int = 6) -> ParAE:
    """Return an untrained ParAE whose partition is nevertheless spread over all components."""
    torch.manual_seed(0)
    method = ParAE(
        PointNet(PointNetConfig(local=(16,), hidden=(16,), pooled_dim=32)),
        ParAEConfig(components=components, head=(40,)),
    )
    with torch.no_grad():
        method.head.scores.weight.mul_(30)
    return method.eval()


def tiny_cloud(points: int = 200, seed: int = 0) -> np.ndarray:
    """Return points on a box and a plate above it, inside the unit ball."""
    generator = np.random.default_rng(seed)
    xyz = generator.uniform(-0.5, 0.5, (points, 3))
    xyz[::2, 2] = 0.6
    return xyz.astype(np.float32)


def tiny_view(name: str = "box & plate", *, points: int = 200, seed: int = 0, mixture: bool = True) -> ShapeView:
    """Return what a tiny network sees in a tiny cloud."""
    method = tiny_method()
    source = method.explain if mixture else partial(explained_by, method.backbone)
    return explain(source, tiny_cloud(points, seed), name, resolution=24)
