"""Rooms into blocks: columns of one square metre that a network can take in at a time.

Rule: columns of 1 m x 1 m, next to each other, from the room's corner; those with fewer than 100 points are left out;
4,096 points are drawn from each at random, with repeats where there are fewer. Source: C. R. Qi et al., "PointNet: Deep
Learning on Point Sets for 3D Classification and Segmentation", CVPR 2017, and its public preparation of S3DIS.
"""

import numpy as np
from jaxtyping import Float32, Int64
from numpy.random import Generator

from pointssl.data.cloud import Points


def block_members(
    xyz: Points, *, size: float = 1.0, stride: float = 1.0, least: int = 100
) -> list[tuple[Float32[np.ndarray, "2"], Int64[np.ndarray, " m"]]]:
    """Return, for every block, its corner (x, y) above the room's corner in metres, and the indices of its points.

    With `stride` below `size` blocks overlap. Blocks of fewer than `least` points are left out.
    """
    for what, value in (("size", size), ("stride", stride)):
        if not value > 0:
            raise ValueError(f"{what} must be above 0, got {value}")
    if len(xyz) == 0:
        return []
    plane = xyz[:, :2] - xyz[:, :2].min(0)
    columns, rows = np.maximum(np.ceil((plane.max(0) - size) / stride), 0).astype(int) + 1
    order = np.argsort(plane[:, 0], kind="stable")  # along x, so that a column looks at its own strip only
    along = plane[order, 0]
    blocks = []
    for column in range(columns):
        left = column * stride
        strip = order[np.searchsorted(along, left) : np.searchsorted(along, left + size, side="right")]
        across = plane[strip, 1]
        for row in range(rows):
            low = row * stride
            members = np.sort(strip[(across >= low) & (across <= low + size)])
            if len(members) >= least:
                blocks.append((np.array([left, low], dtype=np.float32), members))
    return blocks


def draw_block(members: Int64[np.ndarray, " m"], points: int, rng: Generator) -> Int64[np.ndarray, " n"]:
    """Draw `points` of a block's points at random; where there are too few, all of them and then repeats."""
    if len(members) >= points:
        return rng.choice(members, points, replace=False)
    return np.concatenate([members, rng.choice(members, points - len(members), replace=True)])


def block_features(
    xyz: Points, color: Float32[np.ndarray, "n 3"], corner: Float32[np.ndarray, "2"], room: Float32[np.ndarray, "3"],
    *, size: float = 1.0,
) -> Float32[np.ndarray, "n 9"]:  # fmt: skip
    """Return the nine channels of the usual protocol for points counted from the room's corner.

    x and y from the middle of the block and z above the floor, in metres; red, green, blue in [0, 1]; x, y, z as shares
    of the room's extent `room`.
    """
    middle = np.array([corner[0] + size / 2, corner[1] + size / 2, 0], dtype=np.float32)
    extent = np.maximum(room, np.finfo(np.float32).tiny)
    return np.concatenate([xyz - middle, color, xyz / extent], axis=1).astype(np.float32)
