"""MM-Point: the sum of its terms against a transcription, the wiring of the heads, the settings of its ablations."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.image import AdaptedImages, ResNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.methods import MMPoint, MMPointConfig
from pointssl.methods.pictures import PictureConfig
from pointssl.types import CloudBatch

TINY: dict[str, Any] = {
    "views": 3,
    "hidden": (16, 12),
    "intra_dim": 8,
    "view_dim": 6,
    "image": ResNetConfig(width=4, channels=1),
    "pictures": PictureConfig(kind="depth", size=16),
}


def build(**changes: Any) -> MMPoint:
    """Return a small method with fresh weights from seed 0."""
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    return MMPoint(encoder, MMPointConfig(**(TINY | changes)))


def batch(clouds: int = 6, views: int = 3) -> CloudBatch:
    """Return random clouds with random pictures."""
    chance = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (clouds, views, 1, 16, 16), generator=chance, dtype=torch.uint8)
    return CloudBatch(xyz=torch.randn(clouds, 32, 3, generator=chance), views=images)


def direction(a: Tensor, b: Tensor, tau: float, intra_modal_negatives: bool) -> Tensor:
    """Write sum_i l(a_i -> b) / B out as the paper's formula."""
    a, b = nn.functional.normalize(a), nn.functional.normalize(b)
    total = torch.zeros(())
    for i in range(len(a)):
        below = torch.stack([((a[i] @ b[k]) / tau).exp() for k in range(len(a))]).sum()
        if intra_modal_negatives:
            below = below + sum(((a[i] @ a[k]) / tau).exp() for k in range(len(a)) if k != i)
        total = total - (((a[i] @ b[i]) / tau).exp() / below).log()
    return total / len(a)


@pytest.mark.parametrize("intra_modal_negatives", [True, False])
@pytest.mark.parametrize("heads", ["per_view", "two_head", "single"])
def test_loss__is_the_written_sum(heads: str, intra_modal_negatives: bool) -> None:
    # Without changes of clouds and images, in evaluation mode, everything can be computed apart.
    still = AugmentConfig()
    method = build(
        heads=heads, intra_modal_negatives=intra_modal_negatives, levels="weakest", augment=still, temperature=0.5
    ).eval()
    data = batch()
    assert data.views is not None
    assert method.image is not None
    pooled = method.backbone(data.xyz).pooled
    images = method.image(((data.views.float() / 255 - 0.449) / 0.226).flatten(0, 1)).unflatten(0, (6, 3))
    intra_head = method.cloud_heads[0] if method.intra_head is None else method.intra_head
    one = intra_head(pooled)
    wanted = direction(one, one, 0.5, True)  # both directions are equal
    for view in range(3):
        pair = view if heads == "per_view" else 0
        cloud, image = method.cloud_heads[pair](pooled), method.image_heads[pair](images[:, view])
        wanted = (
            wanted
            + direction(cloud, image, 0.5, intra_modal_negatives)
            + direction(image, cloud, 0.5, intra_modal_negatives)
        )
    torch.testing.assert_close(method(data).loss, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("heads", "clouds", "images"), [("per_view", 3, 3), ("two_head", 1, 1), ("single", 1, 1)])
def test_heads__as_many_as_wired(heads: str, clouds: int, images: int) -> None:
    method = build(heads=heads)
    assert (len(method.cloud_heads), len(method.image_heads)) == (clouds, images)
    assert (method.intra_head is None) == (heads == "single")


def test_heads__first_half_of_the_views_looks_at_the_first_copy() -> None:
    # The copies differ by their augmentation, so what goes into a head says which of them it is.
    method = build(views=4, intra=0.0)
    seen: list[Tensor] = []
    for head in method.cloud_heads:
        head.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    method(batch(views=4), torch.Generator().manual_seed(0))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[0], seen[2])


def test_terms__can_be_left_out() -> None:
    data = batch()
    alone = build(inter=0.0)
    assert alone.views == 0
    assert alone.image is None
    output = alone(CloudBatch(xyz=data.xyz), torch.Generator().manual_seed(0))
    assert "inter" not in output.logs
    assert torch.equal(output.loss.detach(), output.logs["intra"])
    across = build(intra=0.0)(data, torch.Generator().manual_seed(0))
    assert "intra" not in across.logs
    assert torch.equal(across.loss.detach(), across.logs["inter"])


def test_terms__are_weighted() -> None:
    output = build(intra=0.5, inter=2.0)(batch(), torch.Generator().manual_seed(0))
    torch.testing.assert_close(output.loss.detach(), 0.5 * output.logs["intra"] + 2 * output.logs["inter"])


def test_over_views__mean_is_the_sum_divided() -> None:
    data = batch()
    sums, means = (build(intra=0.0, over_views=how)(data, torch.Generator().manual_seed(0)) for how in ("sum", "mean"))
    torch.testing.assert_close(sums.loss, 3 * means.loss)


def test_levels__of_every_control() -> None:
    def levels(which: str) -> Tensor:
        from pointssl.ops.batch_rng import Draws

        return build(views=4, levels=which)._levels(50, Draws(torch.Generator().manual_seed(0), 50))

    assert levels("nested").unique(dim=0).tolist() == [[1, 2, 3, 4]]
    assert levels("weakest").unique().tolist() == [1]
    assert levels("strongest").unique().tolist() == [4]
    assert sorted(levels("random").unique().tolist()) == [1, 2, 3, 4]


def test_bounds__are_logged_per_view_and_per_level() -> None:
    nested = build()(batch(), torch.Generator().manual_seed(0)).logs
    assert {"bound_intra", "bound_view_1", "bound_view_2", "bound_view_3"} <= set(nested)
    drawn = build(levels="random")(batch(), torch.Generator().manual_seed(0)).logs
    assert {f"bound_level_{level}" for level in (1, 2, 3)} <= set(drawn)


def test_views__drawn_from_the_points_where_none_are_brought() -> None:
    output = build()(CloudBatch(xyz=torch.randn(4, 64, 3)), torch.Generator().manual_seed(0))
    assert output.loss.isfinite()


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (batch(views=2), {}, "views must be at most those that the data brings, 2 per cloud, got 3"),
        (batch(), {"pictures": PictureConfig(kind="normal")}, "pictures.kind is normal, of 3 channels, got 1"),
        (CloudBatch(xyz=torch.randn(4, 8, 3)), {"pictures": PictureConfig(kind="color")}, "no colours to draw"),
    ],
)
def test_views__that_do_not_fit_are_refused(data: CloudBatch, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)(data, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": 0}, "views must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"intra": 0.0, "inter": 0.0}, "one of them above"),
        ({"hidden": (0, 4)}, "hidden must be at least 1"),
    ],
)
def test_config__refuses_impossible_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MMPointConfig(**changes)


def test_image_encoder__may_be_any_module() -> None:
    flat = AdaptedImages(nn.Sequential(nn.Flatten(), nn.Linear(256, 7)), 7, channels=1)
    torch.manual_seed(0)
    encoder = build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16))
    method = MMPoint(encoder, MMPointConfig(**TINY), flat)
    method(batch(), torch.Generator().manual_seed(0)).loss.backward()
    assert all(p.grad is not None for p in method.parameters())


def test_training__aligns_views_with_their_cloud() -> None:
    # Each picture is flat, in a grey of its own cloud's size: the bound must rise from about 0 towards log 8.
    scale = torch.linspace(0.5, 2, 8)[:, None, None]
    xyz = torch.randn(8, 64, 3, generator=torch.Generator().manual_seed(2)) * scale
    views = (100 * scale[..., None, None]).to(torch.uint8).expand(8, 2, 1, 16, 16).contiguous()
    method = build(views=2, levels="weakest", augment=AugmentConfig())
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    bounds = []
    for step in range(40):
        optimiser.zero_grad()
        output = method(CloudBatch(xyz=xyz, views=views), torch.Generator().manual_seed(step))
        output.loss.backward()
        optimiser.step()
        bounds.append(float(output.logs["bound_view_1"]))
    assert bounds[-1] > 1.0
    assert bounds[-1] > bounds[0] + 0.5
