"""SPH: energies against scipy's harmonics, and that no rotation changes them."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from pointssl.backbones.spherical_harmonics import SphericalHarmonics, SphericalHarmonicsConfig, shells

SMALL = SphericalHarmonicsConfig(shells=3, degrees=5)


def cloud() -> torch.Tensor:
    """Return a cloud in the unit ball."""
    xyz = torch.randn(1, 30, 3, generator=torch.Generator().manual_seed(0))
    return xyz.div(xyz.norm(dim=-1).amax())


def test_pooled__is_the_length_of_the_coefficients() -> None:
    found = SphericalHarmonics(SMALL)(cloud()).pooled[0].view(3, 5)
    xyz = cloud()[0].double().numpy()
    radius = np.linalg.norm(xyz, axis=1)
    polar, around = np.arccos(xyz[:, 2] / radius), np.arctan2(xyz[:, 1], xyz[:, 0])
    for shell, middle in enumerate((0.0, 0.5, 1.0)):
        weight = np.clip(1 - np.abs(radius - middle) * 2, 0, None)
        for degree in range(5):
            values = [np.sum(weight * sph_harm_y(degree, m, polar, around)) / 30 for m in range(-degree, degree + 1)]
            assert found[shell, degree].item() == pytest.approx(np.linalg.norm(values), abs=1e-5)


def test_pooled__no_rotation_changes_it() -> None:
    turn = torch.from_numpy(Rotation.random(rng=np.random.default_rng(0)).as_matrix()).float()
    network = SphericalHarmonics(SMALL)
    torch.testing.assert_close(network(cloud() @ turn.T).pooled, network(cloud()).pooled, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(cloud() * torch.tensor([1.0, 0.5, 1])).pooled, network(cloud()).pooled, atol=1e-3)


def test_shells__a_point_counts_once_in_all() -> None:
    weight = shells(torch.tensor([[0.0, 0.25, 0.9, 1.0, 7.0]]), 5)
    assert weight.sum(dim=-1).tolist() == [pytest.approx([1.0] * 5)]
    assert weight[0, 2].tolist() == pytest.approx([0, 0, 0, 0.4, 0.6])


def test_settings__that_cannot_work() -> None:
    with pytest.raises(ValueError, match="shells must be at least 2 and degrees 1, got 1 and 16"):
        SphericalHarmonicsConfig(shells=1)
