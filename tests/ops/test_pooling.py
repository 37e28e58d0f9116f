"""The pooled layer that never holds its points, against the layer written out: values, gradients, statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn

from pointssl.ops.kernels import native, pooling
from tests.ops.test_edgeconv import random_norm


@pytest.fixture(params=["compiled", "plain", "float64"])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    if request.param == "float64":
        return torch.float64
    if request.param == "plain":
        monkeypatch.setattr(native, "available", lambda: False)
    elif not native.available():
        pytest.skip(native.reason())
    return torch.float32


def textbook(x: Tensor, weight: Tensor, norm: nn.BatchNorm1d, slope: float) -> Tensor:
    y = x @ weight.mT
    return nn.functional.leaky_relu(norm(y.flatten(0, 1)).view_as(y), slope).max(dim=1).values


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("n", "d", "e"), [(30, 5, 64), (70, 33, 50), (1, 4, 7)])
def test_linear_norm_max__textbook(
    dtype: torch.dtype, training: bool, slope: float, n: int, d: int, e: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "BLOCK_CPU", 16 * e)  # several blocks per cloud
    monkeypatch.setattr(pooling, "COLUMNS", 4)  # and several strips of the covariance
    x, weight = torch.randn(3, n, d, dtype=dtype) + 1, torch.randn(e, d, dtype=dtype)
    norm = random_norm(e, dtype).train(training)
    other = copy.deepcopy(norm)
    ours = (x.clone().requires_grad_(), weight.clone().requires_grad_())
    theirs = (x.clone().requires_grad_(), weight.clone().requires_grad_())
    out = pooling.linear_norm_max(ours[0], ours[1], norm, slope)
    expected = textbook(theirs[0], theirs[1], other, slope)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad)
    limit = 1e-10 if dtype == torch.float64 else 1e-4
    pairs = [(out, expected), *((a.grad, b.grad) for a, b in zip(ours, theirs, strict=True))]
    pairs += [(a.grad, b.grad) for a, b in zip(norm.parameters(), other.parameters(), strict=True)]
    pairs += list(zip(norm.buffers(), other.buffers(), strict=True))
    for got, wanted in pairs:
        assert got is not None
        assert wanted is not None
        assert torch.allclose(got, wanted, rtol=limit, atol=limit * float(wanted.detach().abs().max()))


def test_linear_norm_max__bf16_close_to_float32() -> None:
    x, weight, norm = torch.randn(4, 50, 32), torch.randn(64, 32) / 32**0.5, nn.BatchNorm1d(64)
    expected = textbook(x, weight, nn.BatchNorm1d(64), 0.2)
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = pooling.linear_norm_max(x, weight, norm, 0.2)
    assert out.dtype == torch.float32
    assert (out - expected).abs().max() < 0.03  # 2^-8 of values of up to four standard deviations, twice
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_linear_norm_max__constant_channel() -> None:
    # All points alike: the variance is 0, the norm divides by √eps, and nothing may become NaN.
    x = torch.ones(2, 9, 4, requires_grad=True)
    out = pooling.linear_norm_max(x, torch.randn(8, 4), nn.BatchNorm1d(8), 0.2)
    assert torch.allclose(out, torch.zeros(2, 8), atol=1e-3)
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_linear_norm_max__norm_without_statistics() -> None:
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    with pytest.raises(ValueError, match="norm must keep running statistics"):
        pooling.linear_norm_max(torch.randn(2, 9, 4), torch.randn(8, 4), norm, 0.2)


@pytest.mark.parametrize("training", [True, False])
def test_norm_max__operator_is_well_formed(training: bool) -> None:
    x, weight = torch.randn(2, 12, 4, requires_grad=True), torch.randn(8, 4, requires_grad=True)
    gain, bias = torch.rand(8, requires_grad=True), torch.randn(8, requires_grad=True)
    args = (x, weight, gain, bias, torch.zeros(8), torch.ones(8), training, 1e-5, 0.2, 1)
    torch.library.opcheck(torch.ops.pointssl.linear_norm_max.default, args)
