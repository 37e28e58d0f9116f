"""Point-MAE: its loss by loops over patches, what the encoder gets to see, and networks that cut no patches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

import pointssl
from pointssl.app.recipes import RECIPES
from pointssl.backbones import PatchTransformerConfig, PointNetConfig, build_backbone
from pointssl.errors import SettingError, UserError
from pointssl.methods import PointMAE, PointMAEConfig
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch

SMALL = PatchTransformerConfig(patches=10, patch_points=6, width=24, depth=2, heads=2)


def build(**changes: Any) -> PointMAE:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    return PointMAE(build_backbone(SMALL), PointMAEConfig(**({"depth": 1, "heads": 2} | changes)))


def clouds(count: int = 3, points: int = 60) -> torch.Tensor:
    """Return random clouds."""
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(1))


def test_loss__is_the_chamfer_distance_of_each_hidden_patch() -> None:
    method = build().eval()
    drawn: list[torch.Tensor] = []
    method.draw.register_forward_hook(lambda _, __, output: drawn.append(output.detach().double()))
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    patches = method.backbone.cut(clouds())
    _, hidden = method.split(Draws(torch.Generator().manual_seed(0), 3))
    found = []
    for cloud in range(3):
        for place, patch in enumerate(hidden[cloud].tolist()):
            mine = drawn[0][cloud, place].view(6, 3).numpy()
            away = cdist(mine, patches.local[cloud, patch].double().numpy(), "sqeuclidean")
            found.append(away.min(axis=1).mean() + away.min(axis=0).mean())
    assert output.loss.item() == pytest.approx(np.mean(found), rel=1e-5)


def test_encoder__sees_the_visible_patches_alone() -> None:
    # Whatever lies in the hidden patches, the tokens stay the same: points are moved within them.
    method, seen = build().eval(), []
    method.backbone.encoder.register_forward_hook(lambda _, inputs, __: seen.append([x.detach() for x in inputs]))
    method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    tokens, centre = seen[0]
    visible, hidden = method.split(Draws(torch.Generator().manual_seed(0), 3))
    assert tokens.shape == (3, 4, 24)  # 6 of 10 are hidden
    assert all(sorted([*v, *h]) == list(range(10)) for v, h in zip(visible.tolist(), hidden.tolist(), strict=True))
    patches = method.backbone.cut(clouds())
    for cloud in range(3):
        assert torch.equal(centre[cloud], patches.centre[cloud, visible[cloud]])
        alone = method.backbone.embed(patches.take(visible))
        torch.testing.assert_close(tokens[cloud], alone[cloud])
    assert {tuple(row) for row in hidden.sort().values.tolist()} != {tuple(hidden[0].sort().values.tolist())}


def test_mask__rounds_down_as_published() -> None:
    # 38 of 64 patches at a share of 0.6; the decoder works at the encoder's width of 384 and draws 32 points.
    method = PointMAE(build_backbone(PatchTransformerConfig(depth=1)), PointMAEConfig())
    assert method.hidden == 38
    assert (len(method.decoder.blocks), method.draw.in_features, method.draw.out_features) == (4, 384, 96)


def test_decode__a_patch_is_drawn_by_where_it_lies() -> None:
    method = build().eval()
    tokens, centre = torch.randn(1, 4, 24), torch.randn(1, 4, 3)
    hidden = torch.randn(1, 2, 3)
    drawn = method.decode(tokens, centre, hidden)
    assert drawn.shape == (1, 2, 6, 3)
    torch.testing.assert_close(method.decode(tokens, centre, hidden.flip(1)), drawn.flip(1))


@pytest.mark.parametrize(
    ("encoder", "settings", "message"),
    [
        (PointNetConfig(), {}, "point-mae hides patches, which PointNet does not cut; its backbone must be a patch-"),
        (SMALL, {"mask": 0.05}, "method.mask 0.05 hides none of 10 patches"),
        (SMALL, {"heads": 5}, "method.heads is 5, but must divide backbone.width, 24"),
    ],
)
def test_refused__encoders_that_do_not_fit(encoder: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        PointMAE(build_backbone(encoder), PointMAEConfig(**({"heads": 2} | settings)))


def test_refused__fewer_points_than_patches_before_the_run(tmp_path: Path) -> None:
    tiny = RECIPES["point-mae-tiny"]
    few = type(tiny)(
        method=tiny.method, backbone=PatchTransformerConfig(patches=300, width=48, heads=3), data=tiny.data
    )
    with pytest.raises(UserError, match=r"data.points is 256, but the backbone needs at least 300 points per cloud"):
        pointssl.pretrain(few, tmp_path / "run", data="synthetic:32")
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": 1.0}, "mask must be between 0 and 1"),
        ({"depth": 0}, "depth and heads must be at least 1"),
        ({"drop_path": 1.0}, "drop_path must be at least 0 and below 1"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointMAEConfig(**changes)
