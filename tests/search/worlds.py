"""Folders of shapes whose neighbours and copies are known."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pointssl.data.synthetic import SyntheticShapes


def shapes(count: int = 12, points: int = 600) -> list[Float32[np.ndarray, "n 3"]]:
    """Return clouds of different families."""
    data = SyntheticShapes(count, 0)
    generator = np.random.default_rng(0)
    return [np.asarray(data.xyz(i)[generator.permutation(len(data.xyz(i)))[:points]]) for i in range(count)]


def write_folder(folder: Path) -> Path:
    """Write twelve shapes, and of the fourth and the seventh other draws, moved and scaled, under other names."""
    folder.mkdir()
    data = SyntheticShapes(12, 0)
    generator = np.random.default_rng(1)
    for i in range(12):
        order = generator.permutation(len(data.xyz(i)))
        np.save(folder / f"shape_{i:02d}.npy", data.xyz(i)[order[:900]])
        if i in (4, 7):
            np.save(folder / f"again_{i:02d}.npy", 40 * data.xyz(i)[order[-900:]] + [100, 0, 5])
    return folder
