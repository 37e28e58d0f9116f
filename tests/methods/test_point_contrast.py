"""PointContrast: matches by sets, the loss by loops, and changes that would break the correspondence."""

from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.data.augment import AugmentConfig
from pointssl.methods import PointContrast, PointContrastConfig
from pointssl.methods.point_contrast import least_points, matches
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch


def build(**changes: Any) -> PointContrast:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    small: dict[str, Any] = {"pairs": 6, "dim": 5, "head": (8,)}
    return PointContrast(encoder, PointContrastConfig(**(small | changes)))


def clouds(count: int = 3, points: int = 40) -> torch.Tensor:
    """Return random clouds."""
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(1))


def test_matches__are_points_of_both_crops() -> None:
    chance = torch.Generator().manual_seed(0)
    one, two = (torch.stack([torch.randperm(20, generator=chance)[:13] for _ in range(4)]) for _ in range(2))
    first, second = matches(one, two, 20, 100, Draws(chance, 4))
    least = min(len(set(a) & set(b)) for a, b in zip(one.tolist(), two.tolist(), strict=True))
    assert first.shape == second.shape == (4, least)
    for cloud in range(4):
        same = one[cloud, first[cloud]].tolist()
        assert same == two[cloud, second[cloud]].tolist()
        assert len(set(same)) == least
    assert matches(one, two, 20, 3, Draws(chance, 4))[0].shape == (4, 3)


def test_loss__is_info_nce_over_points_of_all_clouds() -> None:
    method = build(share=1.0, augment=AugmentConfig(), temperature=0.3).eval()
    scores: list[torch.Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: scores.append(output.detach().double()))
    xyz = clouds()
    output = method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(0))
    # Whole clouds, left as they are: both crops hold all points, nearest to some point first.
    draws = Draws(torch.Generator().manual_seed(0), 3)
    seen: list[torch.Tensor] = []
    method.backbone.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(0))
    one, two = seen[0].chunk(2)
    place = [[[c.tolist().index(p) for p in x.tolist()] for c, x in zip(xyz, crop, strict=True)] for crop in (one, two)]
    for _ in range(2):
        draws.uniform()
    first, second = matches(torch.tensor(place[0]), torch.tensor(place[1]), 40, 6, draws)
    a, b = (part.numpy() for part in scores[0].chunk(2))
    anchor = np.concatenate([a[c, first[c]] for c in range(3)])
    partner = np.concatenate([b[c, second[c]] for c in range(3)])
    anchor, partner = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (anchor, partner))
    total = [
        -np.log(np.exp(anchor[i] @ partner[i] / 0.3) / sum(np.exp(anchor[i] @ partner[k] / 0.3) for k in range(18)))
        for i in range(18)
    ]
    assert output.loss.item() == pytest.approx(np.mean(total), rel=1e-5)
    assert output.logs["found"].item() == 1  # unchanged points have equal features in both crops


def test_crops__have_the_promised_overlap() -> None:
    method = build(share=0.65, pairs=1000, augment=AugmentConfig())
    crops: list[torch.Tensor] = []
    method.backbone.register_forward_hook(lambda _, inputs, __: crops.append(inputs[0]))
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    one, two = crops[0].chunk(2)
    assert one.shape == (3, 26, 3)
    shared = [
        len({tuple(p) for p in a.tolist()} & {tuple(p) for p in b.tolist()}) for a, b in zip(one, two, strict=True)
    ]
    assert min(shared) >= 0.3 * 40


def test_min_points__leave_each_crop_what_the_encoder_needs() -> None:
    encoder = build_backbone(DGCNNConfig(k=12, widths=(8, 8), pooled_dim=16))
    method = PointContrast(encoder, PointContrastConfig(share=0.65, head=(8,)))
    assert (encoder.min_points, method.min_points) == (12, 17)  # 0.65 · 17 is above 11, 0.65 · 16 is not
    assert [least_points(0.51, needed) for needed in (1, 2, 3)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 0.5}, "share must be above 0.5"),
        ({"pairs": 0}, "pairs and dim must be at least 1"),
        ({"head": ()}, "head must be positive widths"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"augment": AugmentConfig(dropout=0.5)}, "augment must be without dropout, crop and region"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointContrastConfig(**changes)
