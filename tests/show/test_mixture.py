"""Ellipsoids lie on their contour, iso-surfaces have the density they claim, and both enclose what they should."""

import numpy as np
import pytest
import torch

from pointssl.ops import mixture as gaussians
from pointssl.show.run import mixture
from pointssl.show.scene import Mesh


def _covariances(count: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(count, 3, 3))
    return root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)


def _volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive where faces are counter-clockwise from outside."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("sigmas", [1.0, 2.5])
def test_ellipsoids__vertices_lie_at_mahalanobis_distance(sigmas: float) -> None:
    mean, cov = np.random.default_rng(1).normal(size=(5, 3)), _covariances(5, 2)
    for mesh, mu, sigma in zip(mixture.ellipsoids(mean, cov, sigmas=sigmas), mean, cov, strict=True):
        offset = mesh.vertices - mu
        squared = np.einsum("vd,de,ve->v", offset, np.linalg.inv(sigma), offset)
        np.testing.assert_allclose(squared, sigmas**2, rtol=1e-9)


def test_ellipsoids__face_outwards_and_enclose_the_known_volume() -> None:
    cov = _covariances(4, 3)
    for mesh, sigma in zip(mixture.ellipsoids(np.zeros((4, 3)), cov, rings=40), cov, strict=True):
        exact = 4 / 3 * np.pi * np.sqrt(np.linalg.det(sigma))
        assert 0.98 * exact < _volume(mesh) < exact  # an inscribed polyhedron is a little smaller, and never inside out


def test_unit_sphere__is_closed() -> None:
    faces = mixture.unit_sphere(5).faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert {tuple(e) for e in edges} == {tuple(e[::-1]) for e in edges}
    assert len({tuple(e) for e in edges}) == len(edges)


def test_ellipsoid_axes__flat_component_keeps_its_floor() -> None:
    axes = mixture.ellipsoid_axes(np.diag([1e-4, 4.0, 9.0])[None])
    np.testing.assert_allclose(np.sort(np.linalg.norm(axes[0], axis=0)), [0.01, 2.0, 3.0])
    assert np.linalg.det(axes[0]) > 0


def test_level_around__leaves_the_share_inside() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    level = mixture.level_around(values, 0.9)
    assert (values >= level).mean() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("inside", [0.0, 1.0])
def test_level_around__share_out_of_range(inside: float) -> None:
    with pytest.raises(ValueError, match="inside must lie between 0 and 1"):
        mixture.level_around(np.zeros(4), inside)


def test_iso_surface__of_one_gaussian_is_the_sphere_worked_out_by_hand() -> None:
    # log g = -3/2 log 2π - r²/2 for the standard normal, so the level of radius 1.3 is known.
    level = -1.5 * np.log(2 * np.pi) - 1.3**2 / 2

    def log_density(x: np.ndarray) -> np.ndarray:
        return np.asarray(-1.5 * np.log(2 * np.pi) - (x**2).sum(axis=1) / 2)

    mesh = mixture.iso_surface(log_density, float(level), np.random.default_rng(0).normal(size=(50, 3)), resolution=48)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 1.3, atol=2e-3)
    assert _volume(mesh) == pytest.approx(4 / 3 * np.pi * 1.3**3, rel=0.01)


def test_iso_surface__vertices_have_the_level_on_a_flat_mixture() -> None:
    generator = torch.Generator().manual_seed(4)
    xyz = torch.rand(1, 400, 3, generator=generator) * torch.tensor([2.0, 1.0, 0.0])  # a plane: the hard case
    fitted = gaussians.fit(xyz, torch.nn.functional.one_hot((xyz[..., 0] > 1).long(), 2).float(), floor=1e-3)

    def log_density(x: np.ndarray) -> np.ndarray:
        value: np.ndarray = gaussians.log_density(torch.from_numpy(x)[None].float(), fitted)[0].numpy()
        return value

    points = xyz[0].numpy()
    level = mixture.level_around(log_density(points))
    mesh = mixture.iso_surface(log_density, level, points, resolution=96)
    # Linear interpolation in a cell of side h is off by at most h²/8 times the curvature, 1 / floor across the plane.
    cell = 2.3 / 96
    assert np.abs(log_density(mesh.vertices) - level).max() < cell**2 / 8 / 1e-3
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()  # closed: every edge belongs to two triangles


def test_iso_surface__grows_its_grid_around_a_wide_component() -> None:
    def log_density(x: np.ndarray) -> np.ndarray:
        return np.asarray(-(x**2).sum(axis=1))

    mesh = mixture.iso_surface(log_density, -25.0, np.random.default_rng(0).uniform(-1, 1, (20, 3)), resolution=32)
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(5.0, rel=0.02)


def test_iso_surface__level_above_everything() -> None:
    with pytest.raises(ValueError, match="level must lie below"):
        mixture.iso_surface(
            lambda x: -(x**2).sum(axis=1), 1.0, np.random.default_rng(0).normal(size=(9, 3)), resolution=8
        )
