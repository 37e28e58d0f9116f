"""Nearest neighbours against brute force in float64, ties by index; the compiled selection and the plain one."""

import pytest
import torch
from torch import Tensor

from pointssl.ops.kernels import native, neighbors


@pytest.fixture(params=["compiled", "plain"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(native, "available", lambda: False)
    elif not native.available():
        pytest.skip(native.reason())


def brute_force(x: Tensor, k: int) -> Tensor:
    wide = x.double()
    return (wide[:, :, None] - wide[:, None]).square().sum(dim=-1).sort(dim=-1, stable=True).indices[..., :k]


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize(("n", "d", "k"), [(40, 3, 5), (150, 3, 20), (260, 8, 40), (512, 3, 80), (30, 5, 30)])
def test_nearest__brute_force(n: int, d: int, k: int) -> None:
    # Coordinates on a grid of 1/64 have exact squares and products, so ranks are exact and ties are real.
    x = (torch.randn(2, n, d) * 64).round() / 64
    x = x - x[:, :1]
    x = torch.cat([x, -x], dim=1)  # the mean is then exactly zero, and centring changes nothing
    assert torch.equal(neighbors.nearest(x, k), brute_force(x, k))


@pytest.mark.usefixtures("_form")
def test_nearest__equal_points_by_index() -> None:
    assert torch.equal(neighbors.nearest(torch.ones(1, 300, 3), 7), torch.arange(7).expand(1, 300, 7))


@pytest.mark.usefixtures("_form")
def test_nearest__far_from_the_origin() -> None:
    x = (torch.rand(1, 64, 3) * 64).round()  # whole numbers stay exact when moved by a power of two
    assert torch.equal(neighbors.nearest(x + 2.0**15, 6).sort().values, neighbors.nearest(x, 6).sort().values)


def test_nearest__float64_far_from_the_origin_keeps_its_digits() -> None:
    """Metres of a map: float32 has steps of half a metre there, and the cloud is one metre wide."""
    torch.manual_seed(0)
    near = torch.randn(1, 100, 3, dtype=torch.float64)
    far = near + torch.tensor([4e5, 5.6e6, 100.0], dtype=torch.float64)
    assert torch.equal(neighbors.nearest(far, 10), brute_force(near, 10))


def test_nearest__float32_under_autocast() -> None:
    x = torch.randn(1, 200, 3)
    plain = neighbors.nearest(x, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(neighbors.nearest(x, 9), plain)


def test_nearest__small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whole numbers, and a mean over 64 points: every product is exact, however a machine orders its sums.
    x = torch.randint(-8, 8, (3, 64, 3)).float()
    whole = neighbors.nearest(x, 6)
    monkeypatch.setattr(neighbors, "BLOCK_CPU", 170)
    assert torch.equal(neighbors.nearest(x, 6), whole)


@pytest.mark.parametrize("k", [0, 11])
def test_nearest__too_few_points(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k must be between 1 and the points per cloud \(10\), got {k}"):
        neighbors.nearest(torch.zeros(1, 10, 3), k)


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize(("n", "k"), [(1024, 20), (1031, 20), (2048, 40), (100, 20), (700, 43), (1024, 86), (1024, 1)])
def test_smallest__stable_sort(n: int, k: int) -> None:
    many_ties = torch.randint(-20, 20, (1, 40, n)).float()
    signed_zeros = torch.tensor([0.0, -0.0])[torch.randint(2, (1, 3, n))]
    for rank in (torch.randn(1, 40, n), many_ties, signed_zeros):
        assert torch.equal(neighbors.smallest(rank, k), rank.sort(dim=-1, stable=True).indices[..., :k])


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize("n", [50, 600])
def test_smallest__nan_gives_valid_places(n: int) -> None:
    found = neighbors.smallest(torch.full((1, 2, n), float("nan")), 5)
    assert ((found >= 0) & (found < n)).all()


def test_nearest__operator_is_well_formed() -> None:
    torch.library.opcheck(torch.ops.pointssl.nearest.default, (torch.randn(2, 20, 3), 4))
