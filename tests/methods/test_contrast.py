"""Contrast of copies: the loss against a transcription in float64, local crops, and settings that cannot work."""

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float64
from torch import Tensor

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.data.augment import AugmentConfig
from pointssl.methods import Contrast, ContrastConfig
from pointssl.types import CloudBatch

STILL = AugmentConfig()


def build(**changes: Any) -> Contrast:
    """Return a small method with fresh weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return Contrast(encoder, ContrastConfig(**({"hidden": 12, "dim": 6} | changes)))


def clouds(count: int = 5, points: int = 40) -> Tensor:
    """Return random clouds, each stretched differently."""
    chance = torch.Generator().manual_seed(1)
    return torch.randn(count, points, 3, generator=chance) * torch.rand(count, 1, 3, generator=chance)


def score(method: Contrast, xyz: Tensor) -> Any:
    """Return the output for one batch, all chance from seed 0."""
    return method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(0))


def simclr(vectors: Float64[np.ndarray, "c d"], temperature: float) -> float:
    """Write SimCLR's equation 1 and algorithm 1 out: 2B vectors, of which i and i + B are copies of one cloud."""
    z = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    half, losses = len(z) // 2, []
    for i in range(len(z)):
        partner = (i + half) % len(z)
        below = sum(np.exp(z[i] @ z[k] / temperature) for k in range(len(z)) if k != i)
        losses.append(-np.log(np.exp(z[i] @ z[partner] / temperature) / below))
    return float(np.mean(losses))


def test_loss__is_simclrs() -> None:
    method = build(temperature=0.3).eval()
    seen: list[Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    output = score(method, clouds())
    one, two = seen[0].chunk(2)
    assert not torch.allclose(one, two)  # the copies do differ
    assert output.loss.item() == pytest.approx(simclr(seen[0].double().numpy(), 0.3), rel=1e-5)
    assert output.logs["copies"].item() == pytest.approx(output.loss.item())


def test_loss__of_clouds_that_are_alike_is_known() -> None:
    # All 2B vectors are equal, so that each of the 2B - 1 candidates is as good as the right one.
    output = score(build(augment=STILL).eval(), clouds(1).expand(8, -1, -1))
    assert output.loss.item() == pytest.approx(np.log(15), rel=1e-5)
    assert output.logs["bound_intra"].item() == pytest.approx(0, abs=1e-5)


def test_local_crops__loss_is_the_written_mean() -> None:
    method = build(local_crops=2, local_weight=0.5, temperature=0.5, augment=STILL).eval()
    seen: list[Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: seen.append(output.detach().double()))
    output = score(method, clouds())
    copies, crops = seen[0].chunk(2), seen[1].chunk(2)
    pairs = [simclr(torch.cat([crop, copy]).numpy(), 0.5) for crop in crops for copy in copies]
    wanted = simclr(torch.cat(copies).numpy(), 0.5) + 0.5 * float(np.mean(pairs))
    assert output.loss.item() == pytest.approx(wanted, rel=1e-5)


def test_local_crops__are_neighbourhoods_of_their_share() -> None:
    method = build(local_crops=1, local_share=0.25, augment=STILL)
    sizes: list[Tensor] = []
    method.backbone.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0]))
    xyz = clouds(points=40)
    score(method, xyz)
    whole, crop = sizes
    assert whole.shape == (10, 40, 3)
    assert crop.shape == (5, 10, 3)
    for cloud, part in zip(xyz, crop, strict=True):
        # Nearest first: some point of the cloud has exactly these ten around it, and the first is itself.
        near = torch.cdist(part[:1], cloud)[0].topk(10, largest=False).indices
        assert {tuple(p) for p in cloud[near].tolist()} == {tuple(p) for p in part.tolist()}


def test_local_crops__have_the_points_that_the_encoder_needs() -> None:
    encoder = build_backbone(DGCNNConfig(k=12, widths=(8, 8), pooled_dim=16))
    method = Contrast(encoder, ContrastConfig(hidden=8, dim=8, local_crops=1, local_share=0.1))
    sizes: list[int] = []
    method.backbone.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[1]))
    score(method, clouds(points=40))
    assert sizes == [40, encoder.min_points]


def test_training__separates_clouds_that_the_changes_leave_different() -> None:
    method = build(augment=AugmentConfig(rotation="up", jitter=0.01))
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    xyz, bounds = clouds(8), []
    for step in range(60):
        optimiser.zero_grad()
        output = method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(step))
        output.loss.backward()
        optimiser.step()
        bounds.append(output.logs["bound_intra"].item())
    assert bounds[-1] > bounds[0] + 0.5
    assert max(bounds) <= np.log(8) + 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 0}, "hidden and dim must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"local_crops": -1}, "local_crops must be at least 0"),
        ({"local_share": 1.5}, "local_share must be above 0 and at most 1"),
        ({"local_weight": 0.0}, "local_weight must be positive"),
    ],
)
def test_config__refuses_impossible_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContrastConfig(**changes)
