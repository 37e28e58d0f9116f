"""Encoders of clouds, all with the same contract: (b, n, 3) in, `Features(points, pooled)` out.

`BACKBONES` is the whole list: name, settings, class. A network that is not in it takes part through `adapt`.
"""

from collections.abc import Callable
from typing import Any

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.dgcnn import DGCNN, DGCNNConfig
from pointssl.backbones.edge_pointnet import EdgePointNet, EdgePointNetConfig
from pointssl.backbones.patch_transformer import PatchTransformer, PatchTransformerConfig
from pointssl.backbones.pcn import PCN, PCNConfig
from pointssl.backbones.point_nn import PointNN, PointNNConfig
from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.backbones.pointnet2 import PointNet2, PointNet2Config
from pointssl.backbones.spherical_harmonics import SphericalHarmonics, SphericalHarmonicsConfig

BACKBONES: dict[str, tuple[type[BackboneConfig], Callable[[Any], Backbone]]] = {
    "pointnet": (PointNetConfig, PointNet),
    "dgcnn": (DGCNNConfig, DGCNN),
    "edge-pointnet": (EdgePointNetConfig, EdgePointNet),
    "pointnet2": (PointNet2Config, PointNet2),
    "pcn": (PCNConfig, PCN),
    "patch-transformer": (PatchTransformerConfig, PatchTransformer),
    "point-nn": (PointNNConfig, PointNN),
    "spherical-harmonics": (SphericalHarmonicsConfig, SphericalHarmonics),
}


def build_backbone(config: BackboneConfig) -> Backbone:
    """Return the network that `config` describes, with fresh weights from torch's current random state."""
    for settings, backbone in BACKBONES.values():
        if type(config) is settings:
            return backbone(config)
    raise ValueError(f"config must be settings of one of {sorted(BACKBONES)}, got {type(config).__name__}")


__all__ = [
    "BACKBONES",
    "DGCNN",
    "PCN",
    "Backbone",
    "BackboneConfig",
    "DGCNNConfig",
    "EdgePointNet",
    "EdgePointNetConfig",
    "PCNConfig",
    "PatchTransformer",
    "PatchTransformerConfig",
    "PointNN",
    "PointNNConfig",
    "PointNet",
    "PointNet2",
    "PointNet2Config",
    "PointNetConfig",
    "SphericalHarmonics",
    "SphericalHarmonicsConfig",
    "build_backbone",
]
