"""Teachers: the written average of weights, the momentum at its ends, and what a teacher starts from."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import pointssl
from pointssl.app.recipes import RECIPES
from pointssl.backbones import build_backbone
from pointssl.backbones.layers import DropPath, mlp
from pointssl.methods import STRL, Distillation, PointJEPA, build_method
from pointssl.methods.teacher import follow, match, momentum_at, teacher_of
from pointssl.runs import layout
from pointssl.train import initial


def test_follow__is_the_written_average() -> None:
    student, other = mlp((3, 4, 2)), mlp((3, 4, 2))
    teacher = teacher_of(other)
    follow(teacher, student, 0.75)
    for slow, start, fast in zip(teacher.parameters(), other.parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(slow, 0.75 * start + 0.25 * fast)
        assert not slow.requires_grad


def test_teacher__is_a_copy_that_drops_nothing_and_is_no_part_of_the_student() -> None:
    student = nn.Sequential(mlp((3, 8, 2), dropout=0.5), DropPath(0.5), nn.Dropout(0.5))
    teacher = teacher_of(student)
    x = torch.randn(6, 3)
    assert torch.equal(teacher(x), teacher(x))  # in training, where the student's outputs differ
    assert not torch.equal(student(x), student(x))
    with torch.no_grad():
        next(student.parameters()).add_(1)
    assert not torch.equal(next(teacher.parameters()), next(student.parameters()))
    match(teacher, student)
    assert all(torch.equal(one, student.state_dict()[name]) for name, one in teacher.state_dict().items())


def test_momentum__rises_along_half_a_cosine() -> None:
    # BYOL's appendix: 1 - (1 - start) (cos(pi k / K) + 1) / 2.
    for progress in (0.0, 0.3, 1.0):
        wanted = 1 - (1 - 0.996) * (math.cos(math.pi * progress) + 1) / 2
        assert momentum_at(progress, 0.996) == pytest.approx(wanted, abs=1e-12)
    assert momentum_at(0.5, 0.9995, 0.99999) == pytest.approx((0.9995 + 0.99999) / 2)


@pytest.mark.parametrize("name", ["strl-tiny", "distillation-tiny", "point-jepa-tiny"])
def test_teacher__begins_at_the_weights_that_a_run_starts_from(name: str, tmp_path: Path) -> None:
    config = replace(RECIPES[name], steps=2, data=replace(RECIPES[name].data, batch_size=4))
    encoder = pointssl.pretrain(config, tmp_path / "first", data="synthetic:16")
    shutil.rmtree(encoder / layout.CHECKPOINTS)  # an encoder alone, without the method that it was trained by
    method = build_method(config.method, build_backbone(config.backbone))
    begun = initial.initialise(method, config, str(encoder))
    assert begun["weights"] == "encoder"
    kept = pointssl.load(encoder).state_dict()
    assert isinstance(method, STRL | Distillation | PointJEPA)
    prefix = "encoder." if isinstance(method, PointJEPA) else ""
    for key, value in method.teacher.state_dict().items():
        assert torch.equal(value, kept[prefix + key])
