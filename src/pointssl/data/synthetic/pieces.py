"""The words that families of shapes are written in: named pieces, and plain draws from a generator."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from pointssl.data.synthetic.mesh import Mesh, Number

Pieces = list[tuple[str, Mesh]]
"""Part names with their meshes; a name may occur often."""

T = TypeVar("T")


def within(rng: Generator, low: Number, high: Number) -> float:
    """Draw a number between `low` and `high`."""
    return float(low + (high - low) * rng.random())


def chance(rng: Generator, probability: Number) -> bool:
    """Return True with the given probability."""
    return bool(rng.random() < probability)


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """Draw one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def circle(sides: int, *, squareness: Number = 2.0) -> Float[np.ndarray, "s 2"]:
    """Return a closed outline of radius 1: a circle at 2, more and more of a square above."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    cosine, sine = np.cos(angle), np.sin(angle)
    size = (np.abs(cosine) ** squareness + np.abs(sine) ** squareness) ** (-1 / squareness)
    return np.stack([cosine * size, sine * size], -1)
