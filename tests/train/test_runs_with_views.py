"""Runs whose method works with views: stored ones or drawn ones, resumed to the same bits, refused before any step."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.image import AdaptedImages, ResNetConfig
from pointssl.data.batches import Batches, Pictures
from pointssl.data.reading import ReadConfig
from pointssl.data.synthetic import SyntheticShapes
from pointssl.data.views.config import ViewConfig
from pointssl.data.views.write import write_views
from pointssl.errors import DataError, Interrupted, SettingError, UserError
from pointssl.methods import CrossPointConfig, MMPoint, MMPointConfig, ParAEConfig
from pointssl.methods.pictures import PictureConfig
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.layout import read_json
from pointssl.runs.run import Run
from pointssl.runs.weights import read_tensors
from pointssl.train import loop
from pointssl.train.pretrain import pretrain

IMAGE = ResNetConfig(width=4, channels=1)
SHAPES = SyntheticShapes(12, points=64)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five depth images of every shape."""
    folder = tmp_path_factory.mktemp("views") / "packed"
    write_views(SHAPES, folder, ViewConfig(kind="depth", views=5, size=16), workers=1)
    return folder


def settings(views: Path | None, *, method: Any = None, **changes: Any) -> PretrainConfig:
    """Return a run of four steps of four clouds."""
    mm_point = MMPointConfig(
        views=3, hidden=(8, 8), intra_dim=8, view_dim=8, image=IMAGE, pictures=PictureConfig(kind="depth", size=16)
    )
    small: dict[str, Any] = {
        "method": mm_point if method is None else method,
        "backbone": PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10),
        "data": DataConfig(reading=ReadConfig(points=32), batch_size=4, views=None if views is None else str(views)),
        "steps": 4,
        "checkpoint_every": 2,
        "log_every": 1,
    }
    return PretrainConfig(**(small | changes))


@pytest.mark.parametrize("stored", [True, False])
def test_resume__ends_with_the_same_bits(
    views: Path, tmp_path: Path, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(views if stored else None)
    whole = pretrain(config, tmp_path / "whole", data=SHAPES)
    run = loop.run

    def cut(*arguments: Any, **named: Any) -> Any:
        for step in run(*arguments, **named):
            yield step
            if step.index == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(loop, "run", cut)
    with pytest.raises(Interrupted):
        pretrain(config, tmp_path / "cut", data=SHAPES)
    monkeypatch.undo()
    again = pretrain(config, tmp_path / "cut", data=SHAPES, resume=True)
    one, other = (read_tensors(path / "encoder" / "model.safetensors") for path in (whole, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert isinstance(Run.open(again).method(), MMPoint)
    assert ("views" in read_json(whole / "record.json")["data"]) == stored


def test_batches__views_are_distinct_and_new_every_epoch(views: Path) -> None:
    from pointssl.data.views.store import open_views

    store = open_views(views)
    batches = Batches(SHAPES, batch=4, points=16, seed=0, pictures=Pictures(store, np.arange(12), 3))
    first = batches(0)
    assert first.views is not None
    assert first.index is not None
    assert first.views.shape == (4, 3, 1, 16, 16)
    assert first.views.dtype == torch.uint8
    again = batches(0).views
    assert again is not None
    assert torch.equal(first.views, again)
    stored = {int(i): store.views(int(i), np.arange(5)) for i in first.index}
    for row, index in enumerate(first.index.tolist()):
        same = (first.views[row].numpy()[:, None] == stored[index]).all(axis=(2, 3, 4))  # (3 read, 5 stored)
        assert same.any(axis=1).all()
        assert len(set(same.argmax(axis=1).tolist())) == 3
    # The same cloud in the next epoch: of ten triples out of five, twelve clouds cannot all draw the same again.
    seen: dict[int, list[torch.Tensor]] = {}
    for step in range(6):
        batch = batches(step)
        assert batch.index is not None
        assert batch.views is not None
        for index, images in zip(batch.index.tolist(), batch.views, strict=True):
            seen.setdefault(index, []).append(images)
    assert not all(torch.equal(a, b) for a, b in seen.values())


def mm(config: PretrainConfig, **changes: Any) -> PretrainConfig:
    """Change settings of the method."""
    assert isinstance(config.method, MMPointConfig)
    return replace(config, method=replace(config.method, **changes))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda c: mm(c, views=6), SettingError, "views must be at most 5"),
        (lambda c: mm(c, pictures=PictureConfig(kind="shaded")), SettingError, "holds pictures of kind depth"),
        (lambda c: replace(c, method=ParAEConfig(components=3, head=(4,))), SettingError, "works with clouds alone"),
        (lambda c: mm(c, inter=0.0), SettingError, "works with clouds alone"),
        (lambda c: replace(c, data=replace(c.data, batch_size=1)), SettingError, "data.batch_size must be at least 2"),
        (lambda c: replace(c, data=replace(c.data, batch_size=13)), DataError, "12 clouds, fewer than one batch of 13"),
        (lambda c: replace(c, data=replace(c.data, views="nowhere")), DataError, "nowhere does not exist"),
    ],
)
def test_refused__before_the_first_step(
    views: Path,
    tmp_path: Path,
    change: Callable[[PretrainConfig], PretrainConfig],
    kind: type[UserError],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        pretrain(change(settings(views)), tmp_path / "run", data=SHAPES)
    assert not (tmp_path / "run").exists()


def test_refused__colours_without_rendered_views(tmp_path: Path) -> None:
    config = mm(settings(None), pictures=PictureConfig(kind="color"))
    with pytest.raises(SettingError, match="points have no colours to draw"):
        pretrain(config, tmp_path / "run", data=SHAPES)


def test_refused__clouds_without_views(views: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="have no views"):
        pretrain(settings(views), tmp_path / "run", data=SyntheticShapes(20, points=64))


def test_refused__resuming_with_other_views(views: Path, tmp_path: Path) -> None:
    config = settings(views)
    run = pretrain(config, tmp_path / "run", data=SHAPES)
    import shutil

    shutil.rmtree(run / "encoder")
    kept = views.with_name("kept")
    views.rename(kept)
    try:
        write_views(SHAPES, views, ViewConfig(kind="depth", views=5, size=16, elevation=(60.0,)), workers=1)
        with pytest.raises(DataError, match="begun with other views"):
            pretrain(config, run, data=SHAPES, resume=True)
    finally:
        shutil.rmtree(views)
        kept.rename(views)


def test_crosspoint__runs_with_stored_views(views: Path, tmp_path: Path) -> None:
    method = CrossPointConfig(dim=8, hidden=(8, 8), image=IMAGE, pictures=PictureConfig(kind="depth"))
    run = pretrain(settings(views, method=method), tmp_path / "run", data=SHAPES)
    assert (run / "encoder").is_dir()


def test_method__of_ones_own_image_encoder(views: Path, tmp_path: Path) -> None:
    config = settings(views)
    assert isinstance(config.method, MMPointConfig)
    flat = AdaptedImages(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 6)), 6, channels=1)
    own = MMPoint(build_backbone(config.backbone), config.method, flat)
    before = own.backbone.state_dict()["local.0.linear.weight"].clone()
    run = pretrain(config, tmp_path / "run", data=SHAPES, method=own)
    after = read_tensors(run / "encoder" / "model.safetensors")["local.0.linear.weight"]
    assert not torch.equal(before, after)
