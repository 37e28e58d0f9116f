"""Self-distillation: the loss by loops over pairs of crops, the centre, and who sees which crops."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.methods import Distillation, DistillationConfig
from pointssl.types import CloudBatch


def build(**changes: Any) -> Distillation:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    small = {"prototypes": 7, "hidden": 12, "bottleneck": 6, "local_crops": 2}
    return Distillation(encoder, DistillationConfig(**(small | changes)))


def clouds(count: int = 5, points: int = 40) -> torch.Tensor:
    """Return random clouds, each stretched differently."""
    chance = torch.Generator().manual_seed(1)
    return torch.randn(count, points, 3, generator=chance) * torch.rand(count, 1, 3, generator=chance)


def test_loss__is_the_mean_cross_entropy_of_all_pairs_but_a_crop_with_itself() -> None:
    method = build().eval()
    method.centre.copy_(torch.linspace(-0.2, 0.2, 7))
    student: list[torch.Tensor] = []
    teacher: list[torch.Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: student.append(output.detach().double()))
    method.teacher_head.register_forward_hook(lambda _, __, output: teacher.append(output.double()))
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    said = torch.cat(student).view(4, 5, 7).numpy()  # two large crops, two small ones, of five clouds
    target = softmax((teacher[0].view(2, 5, 7).numpy() - np.linspace(-0.2, 0.2, 7)) / 0.05, axis=-1)
    found = [
        -np.sum(target[i, c] * log_softmax(said[j, c] / 0.1))
        for i, j, c in product(range(2), range(4), range(5))
        if i != j
    ]
    assert output.loss.item() == pytest.approx(np.mean(found), rel=1e-4)
    entropy = -np.sum(target * np.log(target)) / 10
    assert output.logs["teacher_entropy"].item() == pytest.approx(entropy, rel=1e-4)
    assert output.logs["disagreement"].item() == pytest.approx(np.mean(found) - entropy, rel=1e-3)


def test_centre__is_the_running_mean_of_the_teachers_scores() -> None:
    method = build(centring=0.75).train()
    scores: list[torch.Tensor] = []
    method.teacher_head.register_forward_hook(lambda _, __, output: scores.append(output))
    for seed in range(2):
        method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(seed))
    first = 0.25 * scores[0].mean(dim=0)
    torch.testing.assert_close(method.centre, 0.75 * first + 0.25 * scores[1].mean(dim=0))
    kept = method.centre.clone()
    method.eval()(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(2))
    assert torch.equal(method.centre, kept)


def test_crops__small_ones_are_for_the_student_alone() -> None:
    method = build(local_share=0.25)
    seen: dict[str, list[tuple[int, ...]]] = {"student": [], "teacher": []}
    method.backbone.register_forward_hook(lambda _, inputs, __: seen["student"].append(tuple(inputs[0].shape)))
    method.teacher.register_forward_hook(lambda _, inputs, __: seen["teacher"].append(tuple(inputs[0].shape)))
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    assert seen == {"student": [(10, 40, 3), (10, 10, 3)], "teacher": [(10, 40, 3)]}


def test_head__scores_are_cosines_with_the_prototypes() -> None:
    head, pooled = build().head, torch.randn(3, 16)
    vectors, prototypes = head.layers(pooled), head.prototypes
    torch.testing.assert_close(head(pooled), torch.cosine_similarity(vectors[:, None], prototypes[None], dim=-1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prototypes": 1}, "prototypes must be at least 2"),
        ({"hidden": 0}, "hidden and bottleneck must be at least 1"),
        ({"teacher_temperature": 0.0}, "student_temperature and teacher_temperature must be positive"),
        ({"centring": 1.5}, "centring must be between 0 and 1"),
        ({"momentum": -0.5}, "momentum must be between 0 and 1"),
        ({"local_crops": -1}, "local_crops must be at least 0"),
        ({"local_share": 0.0}, "local_share must be above 0 and at most 1"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillationConfig(**changes)
