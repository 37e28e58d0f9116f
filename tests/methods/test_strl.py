"""STRL: the loss against numpy, no gradient into the teacher, and how the teacher moves along a run."""

from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.data.augment import AugmentConfig
from pointssl.methods import STRL, STRLConfig
from pointssl.types import CloudBatch


def build(**changes: Any) -> STRL:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return STRL(encoder, STRLConfig(**({"hidden": 12, "dim": 6} | changes)))


def clouds(count: int = 5, points: int = 40) -> torch.Tensor:
    """Return random clouds, each stretched differently."""
    chance = torch.Generator().manual_seed(1)
    return torch.randn(count, points, 3, generator=chance) * torch.rand(count, 1, 3, generator=chance)


def test_loss__is_byols_both_ways_added() -> None:
    method = build().eval()
    predicted, target = [], []
    method.predictor.register_forward_hook(lambda _, __, output: predicted.append(output.detach().double().numpy()))
    method.teacher_projector.register_forward_hook(lambda _, __, output: target.append(output.double().numpy()))
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    total = 0.0
    for i in range(5):  # row i and i + 5 are copies of one cloud
        for q, z in ((predicted[0][i], target[0][i + 5]), (predicted[0][i + 5], target[0][i])):
            total += 2 - 2 * float(q @ z / np.linalg.norm(q) / np.linalg.norm(z))
    assert output.loss.item() == pytest.approx(total / 5, rel=1e-5)
    assert output.logs["cosine"].item() == pytest.approx(1 - output.loss.item() / 4, rel=1e-5)


def test_loss__of_a_perfect_prediction_is_zero() -> None:
    # The predictor is the identity, copies are left alone, and at the start the teacher is the student.
    method = build(augment=AugmentConfig()).eval()
    method.predictor = torch.nn.Identity()  # type: ignore[assignment]
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    assert output.loss.item() == pytest.approx(0, abs=1e-5)


def test_teacher__gets_no_gradient_and_follows() -> None:
    method = build(momentum=0.5)
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0)).loss.backward()
    slow, fast = next(method.teacher_projector.parameters()), next(method.projector.parameters())
    assert slow.grad is None
    assert fast.grad is not None
    before = slow.clone()
    with torch.no_grad():
        fast.add_(1)
    method.after_step(0.0)
    torch.testing.assert_close(slow, before + 0.5)
    method.after_step(1.0)  # at the end the teacher stands still
    torch.testing.assert_close(slow, before + 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"dim": 0}, "hidden and dim must be at least 1"), ({"momentum": 1.5}, "momentum must be between 0 and 1")],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STRLConfig(**changes)
