"""The contrast: hand values, a transcription with loops, the gradient through processes, the bound's limits."""

import math

import pytest
import torch
from torch import Tensor

from pointssl.ops import contrastive


def slow(a: Tensor, b: Tensor, temperature: float, intra_modal_negatives: bool) -> float:
    """Write l(a_i -> b) out as in the papers: one exponential at a time."""
    a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(a)):
        below = sum(math.exp(float(a[i] @ b[k]) / temperature) for k in range(len(a)))
        if intra_modal_negatives:
            below += sum(math.exp(float(a[i] @ a[k]) / temperature) for k in range(len(a)) if k != i)
        losses.append(-math.log(math.exp(float(a[i] @ b[i]) / temperature) / below))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("intra_modal_negatives", [True, False])
def test_info_nce__is_the_formula(intra_modal_negatives: bool) -> None:
    a, b = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    loss = contrastive.info_nce(a, b, 0.3, intra_modal_negatives=intra_modal_negatives)
    assert loss.shape == (5,)
    assert float(loss.mean()) == pytest.approx(slow(a, b, 0.3, intra_modal_negatives), abs=1e-12)


def test_nt_xent__is_that_of_one_batch_of_both_copies() -> None:
    # SimCLR puts the 2 b vectors in one list; every one looks for its partner among the 2 b - 1 others.
    a, b = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    z = contrastive.unit(torch.cat([a, b]))
    logits = (z @ z.mT / 0.2).masked_fill(torch.eye(8, dtype=torch.bool), -math.inf)
    simclr = torch.nn.functional.cross_entropy(logits, torch.arange(8).roll(4))
    torch.testing.assert_close(contrastive.nt_xent(a, b, 0.2), simclr)


def test_nt_xent__by_hand() -> None:
    # Two orthogonal clouds, both copies equal: cosines 1 and 0, temperature 1: -log(e / (e + 1 + 1)).
    eye = torch.eye(2)
    assert contrastive.nt_xent(eye, eye, 1.0).item() == pytest.approx(math.log(1 + 2 / math.e), abs=1e-6)
    assert contrastive.nt_xent(eye, eye, 1.0, intra_modal_negatives=False).item() == pytest.approx(
        math.log(1 + 1 / math.e), abs=1e-6
    )


def test_nt_xent__best_for_the_right_pairs() -> None:
    a = torch.randn(6, 8)
    right = contrastive.nt_xent(a, a, 0.1)
    assert right < contrastive.nt_xent(a, a.roll(1, 0), 0.1)
    assert right < contrastive.nt_xent(a, torch.randn(6, 8), 0.1)


@pytest.mark.parametrize("a", [torch.zeros(3, 4), torch.ones(3, 4), 1e-20 * torch.randn(3, 4), 1e18 * torch.ones(3, 4)])
def test_nt_xent__finite_where_directions_vanish_or_agree(a: Tensor) -> None:
    a = a.clone().requires_grad_()
    loss = contrastive.nt_xent(a, a.detach().clone(), 0.07)
    loss.backward()
    assert loss.isfinite()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def test_nt_xent__gradient() -> None:
    a = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y: contrastive.nt_xent(x, y, 0.5), (a, b))


def test_nt_xent__float32_under_autocast() -> None:
    a, b = torch.randn(8, 16), torch.randn(8, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = contrastive.nt_xent(a, b, 0.1)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, contrastive.nt_xent(a, b, 0.1))


def test_information_bound__reaches_log_of_the_clouds_and_no_more() -> None:
    eye = torch.eye(8)
    assert contrastive.information_bound(eye, eye, 0.01).mean().item() == pytest.approx(math.log(8), abs=1e-6)
    assert contrastive.information_bound(torch.ones(8, 8), eye, 0.1).mean().item() < 1e-6
    assert contrastive.information_bound(eye, eye.roll(1, 0), 0.1).mean().item() < 0


def test_information_bound__stays_below_what_is_shared() -> None:
    # Of 8 clouds pairs look alike: they share log 4 nats, and the best match cannot show more.
    paired = torch.eye(4).repeat_interleave(2, dim=0)
    assert contrastive.information_bound(paired, paired, 0.01).mean().item() == pytest.approx(math.log(4), abs=1e-6)


def test_information_bound__is_the_mean_of_both_directions() -> None:
    a, b = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    wanted = math.log(5) - (slow(a, b, 0.3, False) + slow(b, a, 0.3, False)) / 2
    assert contrastive.information_bound(a, b, 0.3).mean().item() == pytest.approx(wanted, abs=1e-12)
