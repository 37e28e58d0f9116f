"""Which blocks a point belongs to: square columns that stand at round places, and share `overlap` with each other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

_MOST = 1 << 31


class Grid(NamedTuple):
    """Blocks of `size` along x and y, the next one `size - overlap` further on; block (0, 0) begins at (0, 0)."""

    size: float
    overlap: float

    @property
    def stride(self) -> float:
        """From one block to the next."""
        return self.size - self.overlap

    def corner(self, cell: tuple[int, int]) -> tuple[float, float]:
        """Return where a block begins."""
        return cell[0] * self.stride, cell[1] * self.stride

    def members(self, xy: Float64[np.ndarray, "m 2"]) -> tuple[Int64[np.ndarray, " r"], Int64[np.ndarray, "r 2"]]:
        """Return every pair of a point and a block that it lies in: the points' places, and the blocks.

        A block holds what is not less than its corner, and less than `size` beyond it. So every point is in one block
        at least, and where the blocks do not overlap in one only.

        Raises:
            ValueError: blocks so small that their numbers would not fit.
        """
        if len(xy) and np.abs(xy).max() >= self.stride * (_MOST - 1):
            raise ValueError(f"blocks of {self.size:g} are too small for coordinates up to {np.abs(xy).max():g}")
        last = np.floor(xy / self.stride).astype(np.int64)
        # Division rounds; the corners themselves decide.
        last -= xy < last * self.stride
        last += xy >= (last + 1) * self.stride
        steps = int(np.ceil(self.size / self.stride))
        every = np.arange(len(xy))
        rows, cells = [], []
        for back in np.ndindex(steps, steps):
            cell = last - np.array(back)
            inside = ((cell == last) | (xy < cell * self.stride + self.size)).all(axis=1)
            rows.append(every[inside])
            cells.append(cell[inside])
        return np.concatenate(rows), np.concatenate(cells)


def pack(cells: Int64[np.ndarray, "r 2"]) -> Int64[np.ndarray, " r"]:
    """Return one number for each block, in the order of x and then y."""
    return np.asarray((cells[:, 0] << 32) + cells[:, 1])


def unpack(key: int) -> tuple[int, int]:
    """Return the block behind a number."""
    y = ((key + _MOST) & 0xFFFFFFFF) - _MOST
    return (key - y) >> 32, y
