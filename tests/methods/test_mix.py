"""A mix: the written sum of its tasks, one encoder in memory and on disk, and tasks that do not go together."""

from pathlib import Path
from typing import Any

import pytest
import torch

import pointssl
from pointssl.app.recipes import RECIPES
from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.image import ResNetConfig
from pointssl.errors import SettingError
from pointssl.methods import (
    STRL,
    ClassifyConfig,
    ContrastConfig,
    CrossPointConfig,
    JigsawConfig,
    MethodConfig,
    Mix,
    MixConfig,
    MMPointConfig,
    ParAEConfig,
    PointMAEConfig,
    STRLConfig,
    build_method,
    figures_of,
)
from pointssl.methods.pictures import PictureConfig
from pointssl.runs.config import from_json, to_json
from pointssl.runs.run import Run
from pointssl.types import CloudBatch

PARAE = ParAEConfig(components=4, head=(8,))
CONTRAST = ContrastConfig(hidden=8, dim=4)
IMAGE = ResNetConfig(width=4, channels=1)


def build(*tasks: MethodConfig, weights: tuple[float, ...] = (1.0, 1.0)) -> Mix:
    """Return a small mix with weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return Mix(encoder, MixConfig(tasks=tasks, weights=weights))


def clouds() -> CloudBatch:
    """Return random clouds."""
    return CloudBatch(xyz=torch.randn(4, 40, 3, generator=torch.Generator().manual_seed(1)))


def test_loss__is_the_weighted_sum_of_the_tasks_alone() -> None:
    method = build(PARAE, CONTRAST, weights=(2.0, 0.5)).eval()
    chance = torch.Generator().manual_seed(0)
    output = method(clouds(), torch.Generator().manual_seed(0))
    wanted = torch.zeros(())
    for task, weight in zip((PARAE, CONTRAST), (2.0, 0.5), strict=True):
        alone = build_method(task, method.backbone).eval()
        place = (PARAE, CONTRAST).index(task)
        state = {k.removeprefix(f"tasks.{place}."): v for k, v in method.state_dict().items() if f"tasks.{place}." in k}
        alone.load_state_dict(state | {f"backbone.{k}": v for k, v in method.backbone.state_dict().items()})
        wanted = wanted + weight * alone(clouds(), chance).loss
    torch.testing.assert_close(output.loss, wanted)
    assert {"0-parae.loss", "1-contrast.loss", "1-contrast.copies"} <= output.logs.keys()
    assert {figure.key for figure in figures_of(method.config)} <= output.logs.keys()


def test_encoder__is_one_and_kept_once() -> None:
    method = build(PARAE, STRLConfig(hidden=8, dim=4))
    assert all(task.backbone is method.backbone for task in method.tasks)
    kept = [key for key in method.state_dict() if key.startswith("backbone.") or ".backbone." in key]
    assert [key for key in kept if not key.startswith("backbone.")] == []
    method.eval()
    assert not method.backbone.training
    twin = build(PARAE, STRLConfig(hidden=8, dim=4))
    strl = twin.tasks[1]
    assert isinstance(strl, STRL)
    with torch.no_grad():
        next(twin.backbone.parameters()).add_(1)
    twin.after_load()  # reaches the teachers of the tasks
    assert torch.equal(next(strl.teacher.parameters()), next(twin.backbone.parameters()))


def test_settings__survive_json_with_the_tasks_inside() -> None:
    config = RECIPES["mix-tiny"]
    assert from_json(to_json(config)) == config
    broken = to_json(config)
    broken["method"]["tasks"][0]["kind"] = "parea"
    with pytest.raises(SettingError, match=r"unknown kind 'parea'.*did you mean 'parae'"):
        from_json(broken)


def test_run__is_opened_again_and_reports(tmp_path: Path) -> None:
    run = pointssl.pretrain(RECIPES["mix-tiny"], tmp_path / "run", data="synthetic:32")
    method = Run.open(run).method()
    assert isinstance(method, Mix)
    # ParAE divides shapes into parts, the contrast does not: the mix shows them.
    assert method.explain(torch.randn(1, 256, 3)).mixture is not None
    assert pointssl.write_report(run).is_file()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (
            (PARAE, ClassifyConfig(classes=3)),
            "task 1 of the mix is ClassifyConfig, but must be the settings of a pretext",
        ),
        ((PARAE, MixConfig(tasks=(PARAE, CONTRAST))), "task 1 of the mix is MixConfig"),
        ((PARAE, PointMAEConfig()), "point-mae hides patches, which PointNet does not cut"),
        (
            (
                MMPointConfig(views=2, image=IMAGE, pictures=PictureConfig(kind="depth", size=32)),
                CrossPointConfig(image=IMAGE, pictures=PictureConfig(kind="shaded", size=32)),
            ),
            "want different ones: 0-mm-point depth, 1-crosspoint shaded; set one kind",
        ),
    ],
)
def test_refused__tasks_that_do_not_go_together(tasks: tuple[MethodConfig, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        build(*tasks)


def test_points_and_views__are_those_of_the_task_that_needs_most() -> None:
    picture = PictureConfig(kind="depth", size=32)
    crosspoint = CrossPointConfig(image=IMAGE, pictures=picture)
    method = build(
        JigsawConfig(), crosspoint, MMPointConfig(views=3, image=IMAGE, pictures=picture), weights=(1.0,) * 3
    )
    assert (method.min_points, method.views, method.view_kind) == (27, 3, "depth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": (PARAE,), "weights": (1.0,)}, "tasks must be at least 2"),
        ({"weights": (1.0,)}, "weights must be one for each of 2 tasks, got 1"),
        ({"weights": (1.0, 0.0)}, "weights must be positive"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixConfig(**changes)
