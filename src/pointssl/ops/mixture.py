"""Gaussian mixtures of points: the closed-form fit to a soft partition, and the log density it gives every point.

Both directions are one thin matrix product with the ten monomials of a point, m(p) = (1, p, p pᵀ): the moments of all
components are Γᵀ m, and the log densities are m times a (10 × j) matrix of coefficients. Nothing of size n·j·3 is kept.

Source: B. Eckart, W. Yuan, C. Liu, J. Kautz, "Self-Supervised Learning on 3D Point Clouds by Learning Discrete
Generative Models", CVPR 2021, equations 5-10. The floor on the covariances is ours; the paper gives none, and without
one the likelihood of a flat part is unbounded.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Covariance = Literal["full", "diagonal", "isotropic"]

SMALLEST_MASS = 1e-6
"""Points an empty component is taken to hold, so that it does not divide by zero."""
SMALLEST_WEIGHT = 1e-8
"""Weight that an empty component keeps inside the logarithm; at -18 nats it decides nothing."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """One Gaussian mixture per cloud; `weight` sums to 1 over j and `cov` includes the floor."""

    weight: Float[Tensor, "b j"]
    mean: Float[Tensor, "b j 3"]
    cov: Float[Tensor, "b j 3 3"]


def fit(
    xyz: Float[Tensor, "b n 3"],
    assignment: Float[Tensor, "b n j"],
    *,
    floor: float = 1e-4,
    covariance: Covariance = "full",
) -> Mixture:
    """Return the most likely mixture while the soft partition is held: the M-step of EM.

    Args:
        xyz: points; kept small around the origin by the caller (unit-ball clouds lose no digits here).
        assignment: share of each point in each component, rows sum to 1.
        floor: variance added to every axis of every component, in squared units of `xyz`.
        covariance: `diagonal` keeps the axes' variances, `isotropic` their mean.
    """
    moments = assignment.mT @ _monomials(xyz)  # (b, j, 10)
    mass = moments[..., :1].clamp_min(SMALLEST_MASS)
    mean = moments[..., 1:4] / mass
    # E[p pᵀ] - μ μᵀ: with centred points and the default floor this is good to 3e-4 nats on flat clouds in float32.
    second = _symmetric(moments[..., 4:] / mass)
    scatter = second - (moments[..., :1] / mass * mean)[..., None] * mean[..., None, :]
    eye = torch.eye(3, dtype=xyz.dtype, device=xyz.device)
    if covariance == "diagonal":
        scatter = scatter * eye
    elif covariance == "isotropic":
        scatter = (scatter.diagonal(dim1=-2, dim2=-1).mean(dim=-1))[..., None, None] * eye
    weight = moments[..., 0] / assignment.shape[1]
    return Mixture(weight=weight, mean=mean, cov=scatter + floor * eye)


def log_density(xyz: Float[Tensor, "b n 3"], mixture: Mixture) -> Float[Tensor, "b n"]:
    """Log density of every point under its cloud's mixture, in nats; differentiable in both arguments."""
    return torch.logsumexp(joint_log_density(xyz, mixture), dim=-1)


def joint_log_density(xyz: Float[Tensor, "b n 3"], mixture: Mixture) -> Float[Tensor, "b n j"]:
    """Log of weight times density of every component at every point, in nats."""
    precision, log_det = _inverse_and_log_det(mixture.cov)
    pull = (precision @ mixture.mean[..., None])[..., 0]  # (b, j, 3), Σ⁻¹ μ
    constant = (
        mixture.weight.clamp_min(SMALLEST_WEIGHT).log()
        - 0.5 * (log_det + (pull * mixture.mean).sum(dim=-1))
        - 1.5 * math.log(2 * math.pi)
    )
    quadratic = -0.5 * _packed(precision)  # (b, j, 6)
    coefficients = torch.cat([constant[..., None], pull, quadratic], dim=-1)  # (b, j, 10)
    return _monomials(xyz) @ coefficients.mT


def posterior(xyz: Float[Tensor, "b n 3"], mixture: Mixture) -> Float[Tensor, "b n j"]:
    """Share of each component in each point's density: the E-step of EM."""
    return joint_log_density(xyz, mixture).softmax(dim=-1)


def effective_components(weight: Float[Tensor, "b j"]) -> Float[Tensor, "b"]:
    """Return exp of the entropy of the weights: between 1 (one component does all) and j (all share alike)."""
    entropy: Tensor = torch.special.entr(weight).sum(dim=-1)
    return entropy.exp()


def smallest_eigenvalue(cov: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Smallest eigenvalue of symmetric 3 × 3 matrices by the trigonometric formula; squared units of the points."""
    mean = cov.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
    eye = torch.eye(3, dtype=cov.dtype, device=cov.device)
    shifted = cov - mean[..., None, None] * eye
    spread = (shifted.square().sum(dim=(-2, -1)) / 6).sqrt()
    # At a multiple of the identity the angle is undefined and irrelevant.
    ratio = (_determinant(shifted) / (2 * spread.pow(3)).clamp_min(torch.finfo(cov.dtype).tiny)).clamp(-1, 1)
    return mean + 2 * spread * torch.cos(torch.acos(ratio) / 3 + 2 * math.pi / 3)


def _monomials(xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 10"]:
    """Return (1, x, y, z, xx, yy, zz, xy, xz, yz) of every point."""
    x, y, z = xyz.unbind(dim=-1)
    return torch.stack([torch.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], dim=-1)


def _symmetric(packed: Float[Tensor, "b j 6"]) -> Float[Tensor, "b j 3 3"]:
    """Unfold (xx, yy, zz, xy, xz, yz) into symmetric matrices."""
    xx, yy, zz, xy, xz, yz = packed.unbind(dim=-1)
    matrices: Tensor = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], dim=-1).unflatten(-1, (3, 3))
    return matrices


def _packed(matrix: Float[Tensor, "b j 3 3"]) -> Float[Tensor, "b j 6"]:
    """Fold a symmetric form so that its dot product with the six quadratic monomials is pᵀ M p."""
    return torch.stack(
        [
            matrix[..., 0, 0],
            matrix[..., 1, 1],
            matrix[..., 2, 2],
            2 * matrix[..., 0, 1],
            2 * matrix[..., 0, 2],
            2 * matrix[..., 1, 2],
        ],
        dim=-1,
    )


def _determinant(m: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    return (
        m[..., 0, 0] * (m[..., 1, 1] * m[..., 2, 2] - m[..., 1, 2] * m[..., 2, 1])
        - m[..., 0, 1] * (m[..., 1, 0] * m[..., 2, 2] - m[..., 1, 2] * m[..., 2, 0])
        + m[..., 0, 2] * (m[..., 1, 0] * m[..., 2, 1] - m[..., 1, 1] * m[..., 2, 0])
    )


def _inverse_and_log_det(m: Float[Tensor, "b j 3 3"]) -> tuple[Float[Tensor, "b j 3 3"], Float[Tensor, "b j"]]:
    """Inverse and log determinant of symmetric positive definite matrices through their Cholesky factor, unrolled.

    Unrolled it costs a few dozen elementwise operations; one call of the linear-algebra library per matrix would cost
    more than everything else in the loss. Unlike the adjugate it loses nothing to cancellation on flat parts.
    """
    a, b, c = m[..., 0, 0], m[..., 1, 0], m[..., 2, 0]
    l00 = a.sqrt()
    l10, l20 = b / l00, c / l00
    l11 = (m[..., 1, 1] - l10 * l10).sqrt()
    l21 = (m[..., 2, 1] - l20 * l10) / l11
    l22 = (m[..., 2, 2] - l20 * l20 - l21 * l21).sqrt()
    # Inverse of the factor, row by row.
    i00, i11, i22 = 1 / l00, 1 / l11, 1 / l22
    i10 = -l10 * i00 * i11
    i21 = -l21 * i11 * i22
    i20 = -(l20 * i00 + l21 * i10) * i22
    xx = i00 * i00 + i10 * i10 + i20 * i20
    xy = i10 * i11 + i20 * i21
    xz = i20 * i22
    yy = i11 * i11 + i21 * i21
    yz = i21 * i22
    zz = i22 * i22
    inverse = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], dim=-1).unflatten(-1, (3, 3))
    return inverse, 2 * (l00.log() + l11.log() + l22.log())
