"""Point-JEPA: the order of patches by a loop, blocks and context, the loss against numpy, and what the encoder sees."""

from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import DGCNNConfig, PatchTransformerConfig, build_backbone
from pointssl.errors import SettingError
from pointssl.methods import PointJEPA, PointJEPAConfig
from pointssl.methods.point_jepa import in_sequence
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch

SMALL = PatchTransformerConfig(patches=20, patch_points=6, width=24, depth=2, heads=2)


def build(**changes: Any) -> PointJEPA:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    return PointJEPA(build_backbone(SMALL), PointJEPAConfig(**({"width": 16, "depth": 1, "heads": 2} | changes)))


def clouds(count: int = 3, points: int = 90) -> torch.Tensor:
    """Return random clouds."""
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(1))


def test_in_sequence__is_the_greedy_walk() -> None:
    centre = clouds(4, 15)
    for cloud, order in zip(centre.double().numpy(), in_sequence(centre).tolist(), strict=True):
        walk = [int(cloud.sum(axis=1).argmin())]
        while len(walk) < 15:
            left = [i for i in range(15) if i not in walk]
            walk.append(min(left, key=lambda i: float(np.linalg.norm(cloud[i] - cloud[walk[-1]]))))
        assert order == walk


def test_blocks__are_runs_and_the_context_is_what_they_leave() -> None:
    method, sizes = build(), set()
    for seed in range(60):
        block, context = method.blocks(Draws(torch.Generator().manual_seed(seed), 3))
        assert len(block) == 4
        assert torch.equal(block - block[:, :1], torch.arange(block.shape[1]).expand(4, -1))  # runs
        assert 0 <= block.min() <= block.max() < 20
        free = [place for place in range(20) if place not in block.flatten().tolist()]
        begin = free.index(int(context[0]))
        assert context.tolist() == free[begin : begin + len(context)]
        assert int(0.4 * len(free)) <= len(context) <= max(1, int(0.75 * len(free)))
        sizes.add(block.shape[1])
    assert sizes == {3}  # 0.15 to 0.2 of 20, rounded down: 4 has no chance


def test_loss__is_the_smooth_distance_to_the_teachers_normed_tokens() -> None:
    method = build().eval()
    said: list[torch.Tensor] = []
    predicted: list[torch.Tensor] = []
    method.teacher.register_forward_hook(lambda _, __, output: said.append(output.double()))
    method.out.register_forward_hook(lambda _, __, output: predicted.append(output.detach().double()))
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    block, _ = method.blocks(Draws(torch.Generator().manual_seed(0), 3))
    total = []
    for places, one in zip(block.tolist(), predicted, strict=True):
        target = said[0][:, places].numpy()
        target = (target - target.mean(axis=-1, keepdims=True)) / np.sqrt(target.var(axis=-1, keepdims=True) + 1e-5)
        away = np.abs(one.numpy() - target)
        total.append(np.where(away < 1, away**2 / 2, away - 0.5).mean())
    assert output.loss.item() == pytest.approx(np.mean(total), rel=1e-4)


def test_encoder__sees_the_context_alone_and_the_teacher_everything() -> None:
    method = build()
    seen: dict[str, list[torch.Tensor]] = {"student": [], "teacher": []}
    method.backbone.encoder.register_forward_hook(lambda _, inputs, __: seen["student"].append(inputs[1]))
    method.teacher.register_forward_hook(lambda _, inputs, __: seen["teacher"].append(inputs[1]))
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    _, context = method.blocks(Draws(torch.Generator().manual_seed(0), 3))
    centre = method.backbone.cut(clouds()).centre
    order = in_sequence(centre)
    for cloud in range(3):
        assert torch.equal(seen["teacher"][0][cloud], centre[cloud, order[cloud]])
        assert torch.equal(seen["student"][0][cloud], centre[cloud, order[cloud, context]])


def test_teacher__gets_no_gradient_and_follows() -> None:
    method = build(momentum=(0.5, 1.0))
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0)).loss.backward()
    assert all(p.grad is None for p in method.teacher.parameters())
    slow, fast = method.teacher.norm.bias, method.backbone.encoder.norm.bias
    with torch.no_grad():
        fast.add_(1)
    method.after_step(0.0)
    torch.testing.assert_close(slow, torch.full_like(slow, 0.5))


@pytest.mark.parametrize(
    ("encoder", "settings", "message"),
    [
        (DGCNNConfig(), {}, "point-jepa hides patches, which DGCNN does not cut"),
        (SMALL, {"target": (0.2, 0.25)}, "method.targets 4 of up to 0.25 of 20 patches may leave none to see"),
    ],
)
def test_refused__encoders_that_do_not_fit(encoder: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        PointJEPA(build_backbone(encoder), PointJEPAConfig(**settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": 0}, "targets, width, depth and heads must be at least 1"),
        ({"width": 100}, "width must be a multiple of heads"),
        ({"context": (0.5, 0.4)}, "context must be two shares"),
        ({"drop_path": 1.0}, "drop_path must be at least 0"),
        ({"momentum": (0.9, 0.8)}, "momentum must be two numbers"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointJEPAConfig(**changes)
