"""Orientation: the sets against scipy's rotations, the labels, and sets that were rotated already."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation as Turn

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.data.augment import rotations
from pointssl.methods import Rotation3D, Rotation3DConfig
from pointssl.methods.rotation import rotation_set
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch


def build(count: int = 6, jitter: float = 0.0) -> Rotation3D:
    """Return a small method."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(16,), hidden=(16,), pooled_dim=32))
    return Rotation3D(encoder, Rotation3DConfig(rotations=count, hidden=(32,), jitter=jitter))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [6, 18, 32, 54])
def test_set__is_of_distinct_rotations_the_identity_first(count: int) -> None:
    turns = rotation_set(count).double()
    assert turns.shape == (count, 3, 3)
    torch.testing.assert_close(turns[0], torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(
        turns @ turns.mT, torch.eye(3, dtype=torch.float64).expand(count, -1, -1), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(count, dtype=torch.float64))
    apart = (turns.flatten(1)[:, None] - turns.flatten(1)).norm(dim=-1) + 9 * torch.eye(count)
    assert apart.min() > 0.2


def test_set_of_18__is_the_published_one() -> None:
    about_x, about_z = [0, 90, 180, 270, 0, 0, 45, 135, 225, 315], [0, 0, 0, 0, 90, -90, 0, 0, 0, 0]
    about_x += [0] * 4 + [90] * 4
    about_z += [45, 135, 225, 315, 45, 135, 225, 315]
    wanted = Turn.from_euler("xz", np.stack([about_x, about_z], axis=1), degrees=True).as_matrix()
    np.testing.assert_allclose(rotation_set(18).numpy(), wanted, atol=1e-6)
    np.testing.assert_allclose(rotation_set(6).numpy(), wanted[:6], atol=1e-6)


def test_set_of_32__points_at_corners_and_faces_of_an_icosahedron() -> None:
    # Corners of two dual solids: cosines of neighbours are sqrt((5 + 2 sqrt 5) / 15), and each has its antipode.
    up = rotation_set(32)[:, :, 1].double()
    cosine = up @ up.T - 2 * torch.eye(32)
    torch.testing.assert_close(
        cosine.amax(dim=1), torch.full((32,), np.sqrt((5 + 2 * np.sqrt(5)) / 15)), check_dtype=False
    )
    torch.testing.assert_close(cosine.amin(dim=1).clamp_min(-1), torch.full((32,), -1.0), check_dtype=False)


def test_forward__turns_each_cloud_by_the_rotation_of_its_label() -> None:
    method, seen = build(18).eval(), []
    method.backbone.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    xyz = torch.randn(40, 12, 3, generator=torch.Generator().manual_seed(0))
    logits: list[torch.Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: logits.append(output.detach()))
    output = method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(0))
    fits = ((xyz[:, None] @ rotation_set(18).mT - seen[0][:, None]).abs().amax(dim=(-2, -1)) < 1e-5).int()
    assert (fits.sum(dim=1) == 1).all()
    label = fits.argmax(dim=1)
    assert len(label.unique()) > 10
    wanted = -logits[0].double().log_softmax(dim=1)[torch.arange(40), label].mean()
    assert output.loss.item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("rotated", [False, True])
def test_rotated_set__is_noticed(rotated: bool) -> None:
    method, chance = build(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    # A long cone along y: aligned, its orientation is plain to see.
    height = torch.rand(64, 32, 1, generator=chance)
    shape = torch.cat([0.3 * height * torch.randn(64, 32, 2, generator=chance), 2 * height - 1], dim=-1)[..., [0, 2, 1]]
    assert method.warning() is None  # nothing seen yet
    for _ in range(40):
        xyz = shape @ rotations(Draws(chance, 64)).mT if rotated else shape
        optimiser.zero_grad()
        method(CloudBatch(xyz=xyz), chance).loss.backward()
        optimiser.step()
    warning = method.warning()
    if rotated:
        assert warning is not None
        assert "this set may be rotated already" in warning
        assert "chance 16.7%" in warning
    else:
        assert warning is None
    assert method.warning() is None  # the tally begins anew


def test_settings__that_cannot_work() -> None:
    with pytest.raises(ValueError, match="count must be 6, 18, 32 or 54"):
        rotation_set(7)
    with pytest.raises(ValueError, match="jitter must be at least 0"):
        Rotation3DConfig(jitter=-1.0)
