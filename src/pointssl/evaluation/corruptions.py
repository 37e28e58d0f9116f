"""What can be wrong with a cloud that an encoder was not trained for: seven kinds at five strengths.

Source: the kinds follow J. Sun et al., "Benchmarking Robustness of 3D Point Cloud Recognition Against Common
Corruptions", 2022 (ModelNet40-C), and J. Ren et al., "Benchmarking and Analyzing Point Cloud Classification under
Corruptions", ICML 2022; the strengths are ours, in radii of the cloud. A corrupted cloud has as many points as before:
random ones of those that are left stand in for those that are gone.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

Cloud = Float[np.ndarray, "n 3"]

STRENGTHS: dict[str, tuple[float, ...]] = {
    "noise": (0.01, 0.02, 0.03, 0.04, 0.05),
    "dropout": (0.25, 0.4, 0.55, 0.7, 0.85),
    "occlusion": (0.1, 0.2, 0.3, 0.4, 0.5),
    "rotation": (15.0, 30.0, 45.0, 60.0, 90.0),
    "density": (1.0, 2.0, 3.0, 4.0, 5.0),
    "outliers": (0.01, 0.03, 0.06, 0.1, 0.2),
    "scale": (1.1, 1.25, 1.5, 1.75, 2.0),
}
"""Five strengths of each kind, the weakest first: standard deviation; share dropped; share cut off; degrees; how much
steeper than evenly the chance to stay falls from one side to the other; share replaced; largest factor of an axis."""


def corrupt(xyz: Cloud, kind: str, strength: int, rng: np.random.Generator) -> Cloud:
    """Return a corrupted copy, in float32, of a cloud in the unit sphere; `strength` is 1 to 5."""
    size = STRENGTHS[kind][strength - 1]
    made: Cloud = _KINDS[kind](xyz, size, rng).astype(np.float32)
    return made


def _noise(xyz: Cloud, deviation: float, rng: np.random.Generator) -> Cloud:
    """Gaussian noise on every coordinate."""
    noisy: Cloud = xyz + deviation * rng.normal(size=xyz.shape)
    return noisy


def _dropout(xyz: Cloud, share: float, rng: np.random.Generator) -> Cloud:
    """Random points gone."""
    order = rng.permutation(len(xyz))
    return _only(xyz, order >= round(share * len(xyz)), rng)


def _occlusion(xyz: Cloud, share: float, rng: np.random.Generator) -> Cloud:
    """The points farthest in a random direction gone: something stands before them."""
    rank = (xyz @ _direction(rng)).argsort().argsort()
    return _only(xyz, rank < len(xyz) - round(share * len(xyz)), rng)


def _rotation(xyz: Cloud, degrees: float, rng: np.random.Generator) -> Cloud:
    """Turned by this angle about a random axis (Rodrigues)."""
    x, y, z = _direction(rng)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    turned: Cloud = xyz @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).T
    return turned


def _density(xyz: Cloud, steepness: float, rng: np.random.Generator) -> Cloud:
    """Thinner and thinner towards one side: the chance to stay falls as exp(-steepness · way there)."""
    way = xyz @ _direction(rng)
    way = (way - way.min()) / max(float(np.ptp(way)), 1e-12)
    return _only(xyz, rng.uniform(size=len(xyz)) < np.exp(-steepness * way), rng)


def _outliers(xyz: Cloud, share: float, rng: np.random.Generator) -> Cloud:
    """Random points replaced by points anywhere in the cube around the unit sphere."""
    made = xyz.copy()
    gone = rng.permutation(len(xyz))[: round(share * len(xyz))]
    made[gone] = rng.uniform(-1, 1, size=(len(gone), 3))
    return made


def _scale(xyz: Cloud, factor: float, rng: np.random.Generator) -> Cloud:
    """Every axis stretched or squeezed by its own factor, at most this one."""
    scaled: Cloud = xyz * factor ** rng.uniform(-1, 1, size=3)
    return scaled


_KINDS: dict[str, Callable[[Cloud, float, np.random.Generator], Cloud]] = {
    "noise": _noise,
    "dropout": _dropout,
    "occlusion": _occlusion,
    "rotation": _rotation,
    "density": _density,
    "outliers": _outliers,
    "scale": _scale,
}


def _direction(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    drawn = rng.normal(size=3)
    unit: Float[np.ndarray, "3"] = drawn / np.linalg.norm(drawn)
    return unit


def _only(xyz: Cloud, kept: Bool[np.ndarray, " n"], rng: np.random.Generator) -> Cloud:
    """Put random kept points in the place of all others; the first point, where none is kept."""
    left = np.flatnonzero(kept) if kept.any() else np.zeros(1, dtype=np.int64)
    chosen: Cloud = xyz[np.where(kept, np.arange(len(xyz)), rng.choice(left, size=len(xyz)))]
    return chosen
