"""The mixture against values worked out by hand, torch.distributions, brute force, and laws it must obey."""

import math
from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from pointssl.ops import mixture
from pointssl.ops.mixture import Covariance, Mixture

TINY_FLOOR = 1e-12
"""A floor that the identities below do not see, in float64."""


def cloud(n: int = 64, b: int = 2) -> Tensor:
    """Random points in float64; the first axis is longest, so that no axis can be mistaken for another."""
    return torch.randn(b, n, 3, dtype=torch.float64) * torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)


def soft(n: int = 64, j: int = 5, b: int = 2) -> Tensor:
    """Return a random soft partition in float64."""
    return (2 * torch.randn(b, n, j, dtype=torch.float64)).softmax(dim=-1)


def flat(n: int = 256, b: int = 4) -> Tensor:
    """Clouds in float32 that lie exactly in a plane through the origin, within the unit ball."""
    plane = torch.randn(b, n, 2) @ torch.randn(b, 2, 3)
    radius: Tensor = plane.norm(dim=-1).amax(dim=1)
    return plane / radius[:, None, None]


def nll(xyz: Tensor, gamma: Tensor, floor: float = 1e-4, covariance: Covariance = "full") -> Tensor:
    """Mean negative log density of the points under their own mixture."""
    fitted = mixture.fit(xyz, gamma, floor=floor, covariance=covariance)
    return -mixture.log_density(xyz, fitted).mean()


# By hand: part 0 holds (-2, 1, 0) and (-2, -1, 0), part 1 holds (4, 1, 2) and (4, 1, -2) and (4, -2, 0).
HAND = torch.tensor([[[-2.0, 1, 0], [-2, -1, 0], [4, 1, 2], [4, 1, -2], [4, -2, 0]]])
HARD = torch.tensor([[[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 1]]])


def test_fit__two_hard_parts_by_hand() -> None:
    fitted = mixture.fit(HAND, HARD, floor=0.25)
    torch.testing.assert_close(fitted.weight, torch.tensor([[0.4, 0.6]]))
    torch.testing.assert_close(fitted.mean, torch.tensor([[[-2.0, 0, 0], [4, 0, 0]]]))
    torch.testing.assert_close(fitted.cov[0, 0], torch.diag(torch.tensor([0.25, 1.25, 0.25])))
    torch.testing.assert_close(fitted.cov[0, 1], torch.diag(torch.tensor([0.25, 2.25, 8 / 3 + 0.25])))


def test_fit__tilted_part_has_off_diagonal_terms() -> None:
    xyz = torch.tensor([[[1.0, 2, -3], [-1, -2, 3]]])  # covariance p pᵀ, every entry different in size
    fitted = mixture.fit(xyz, torch.tensor([[[1.0, 0], [1, 0]]]), floor=0.5)
    expected = torch.tensor([[1.5, 2, -3], [2, 4.5, -6], [-3, -6, 9.5]])
    torch.testing.assert_close(fitted.cov[0, 0], expected)


def test_fit__soft_parts_equal_the_textbook_sums() -> None:
    xyz, gamma = cloud(), soft()
    fitted = mixture.fit(xyz, gamma, floor=1e-4)
    mass = gamma.sum(dim=1)
    mean = torch.einsum("bnj,bnd->bjd", gamma, xyz) / mass[..., None]
    offset = xyz[:, :, None] - mean[:, None]
    cov = torch.einsum("bnj,bnjd,bnje->bjde", gamma, offset, offset) / mass[..., None, None]
    torch.testing.assert_close(fitted.weight, mass / 64)
    torch.testing.assert_close(fitted.mean, mean)
    torch.testing.assert_close(fitted.cov, cov + 1e-4 * torch.eye(3, dtype=torch.float64))


def test_fit__keeps_the_moments_of_the_cloud() -> None:
    xyz = cloud()
    fitted = mixture.fit(xyz, soft(), floor=TINY_FLOOR)
    torch.testing.assert_close(fitted.weight.sum(dim=1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(torch.einsum("bj,bjd->bd", fitted.weight, fitted.mean), xyz.mean(dim=1))
    second = fitted.cov + fitted.mean[..., None] * fitted.mean[..., None, :]
    torch.testing.assert_close(torch.einsum("bj,bjde->bde", fitted.weight, second), xyz.mT @ xyz / 64)


def test_fit__simpler_covariances_are_cut_from_the_full_one() -> None:
    xyz, gamma = cloud(), soft()
    eye = torch.eye(3, dtype=torch.float64)
    full = mixture.fit(xyz, gamma, floor=0.1).cov - 0.1 * eye
    diagonal = mixture.fit(xyz, gamma, floor=0.1, covariance="diagonal").cov - 0.1 * eye
    isotropic = mixture.fit(xyz, gamma, floor=0.1, covariance="isotropic").cov - 0.1 * eye
    torch.testing.assert_close(diagonal, full * eye)
    # The isotropic variance is the mean of the three axes' variances, so the trace is kept.
    trace = full.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    torch.testing.assert_close(isotropic, trace[..., None, None] / 3 * eye)


@pytest.mark.parametrize("covariance", get_args(Covariance))
def test_log_density__agrees_with_torch_distributions(covariance: Covariance) -> None:
    xyz = cloud()
    fitted = mixture.fit(xyz, soft(), floor=1e-3, covariance=covariance)
    oracle = MixtureSameFamily(Categorical(fitted.weight), MultivariateNormal(fitted.mean, fitted.cov))
    expected = oracle.log_prob(xyz.transpose(0, 1)).transpose(0, 1)
    torch.testing.assert_close(mixture.log_density(xyz, fitted), expected, rtol=1e-9, atol=1e-9)


def test_log_density__of_a_standard_normal_by_hand() -> None:
    weight = torch.tensor([[1.0, 0.0]])
    unit = Mixture(weight=weight, mean=torch.zeros(1, 2, 3), cov=torch.eye(3).expand(1, 2, 3, 3))
    at_origin = -1.5 * math.log(2 * math.pi)
    values = mixture.log_density(torch.tensor([[[0.0, 0, 0], [1, 2, 2]]]), unit)
    torch.testing.assert_close(values, torch.tensor([[at_origin, at_origin - 4.5]]))


def test_log_density__integrates_to_one() -> None:
    fitted = mixture.fit(0.3 * cloud(b=1), soft(b=1, j=3), floor=0.02)
    side = torch.linspace(-2, 2, 41, dtype=torch.float64)  # step 0.1, a third of the narrowest Gaussian's width
    grid = torch.cartesian_prod(side, side, side)[None]
    total = mixture.log_density(grid, fitted).exp().sum() * 0.1**3
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_log_density__ignores_point_order_and_component_order() -> None:
    xyz, gamma = cloud(), soft()
    points, components = torch.randperm(64), torch.randperm(5)
    density = mixture.log_density(xyz, mixture.fit(xyz, gamma))
    moved = mixture.log_density(xyz[:, points], mixture.fit(xyz[:, points], gamma[:, points][..., components]))
    torch.testing.assert_close(moved, density[:, points])


def test_log_density__ignores_rotation_and_translation() -> None:
    xyz, gamma = cloud(), soft()
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    moved = xyz @ turn.mT + torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    torch.testing.assert_close(nll(moved, gamma), nll(xyz, gamma))


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_log_density__scale_adds_three_log_c(scale: float) -> None:
    xyz, gamma = cloud(), soft()
    larger = nll(scale * xyz, gamma, floor=scale**2 * 1e-4)
    torch.testing.assert_close(larger, nll(xyz, gamma) + 3 * math.log(scale))


def test_posterior__sums_to_one_and_is_bayes() -> None:
    xyz = cloud()
    fitted = mixture.fit(xyz, soft(), floor=1e-3)
    share = mixture.posterior(xyz, fitted)
    torch.testing.assert_close(share.sum(dim=-1), torch.ones(2, 64, dtype=torch.float64))
    first = MultivariateNormal(fitted.mean[0, 0], fitted.cov[0, 0]).log_prob(xyz[0]) + fitted.weight[0, 0].log()
    torch.testing.assert_close(share[0, :, 0], (first - mixture.log_density(xyz, fitted)[0]).exp())


def test_em__never_lowers_the_likelihood() -> None:
    xyz, gamma = cloud(n=200), soft(n=200)
    losses = []
    for _ in range(30):
        losses.append(nll(xyz, gamma, floor=TINY_FLOOR).item())
        gamma = mixture.posterior(xyz, mixture.fit(xyz, gamma, floor=TINY_FLOOR))
    assert all(after <= before + 1e-9 for before, after in pairwise(losses))
    assert losses[-1] < losses[0] - 0.1


def test_gradient__is_that_of_finite_differences() -> None:
    xyz = cloud(n=6, b=1)
    logits = torch.randn(1, 6, 3, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda s: nll(xyz, s.softmax(dim=-1), floor=0.05), (logits,))


def test_gradient__vanishes_at_the_uniform_assignment() -> None:
    logits = torch.zeros(2, 64, 5, dtype=torch.float64, requires_grad=True)
    nll(cloud(), logits.softmax(dim=-1)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().amax() < 1e-12
    # And it is a plateau, not a wall: a small spread of the logits gives a gradient.
    spread = (0.1 * torch.randn(2, 64, 5, dtype=torch.float64)).requires_grad_()
    nll(cloud(), spread.softmax(dim=-1)).backward()
    assert spread.grad is not None
    assert spread.grad.abs().amax() > 1e-7


@pytest.mark.parametrize("covariance", get_args(Covariance))
@pytest.mark.parametrize("case", ["empty component", "coincident points", "flat cloud", "line", "one point"])
def test_degenerate_input__value_and_gradient_are_finite(case: str, covariance: Covariance) -> None:
    xyz, logits = flat(), torch.randn(4, 256, 3)
    if case == "empty component":
        logits[..., 0] = -1e4  # its assignments are exactly 0 in float32
    elif case == "coincident points":
        xyz = torch.full_like(xyz, 0.1)
    elif case == "line":
        xyz = xyz[..., :1] * torch.tensor([1.0, 2, 3]) / 4
    elif case == "one point":
        xyz, logits = xyz[:, :1], logits[:, :1]
    logits.requires_grad_()
    loss = nll(xyz, logits.softmax(dim=-1), covariance=covariance)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_empty_component__decides_nothing() -> None:
    xyz, gamma = cloud(), soft()
    with_empty = torch.cat([gamma, torch.zeros(2, 64, 1, dtype=torch.float64)], dim=-1)
    torch.testing.assert_close(nll(xyz, with_empty), nll(xyz, gamma), rtol=0, atol=1e-5)


def test_float32__close_to_float64_on_flat_clouds_at_the_default_floor() -> None:
    xyz = flat(n=1024)
    xyz = xyz - xyz.mean(dim=1, keepdim=True)
    centres = xyz[:, :32]
    gamma = (-torch.cdist(xyz, centres).square() / 0.02).softmax(dim=-1)
    single = mixture.log_density(xyz, mixture.fit(xyz, gamma))
    double = mixture.log_density(xyz.double(), mixture.fit(xyz.double(), gamma.double()))
    assert (single.mean() - double.mean()).abs() < 1e-3  # nats; 3e-4 is typical


def test_effective_components__between_one_and_j() -> None:
    weight = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    torch.testing.assert_close(mixture.effective_components(weight), torch.tensor([1.0, 2.0, 4.0]))


def test_smallest_eigenvalue__agrees_with_linalg() -> None:
    root = torch.randn(50, 4, 3, 3, dtype=torch.float64)
    cov = root @ root.mT
    torch.testing.assert_close(mixture.smallest_eigenvalue(cov), torch.linalg.eigvalsh(cov)[..., 0])


@pytest.mark.parametrize("diagonal", [(2.0, 2.0, 2.0), (3.0, 3.0, 1.0), (1.0, 3.0, 1.0), (0.0, 0.0, 0.0)])
def test_smallest_eigenvalue__of_repeated_eigenvalues(diagonal: tuple[float, float, float]) -> None:
    cov = torch.diag(torch.tensor(diagonal, dtype=torch.float64))[None]
    torch.testing.assert_close(
        mixture.smallest_eigenvalue(cov), torch.tensor([min(diagonal)], dtype=torch.float64), rtol=0, atol=1e-7
    )
