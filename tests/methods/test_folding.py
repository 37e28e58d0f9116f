"""FoldingNet: its loss against scipy's tree, and the sheet that it folds."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.methods import Folding, FoldingConfig
from pointssl.types import CloudBatch


def test_loss__is_the_larger_of_both_directions_of_each_cloud() -> None:
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    method = Folding(encoder, FoldingConfig(code=8, side=5, hidden=8))
    seen: list[torch.Tensor] = []
    method.decoder.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    # One cloud with a far part, one that is a single place: the larger direction is another one for each.
    xyz = torch.stack([torch.randn(40, 3) * 3, torch.randn(40, 3) * 1e-3])
    output = method.eval()(CloudBatch(xyz=xyz))
    assert seen[0].shape == (2, 25, 3)
    larger = [
        max(np.mean(cKDTree(b).query(a)[0]), np.mean(cKDTree(a).query(b)[0]))
        for a, b in zip(seen[0].double().numpy(), xyz.double().numpy(), strict=True)
    ]
    assert output.loss.item() == pytest.approx(np.mean(larger), rel=1e-5)


def test_settings__that_cannot_work() -> None:
    with pytest.raises(ValueError, match="code, side and hidden must be positive"):
        FoldingConfig(side=0)
    with pytest.raises(ValueError, match="half must be positive"):
        FoldingConfig(half=0.0)
