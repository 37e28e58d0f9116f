"""OcCo: its loss against scipy's tree, what it hides, and the weight of the fine cloud along a run."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.methods import OcCo, OcCoConfig
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch


def build() -> OcCo:
    """Return a small method."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return OcCo(encoder, OcCoConfig(coarse=6, side=2, hidden=8))


def sphere(count: int = 3, points: int = 600) -> torch.Tensor:
    """Return clouds on a sphere."""
    chance = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(count, points, 3, generator=chance), dim=-1)


def test_loss__is_both_chamfer_distances_to_the_whole_cloud() -> None:
    method = build().eval()
    seen: list[torch.Tensor] = []
    method.decoder.register_forward_hook(lambda _, __, output: seen.extend(part.detach() for part in output))
    method.after_step(0.2)
    output = method(CloudBatch(xyz=sphere()), torch.Generator().manual_seed(0))

    def distance(drawn: torch.Tensor) -> float:
        pairs = zip(drawn.double().numpy(), sphere().double().numpy(), strict=True)
        return float(
            np.mean([(np.mean(cKDTree(b).query(a)[0]) + np.mean(cKDTree(a).query(b)[0])) / 2 for a, b in pairs])
        )

    assert output.logs["coarse"].item() == pytest.approx(distance(seen[0]), rel=1e-5)
    assert output.loss.item() == pytest.approx(distance(seen[0]) + 0.5 * distance(seen[1]), rel=1e-5)


def test_occlude__shows_one_side_alone() -> None:
    xyz = sphere() * 3 + 7  # of any size, anywhere
    part, share = build().occlude(xyz, Draws(torch.Generator().manual_seed(0), 3))
    assert part.shape == xyz.shape
    assert 0.15 < share.item() < 0.4  # the cap that a camera sees from 2 radii is 1/4 of a sphere
    directions = part - 7
    assert (directions.mean(dim=1).norm(dim=-1) > 1.5).all()  # of a whole sphere the mean is near 0
    for cloud in range(3):
        known = {tuple(point) for point in xyz[cloud].tolist()}
        assert all(tuple(point) in known for point in part[cloud].tolist())


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.01), (0.06, 0.01), (0.07, 0.1), (0.2, 0.5), (0.4, 1), (1, 1)])
def test_fine_weight__follows_the_published_steps(progress: float, weight: float) -> None:
    # 10k, 20k and 50k of about 154k steps: 50 epochs of 98,430 views in batches of 32.
    method = build()
    method.after_step(float(progress))
    assert method.weight.item() == pytest.approx(weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": 0}, "coarse, side and hidden"),
        ({"pixels": 8}, "pixels must be at least 16"),
        ({"tolerance": -1.0}, "half and tolerance"),
        ({"distance": 1.0}, "distance must be above 1"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OcCoConfig(**changes)  # type: ignore[arg-type]
