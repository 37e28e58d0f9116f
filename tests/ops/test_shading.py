"""Shading and estimated normals: by hand, against LAPACK, and on clouds that have no surface."""

import numpy as np
import pytest
import torch

from pointssl.ops.render.shading import BRIGHTEST, DARKEST, LAMP, estimated_normals, lambert, least_direction


def test_lambert__facing_across_and_away() -> None:
    lamp = torch.nn.functional.normalize(torch.tensor(LAMP), dim=0)
    across = torch.nn.functional.normalize(torch.linalg.cross(lamp, torch.tensor([1.0, 0, 0])), dim=0)
    normals = torch.stack([lamp, across, -lamp, lamp])
    shown = lambert(normals, torch.tensor([True, True, True, False]))
    assert shown.tolist() == pytest.approx([BRIGHTEST, DARKEST, DARKEST, 1.0], abs=1e-6)


def test_least_direction__equals_lapack() -> None:
    square = torch.randn(200, 3, 3, generator=torch.Generator().manual_seed(0))
    matrix = square @ square.mT
    matrix = matrix / matrix.diagonal(dim1=1, dim2=2).amax(dim=1)[:, None, None]
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    value, vector = np.linalg.eigh(matrix.double().numpy())
    clear = value[:, 0] < 0.5 * value[:, 1]  # elsewhere the least direction is hardly defined
    cosine = (least_direction(matrix[:, rows, columns].T).numpy() * vector[:, :, 0]).sum(axis=1)
    assert clear.sum() > 150
    np.testing.assert_allclose(np.abs(cosine[clear]), 1, atol=1e-4)


def test_estimated_normals__of_a_tilted_plane() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.tensor([1.0, 2, 0]), torch.tensor([0.0, 1, 1])
    weight = torch.rand(1, 80, 2, generator=generator)
    made = estimated_normals(weight[..., :1] * first + weight[..., 1:] * second + 3)
    expected = torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=0)
    torch.testing.assert_close((made @ expected).abs(), torch.ones(1, 80), atol=1e-3, rtol=0)


def test_estimated_normals__of_a_line_lie_across_it() -> None:
    line = torch.linspace(-1, 1, 40)[None, :, None] * torch.tensor([1.0, 1.0, 0.5])
    made = estimated_normals(line)
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(1, 40))
    assert (made @ torch.nn.functional.normalize(torch.tensor([1.0, 1.0, 0.5]), dim=0)).abs().max() < 0.1


@pytest.mark.parametrize("points", [1, 2, 40])
def test_estimated_normals__of_one_place_are_finite(points: int) -> None:
    made = estimated_normals(torch.ones(1, points, 3))
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(1, points))


def test_estimated_normals__needs_a_plane() -> None:
    with pytest.raises(ValueError, match="neighbours must be at least 3"):
        estimated_normals(torch.zeros(1, 5, 3), 2)
