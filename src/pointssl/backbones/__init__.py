"""Encoders of clouds, all with the same contract: (b, n, 3) in, `Features(points, pooled)` out.

`BACKBONES` is the whole list: name, settings, class. A network that is not in it takes part through `adapt`.
"""

from pointssl.backbones.base import Backbone
from pointssl.backbones.dgcnn import DGCNN, DGCNNConfig
from pointssl.backbones.pointnet import PointNet, PointNetConfig

BackboneConfig = PointNetConfig | DGCNNConfig
BACKBONES: dict[str, tuple[type[PointNetConfig] | type[DGCNNConfig], type[PointNet] | type[DGCNN]]] = {
    "pointnet": (PointNetConfig, PointNet),
    "dgcnn": (DGCNNConfig, DGCNN),
}


def build_backbone(config: BackboneConfig) -> Backbone:
    """Return the network that `config` describes, with fresh weights from torch's current random state."""
    match config:
        case PointNetConfig():
            return PointNet(config)
        case DGCNNConfig():
            return DGCNN(config)


__all__ = [
    "BACKBONES",
    "DGCNN",
    "Backbone",
    "BackboneConfig",
    "DGCNNConfig",
    "PointNet",
    "PointNetConfig",
    "build_backbone",
]
