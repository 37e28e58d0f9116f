"""How light falls on a surface, and which way the surface of a bare cloud looks.

The lamp moves with the camera, so that a shape is lit the same way from every side. Pictures are on white paper: a
surface is never brighter than 0.85, which tells it from the background.
Source of the normals: H. Hoppe et al., "Surface Reconstruction from Unorganized Points", SIGGRAPH 1992 (the direction
of least variance among the nearest points); their consistent orientation is not needed here.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pointssl.ops.kernels.neighbors import nearest

LAMP = (-0.35, 0.55, 0.76)
"""Direction to the lamp in the camera's frame: over the viewer's left shoulder."""
DARKEST, BRIGHTEST = 0.15, 0.85
"""Brightness of a surface that faces away from the lamp, and of one that faces it."""


def lambert(normals: Float[Tensor, "*size 3"], hit: Bool[Tensor, "*size"]) -> Float[Tensor, "*size"]:
    """Return the brightness in [0, 1] of normals in a camera's frame; white where nothing was hit."""
    lamp = torch.tensor(LAMP, device=normals.device, dtype=normals.dtype)
    x, y, z = (normals * (lamp / lamp.norm())).unbind(-1)  # as products: matrix products would obey autocast
    return torch.where(hit, DARKEST + (BRIGHTEST - DARKEST) * (x + y + z).clamp(0, 1), 1.0)


def estimated_normals(xyz: Float[Tensor, "b n 3"], neighbours: int = 12) -> Float[Tensor, "b n 3"]:
    """Return unit normals of the planes through the `neighbours` nearest points of each point, of either sign.

    Clouds with fewer points use all of them; where the nearest points lie on a line or in one place, any direction
    across will come out, and never NaN.
    """
    if neighbours < 3:
        raise ValueError(f"neighbours must be at least 3, got {neighbours}")
    xyz = xyz.detach().float()
    found = nearest(xyz, min(neighbours, xyz.shape[1]))
    return least_direction(_covariance(xyz, found))


def _covariance(xyz: Float[Tensor, "b n 3"], found: Int[Tensor, "b n k"]) -> Float[Tensor, "6 b n"]:
    """Return xx, yy, zz, xy, xz, yz of the neighbourhoods, relative to the largest variance."""
    b, n, k = found.shape
    flat = found.view(b, n * k)
    x, y, z = (xyz[..., axis].gather(1, flat).view(b, n, k) for axis in range(3))
    x, y, z = (one - one.mean(dim=-1, keepdim=True) for one in (x, y, z))
    pairs = ((x, x), (y, y), (z, z), (x, y), (x, z), (y, z))
    moments = torch.stack([(one * other).sum(dim=-1) for one, other in pairs])
    return moments / moments[:3].amax(dim=0).clamp_min(torch.finfo(torch.float32).tiny)


def least_direction(symmetric: Float[Tensor, "6 *size"]) -> Float[Tensor, "*size 3"]:
    """Return the unit eigenvector of the least eigenvalue of matrices given as xx, yy, zz, xy, xz, yz, of scale 1.

    The matrix of cofactors has the same eigenvectors with eigenvalues l2 l3, l1 l3, l1 l2: the wanted one is the
    largest. Squaring it five times leaves nothing of the others (32nd power), without a call per matrix.
    """
    xx, yy, zz, xy, xz, yz = symmetric.unbind(0)
    slight = 1e-6  # points on a line: two equal eigenvalues of zero, whose cofactors would all vanish
    xx, yy, zz = xx + slight, yy + slight, zz + slight
    m = [yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy]
    m += [xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz]
    for _ in range(5):
        size = (m[0] + m[1] + m[2]).clamp_min(torch.finfo(torch.float32).tiny)
        a, b, c, d, e, f = (one / size for one in m)
        m = [a * a + d * d + e * e, d * d + b * b + f * f, e * e + f * f + c * c]
        m += [a * d + d * b + e * f, a * e + d * f + e * c, d * e + b * f + f * c]
    columns = torch.stack(
        [torch.stack([m[0], m[3], m[4]]), torch.stack([m[3], m[1], m[5]]), torch.stack(m[4:] + m[2:3])]
    )
    # Every column is a multiple of the eigenvector; the one with the largest diagonal is the longest.
    longest = torch.stack(m[:3]).argmax(dim=0)
    chosen = columns.gather(0, longest.expand(1, 3, *longest.shape)).squeeze(0)
    return torch.nn.functional.normalize(chosen.movedim(0, -1), dim=-1)
