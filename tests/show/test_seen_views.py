"""The views of a contrast, as given and as the image encoder sees them, alone and in the report."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pointssl.app.recipes import recipe
from pointssl.backbones import build_backbone
from pointssl.data.batches import Pictures
from pointssl.data.synthetic import SyntheticShapes
from pointssl.methods import CrossPoint, CrossPointConfig, MMPoint, MMPointConfig, build_method
from pointssl.show.run.report import write_report
from pointssl.show.run.seen_views import seen_strips
from pointssl.train.pretrain import pretrain

TINY = recipe("mm-point-tiny")


class Stored:
    """Four grey pictures of every object, brighter from view to view."""

    count, fingerprint = 4, "grey"

    def views(self, row: int, which: np.ndarray) -> np.ndarray:
        del row
        return np.broadcast_to((60 * which).astype(np.uint8)[:, None, None, None], (len(which), 1, 32, 32)).copy()


def test_strips__of_stored_views_show_their_levels() -> None:
    method = build_method(TINY.method, build_backbone(TINY.backbone))
    assert isinstance(method, MMPoint)
    stored = Pictures(Stored(), np.arange(8), 2)
    strips = seen_strips(method, SyntheticShapes(8), [0, 3], ["a", "b"], TINY.data.reading, stored, 0)
    assert [one.title for one in strips] == ["a", "b"]
    assert list(strips[0].columns) == ["view 1, level 1", "view 2, level 2"]
    (_, given), (_, seen) = strips[0].rows
    assert given.shape == seen.shape == (2, 1, 32, 32)
    assert np.array_equal(given[0], seen[0])  # level 1 changes nothing


def test_strips__of_crosspoint_are_one_view_drawn_from_the_points() -> None:
    assert isinstance(TINY.method, MMPointConfig)
    config = CrossPointConfig(image=TINY.method.image, pictures=TINY.method.pictures)
    method = build_method(config, build_backbone(TINY.backbone))
    assert isinstance(method, CrossPoint)
    [strip] = seen_strips(method, SyntheticShapes(4), [1], ["shape"], TINY.data.reading, None, 0)
    assert strip.rows[0][1].shape == (1, 1, 32, 32)


@pytest.mark.parametrize("kept", [True, False])
def test_report__has_the_views_and_the_bounds(tmp_path: Path, kept: bool) -> None:
    torch.manual_seed(0)
    data = SyntheticShapes(24)
    config = replace(TINY, steps=4, data=replace(TINY.data, batch_size=8))
    run = pretrain(config, tmp_path / "run", data=data)
    if not kept:
        shutil.rmtree(run / "checkpoints")
    text = write_report(run, tmp_path / "page", data=data, shapes=1).read_text(encoding="utf-8")
    assert "What clouds and views know of each other" in text
    assert (tmp_path / "page" / "figures" / "information.png").is_file()
    # Without a checkpoint the encoder alone is left, which has no views.
    assert ("Views that clouds are contrasted with" in text) == kept
