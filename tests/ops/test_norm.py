"""Batch norm and activation in one pass against torch's own layers: values, gradients, running statistics."""

import copy

import pytest
import torch

from pointssl.ops.kernels import native, norm
from tests.ops.test_edgeconv import random_norm


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("b", "n", "e"), [(3, 50, 64), (2, 7, 5), (1, 2, 16)])
def test_activate__torch(training: bool, slope: float, b: int, n: int, e: int) -> None:
    if not native.available():
        pytest.skip(native.reason())
    ours = random_norm(e, torch.float32).train(training)
    theirs = copy.deepcopy(ours)
    x = torch.randn(b, n, e) * 2 + 1
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = norm.activate(mine, ours, slope), norm.activate_plain(other, theirs, slope)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad)
    pairs = [(out, expected), (mine.grad, other.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    pairs += list(zip(ours.buffers(), theirs.buffers(), strict=True))
    for got, wanted in pairs:
        assert got is not None
        assert wanted is not None
        assert torch.allclose(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.detach().abs().max()) + 1e-6)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_normalise__torch(dtype: torch.dtype, limit: float) -> None:
    """A process alone has the statistics of all: torch's own batch norm."""
    ours = random_norm(6, torch.promote_types(dtype, torch.float32))
    theirs = copy.deepcopy(ours)
    x = (torch.randn(50, 6, dtype=torch.float64) * 2 + 1).to(dtype)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    out, expected = norm.normalise(mine, ours, 1), theirs(other)
    assert out.dtype == expected.dtype
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad)
    pairs = [(out, expected), (mine.grad, other.grad)]
    pairs += [(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)]
    for got, wanted in pairs:
        assert got is not None
        assert wanted is not None
        assert torch.allclose(got, wanted, rtol=limit, atol=limit * float(wanted.detach().abs().max()))
    for got, wanted in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(got, wanted, rtol=1e-5)  # never rounded to half precision


def test_share_statistics__only_our_own() -> None:
    both = torch.nn.Sequential(norm.BatchNorm(3), torch.nn.Sequential(torch.nn.BatchNorm1d(3), norm.BatchNorm(3)))
    norm.share_statistics(both)
    assert [part.shared for part in both.modules() if isinstance(part, norm.BatchNorm)] == [True, True]
    assert (
        both.state_dict().keys()
        == torch.nn.Sequential(
            torch.nn.BatchNorm1d(3), torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3))
        )
        .state_dict()
        .keys()
    )


def test_activate__mean_far_from_zero() -> None:
    # Spread 1 around 1000: sums of float32 squares would lose the variance, sums in float64 do not.
    ours, x = torch.nn.BatchNorm1d(4, momentum=1.0), torch.randn(4, 200, 4) + 1000
    norm.activate(x, ours, 0.2)
    assert ours.running_var is not None
    assert torch.allclose(ours.running_var, x.double().flatten(0, 1).var(dim=0).float(), rtol=1e-5)


def test_activate__view_that_is_not_contiguous() -> None:
    ours = torch.nn.BatchNorm1d(6)
    x = torch.randn(2, 6, 9).mT
    assert torch.allclose(norm.activate(x, ours, 0.2), norm.activate_plain(x, copy.deepcopy(ours), 0.2), atol=1e-5)
