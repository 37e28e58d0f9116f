"""The factored edge convolution against the textbook form over edges: values, gradients, running statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn

from pointssl.ops.kernels import edge_kernels, edgeconv, native, neighbors

SLOPE = 0.2


@pytest.fixture(params=["compiled", "plain", "float64"])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    if request.param == "float64":
        return torch.float64
    if request.param == "plain":
        monkeypatch.setattr(native, "available", lambda: False)
    elif not native.available():
        pytest.skip(native.reason())
    return torch.float32


def textbook(x: Tensor, index: Tensor, weight: Tensor, norm: nn.BatchNorm1d, slope: float) -> Tensor:
    """Gather, concatenate, multiply, normalise, activate; before the max."""
    near = torch.stack([cloud[places] for cloud, places in zip(x, index, strict=True)])  # (b, n, k, d)
    y = torch.cat([near - x[:, :, None], x[:, :, None].expand_as(near)], dim=-1) @ weight.mT
    return nn.functional.leaky_relu(norm(y.flatten(0, 2)).view_as(y), slope)


def random_norm(e: int, dtype: torch.dtype) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(e, momentum=0.3).to(dtype)
    with torch.no_grad():
        norm.weight.normal_()  # about half the scales are negative
        norm.bias.normal_()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


def compare(x: Tensor, index: Tensor, weight: Tensor, norm: nn.BatchNorm1d, slope: float = SLOPE) -> None:
    """Assert equal outputs, gradients of all inputs and parameters, and buffers."""
    other = copy.deepcopy(norm)
    ours = (x.clone().requires_grad_(), weight.clone().requires_grad_())
    theirs = (x.clone().requires_grad_(), weight.clone().requires_grad_())
    out = edgeconv.edge_conv(ours[0], index, ours[1], norm, slope)
    expected = textbook(theirs[0], index, theirs[1], other, slope).max(dim=2).values
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad)
    limit = 1e-10 if x.dtype == torch.float64 else 1e-5
    pairs = [(out, expected), *((a.grad, b.grad) for a, b in zip(ours, theirs, strict=True))]
    pairs += [(a.grad, b.grad) for a, b in zip(norm.parameters(), other.parameters(), strict=True)]
    pairs += list(zip(norm.buffers(), other.buffers(), strict=True))
    for got, wanted in pairs:
        assert got is not None
        assert wanted is not None
        assert torch.allclose(got, wanted, rtol=limit, atol=limit * float(wanted.detach().abs().max()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("n", "d", "e", "k"), [(20, 3, 64, 5), (25, 8, 48, 7), (40, 4, 112, 20), (12, 5, 16, 12)])
def test_edge_conv__textbook(dtype: torch.dtype, training: bool, n: int, d: int, e: int, k: int) -> None:
    x = torch.randn(3, n, d, dtype=dtype)
    norm = random_norm(e, dtype).train(training)
    compare(x, neighbors.nearest(x, k), torch.randn(e, 2 * d, dtype=dtype), norm)


def test_edge_conv__width_without_kernel(dtype: torch.dtype) -> None:
    x = torch.randn(2, 15, 4, dtype=dtype)
    compare(x, neighbors.nearest(x, 4), torch.randn(10, 8, dtype=dtype), random_norm(10, dtype))


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_edge_conv__other_slopes(dtype: torch.dtype, slope: float) -> None:
    x = torch.randn(2, 15, 4, dtype=dtype)
    compare(x, neighbors.nearest(x, 4), torch.randn(16, 8, dtype=dtype), random_norm(16, dtype), slope)


def test_edge_conv__tied_edges(dtype: torch.dtype) -> None:
    # Every point twice: each max is attained by two edges. Both forms follow the first, so even gradients agree.
    x = torch.randn(2, 10, 4, dtype=dtype).repeat(1, 2, 1)
    norm = random_norm(32, dtype)
    with torch.no_grad():
        norm.weight.abs_()  # turned over, the two forms would still agree, but only up to which twin they follow
    compare(x, neighbors.nearest(x, 6), torch.randn(32, 8, dtype=dtype), norm)


def test_edge_conv__zero_scale(dtype: torch.dtype) -> None:
    x = torch.randn(2, 10, 4, dtype=dtype, requires_grad=True)
    norm = random_norm(16, dtype)
    with torch.no_grad():
        norm.weight.zero_()
    out = edgeconv.edge_conv(x, neighbors.nearest(x, 3), torch.randn(16, 8, dtype=dtype), norm, SLOPE)
    assert torch.equal(out, nn.functional.leaky_relu(norm.bias, SLOPE).expand_as(out))
    out.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_edge_conv__bf16_close_to_float32() -> None:
    # bf16 keeps 8 bits: each product is off by up to 2^-8 of its terms; statistics and the max stay float32.
    x, norm = torch.randn(2, 50, 16), nn.BatchNorm1d(32)
    index, weight = neighbors.nearest(x, 8), torch.randn(32, 32) / 32**0.5
    with torch.autocast("cpu", torch.bfloat16):
        out = edgeconv.edge_conv(x, index, weight, norm, SLOPE)
    expected = textbook(x, index, weight, nn.BatchNorm1d(32), SLOPE).amax(dim=2)
    assert out.dtype == torch.float32
    assert (out - expected).abs().max() < 0.03


def test_edge_conv__coordinates_stay_float32_under_autocast() -> None:
    x, norm = torch.randn(2, 50, 3), nn.BatchNorm1d(32).eval()
    index, weight = neighbors.nearest(x, 8), torch.randn(32, 6)
    expected = edgeconv.edge_conv(x, index, weight, norm, SLOPE)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(edgeconv.edge_conv(x, index, weight, norm, SLOPE), expected)


def test_edge_conv__large_offset_of_the_features() -> None:
    # The mean of u and v is 1000 times their spread: a variance from raw squares in float32 would be noise. What is
    # left is the rounding of the product itself, 2^-24 of values of 10^4 against a spread of 5: 1e-4.
    x = torch.randn(4, 100, 16) + 1000
    norm, weight = nn.BatchNorm1d(32, momentum=1.0), torch.randn(32, 32)
    index = neighbors.nearest(x, 8)
    edgeconv.edge_conv(x, index, weight, norm, SLOPE)
    exact = nn.BatchNorm1d(32, momentum=1.0).double()
    textbook(x.double(), index, weight.double(), exact, SLOPE)
    assert norm.running_var is not None
    assert exact.running_var is not None
    assert torch.allclose(norm.running_var.double(), exact.running_var, rtol=1e-3)


def test_edges__textbook() -> None:
    x, norm = torch.randn(2, 20, 4, dtype=torch.float64), random_norm(8, torch.float64)
    index, weight = neighbors.nearest(x, 5), torch.randn(8, 8, dtype=torch.float64)
    expected = textbook(x, index, weight, copy.deepcopy(norm), SLOPE)
    assert torch.allclose(edgeconv.edges(x, index, weight, norm, SLOPE), expected, rtol=1e-10, atol=1e-10)


def test_edge_conv__plain_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(5, 12, 4, dtype=torch.float64)
    monkeypatch.setattr(edge_kernels, "GATHERED", 1)
    compare(x, neighbors.nearest(x, 4), torch.randn(16, 8, dtype=torch.float64), random_norm(16, torch.float64))


def test_edge_conv__threads_do_not_matter() -> None:
    x, weight = torch.randn(3, 60, 8), torch.randn(80, 16)
    index = neighbors.nearest(x, 8)
    results: list[Tensor] = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        here = x.clone().requires_grad_()
        edgeconv.edge_conv(here, index, weight, nn.BatchNorm1d(80), SLOPE).square().sum().backward()
        assert here.grad is not None
        results.append(here.grad)
    assert torch.allclose(results[0], results[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_norm_max__operator_is_well_formed(training: bool) -> None:
    uv = torch.randn(2, 12, 32, requires_grad=True)
    weight, bias = torch.rand(16, requires_grad=True), torch.randn(16, requires_grad=True)
    index = torch.randint(12, (2, 12, 4))
    args = (uv, index, weight, bias, torch.zeros(16), torch.ones(16), training, 1e-5, SLOPE, 1)
    torch.library.opcheck(torch.ops.pointssl.edge_norm_max.default, args)
