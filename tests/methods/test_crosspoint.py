"""CrossPoint: the loss against a transcription, its single view, its settings."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.image import ResNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.methods import CrossPoint, CrossPointConfig
from pointssl.methods.pictures import PictureConfig
from pointssl.types import CloudBatch


def build(**changes: Any) -> CrossPoint:
    """Return a small method with fresh weights from seed 0."""
    torch.manual_seed(0)
    tiny: dict[str, Any] = {
        "hidden": (16, 12),
        "dim": 8,
        "image": ResNetConfig(width=4, channels=1),
        "pictures": PictureConfig(kind="depth", size=16),
    }
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return CrossPoint(encoder, CrossPointConfig(**(tiny | changes)))


def simclr(a: Tensor, b: Tensor, tau: float) -> Tensor:
    """NT-Xent over the list of both: another transcription than the one under test."""
    z = nn.functional.normalize(torch.cat([a, b]))
    logits = (z @ z.mT / tau).fill_diagonal_(-torch.inf)
    return nn.functional.cross_entropy(logits, torch.arange(len(z)).roll(len(a)))


def test_loss__copies_together_and_their_mean_to_the_view() -> None:
    method = build(augment=AugmentConfig(), temperature=0.4).eval()
    # Flat depth images look the same after the flip, the only change that depth gets.
    grey = torch.randint(0, 256, (5, 1, 1, 1, 1), dtype=torch.uint8).expand(5, 1, 1, 16, 16).contiguous()
    data = CloudBatch(xyz=torch.randn(5, 32, 3), views=grey)
    z = method.cloud_head(method.backbone(data.xyz).pooled)
    seen = method.image_head(method.image((grey[:, 0].float() / 255 - 0.449) / 0.226))
    wanted = simclr(z, z, 0.4) + simclr(z, seen, 0.4)
    torch.testing.assert_close(method(data, torch.Generator().manual_seed(0)).loss, wanted, rtol=1e-5, atol=1e-5)


def test_views__one_is_enough() -> None:
    assert build().views == 1
    output = build()(CloudBatch(xyz=torch.randn(4, 32, 3)), torch.Generator().manual_seed(0))
    assert {"intra", "inter", "bound_intra", "bound_view_1"} == set(output.logs)


def test_config__refuses_impossible_settings() -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        CrossPointConfig(temperature=-1.0)
    with pytest.raises(ValueError, match="dim and hidden must be at least 1"):
        CrossPointConfig(dim=0)
