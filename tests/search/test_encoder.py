"""Vectors: of length 1, bound to weights and reading, and the same for a cloud that is turned back."""

import numpy as np
import pytest
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.reading import ReadConfig
from pointssl.evaluation.features import EncodeConfig
from pointssl.search.encoder import Encoder, Turns, rotations
from pointssl.types import Features


class Highest(Backbone):
    """The largest coordinate along each axis: known, and it knows which way is up."""

    point_dim, pooled_dim = 3, 3

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(Tensor([1.0]))

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Return the points, and the largest of each coordinate."""
        return Features(points=xyz, pooled=self.gain * xyz.amax(dim=1))


def encoder(points: int = 6, seed: int = 0) -> Encoder:
    reading = ReadConfig(points=points, normalise=False, allow_repeats=True)
    return Encoder("highest", Highest(), EncodeConfig(reading=reading), None, seed)


def data(cloud: Float32[np.ndarray, "n 3"]) -> ArrayDataset:
    return ArrayDataset(cloud[None], name="one")


AXES = np.array([[3, 0, 0], [0, 2, 0], [0, 0, 1], [-0.5, 0, 0], [0, -0.5, 0], [0, 0, -0.5]], dtype=np.float32)


@pytest.mark.parametrize(("turns", "count"), [(1, 1), (4, 4), (24, 24)])
def test_rotations__are_so_many_and_each_once(turns: Turns, count: int) -> None:
    made = rotations(turns, "y")
    assert made.shape == (count, 3, 3)
    np.testing.assert_array_equal(made[0], np.eye(3))
    np.testing.assert_array_equal(made @ made.transpose(0, 2, 1), np.broadcast_to(np.eye(3), made.shape))
    np.testing.assert_allclose(np.linalg.det(made), 1)
    assert len({one.tobytes() for one in made}) == count
    if turns == 4:
        assert (made[:, 1, 1] == 1).all()  # up stays up


def test_vectors__are_of_length_one() -> None:
    [row] = encoder().vectors(data(AXES))
    np.testing.assert_allclose(row, np.array([3, 2, 1]) / 14**0.5, atol=1e-6)


def test_turned__finds_the_pose_of_a_turned_copy() -> None:
    upright = encoder().vectors(data(AXES))[0]
    for matrix in rotations(24, "y"):
        poses = np.concatenate(list(encoder().turned(data(AXES @ matrix.T), 24)))
        assert (poses @ upright).max() == pytest.approx(1, abs=1e-6)


def test_key__knows_weights_reading_and_seed() -> None:
    other = encoder()
    with torch.no_grad():
        next(other.network.parameters()).add_(1)
    keys = {encoder().key, other.key, encoder(points=5).key, encoder(seed=1).key}
    assert len(keys) == 4
    assert encoder().key == encoder().key
