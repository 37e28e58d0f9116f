"""The plain auto-encoder: its loss against scipy's tree."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.methods import Autoencoder, AutoencoderConfig
from pointssl.types import CloudBatch


def test_loss__is_the_squared_chamfer_distance_to_the_drawing() -> None:
    torch.manual_seed(0)
    method = Autoencoder(
        build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)), AutoencoderConfig(points=30)
    )
    seen: list[torch.Tensor] = []
    method.decoder.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    xyz = torch.randn(3, 40, 3)
    output = method.eval()(CloudBatch(xyz=xyz))
    pairs = [(a, b) for a, b in zip(seen[0].double().numpy(), xyz.double().numpy(), strict=True)]
    there = np.mean([np.mean(cKDTree(b).query(a)[0] ** 2) for a, b in pairs])
    back = np.mean([np.mean(cKDTree(a).query(b)[0] ** 2) for a, b in pairs])
    assert output.loss.item() == pytest.approx(there + back, rel=1e-5)
    assert output.logs["to_cloud"].item() == pytest.approx(there, rel=1e-5)
    assert output.logs["to_drawing"].item() == pytest.approx(back, rel=1e-5)


def test_settings__that_cannot_work() -> None:
    with pytest.raises(ValueError, match="points and hidden must be positive"):
        AutoencoderConfig(points=0)
