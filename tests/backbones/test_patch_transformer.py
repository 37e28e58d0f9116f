"""The point transformer: patches by brute force, blocks against torch's own layer, parts that see visible patches."""

import pytest
import torch
from torch import nn

from pointssl.backbones.layers import DropPath
from pointssl.backbones.patch_transformer import PatchNet, PatchTransformer, PatchTransformerConfig, take
from pointssl.backbones.transformer import Block, Transformer

SMALL = PatchTransformerConfig(patches=6, patch_points=5, width=24, depth=2, heads=4)


def test_patch_transformer__published_size() -> None:
    network = PatchTransformer(PatchTransformerConfig())
    # A block: qkv 3·384², projection 384² + 384, two layers 2·4·384² + 5·384, two norms 4·384.
    # The places: 3·128 + 128 + 128·384 + 384. The last norm 2·384.
    encoder = 12 * (12 * 384**2 + 10 * 384) + 512 + 129 * 384 + 768
    assert sum(p.numel() for p in network.encoder.parameters()) == encoder
    # 3·128 and its norm, 128·256 + 256, 512·512 and its norm, 512·384 + 384.
    patch = 384 + 256 + 129 * 256 + 512**2 + 1024 + 513 * 384
    assert sum(p.numel() for p in network.patch.parameters()) == patch
    assert (network.point_dim, network.pooled_dim, network.min_points) == (384, 768, 64)


def test_cut__nearest_points_around_far_centres() -> None:
    xyz = torch.randn(2, 30, 3)
    patches = PatchTransformer(SMALL).cut(xyz)
    assert patches.local.shape == (2, 6, 5, 3)
    away = torch.cdist(patches.centre, xyz, compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.equal(away.amin(dim=2), torch.zeros(2, 6))  # centres are points of the cloud
    near = away.sort(dim=2)
    for cloud in range(2):
        expected = xyz[cloud][near.indices[cloud, :, :5]] - patches.centre[cloud, :, None]
        assert torch.equal(patches.local[cloud], expected)


def test_patch_net__explicit_pairs_of_max_and_point() -> None:
    network = PatchNet(7).eval()
    local = torch.randn(4, 5, 3)
    point = network.lift(network.first(local))
    both = torch.cat([point.amax(dim=1, keepdim=True).expand_as(point), point], dim=-1)
    weight = torch.cat([network.context.weight, network.second.linear.weight], dim=1)
    normed = network.second.norm(nn.functional.linear(both, weight).flatten(0, 1)).view(4, 5, 512)
    torch.testing.assert_close(network(local), network.out(normed.relu()).amax(dim=1))


@torch.no_grad()
def test_block__is_torchs_own_layer() -> None:
    block = Block(24, 4, 0.0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    twin = nn.TransformerEncoderLayer(24, 4, 96, dropout=0, activation="gelu", batch_first=True, norm_first=True)
    names = {
        "self_attn.in_proj_weight": block.qkv.weight,
        "self_attn.in_proj_bias": torch.zeros(72),
        "self_attn.out_proj.weight": block.project.weight,
        "self_attn.out_proj.bias": block.project.bias,
    }
    for theirs, ours in (("linear1", "network.0"), ("linear2", "network.2"), ("norm1", "norm1"), ("norm2", "norm2")):
        names |= {f"{theirs}.{kind}": block.get_parameter(f"{ours}.{kind}") for kind in ("weight", "bias")}
    twin.load_state_dict(names)
    x = torch.randn(2, 5, 24)
    torch.testing.assert_close(block(x), twin(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_transformer__places_are_added_before_every_block() -> None:
    network = Transformer(24, 2, 4)
    tokens, centre = torch.randn(2, 5, 24), torch.randn(2, 5, 3)
    place = network.place(centre)
    first = network.blocks[0](tokens + place)
    torch.testing.assert_close(network(tokens, centre), network.norm(network.blocks[1](first + place)))
    rates = [block.drop_path.share for block in Transformer(24, 3, 4, 0.1).blocks]  # type: ignore[union-attr]
    assert rates == pytest.approx([0, 0.05, 0.1])


@torch.no_grad()
def test_encode__sees_the_visible_patches_and_no_others() -> None:
    network = PatchTransformer(SMALL).eval()
    xyz = torch.randn(2, 30, 3)
    patches = network.cut(xyz)
    visible = torch.tensor([[4, 0, 1], [2, 5, 3]])
    seen = network.encode(take(network.embed(patches), visible), take(patches.centre, visible))
    some = patches.take(visible)
    for cloud in range(2):
        assert torch.equal(some.local[cloud], patches.local[cloud, visible[cloud]])
        assert torch.equal(some.centre[cloud], patches.centre[cloud, visible[cloud]])
    torch.testing.assert_close(seen, network.encode(network.embed(some), some.centre))
    whole = network.encode(network.embed(patches), patches.centre)
    assert not torch.allclose(seen, take(whole, visible), atol=1e-4)  # the hidden ones would have been looked at
    torch.testing.assert_close(network(xyz).pooled, torch.cat([whole.amax(dim=1), whole.mean(dim=1)], dim=1))


def test_drop_path__whole_rows_at_the_rate_and_the_mean_stays() -> None:
    layer, x = DropPath(0.25), torch.ones(4000, 2, 3)
    dropped = layer(x)
    rows = dropped.flatten(1)
    assert torch.equal(rows.amin(dim=1), rows.amax(dim=1))
    assert sorted(set(rows[:, 0].tolist())) == pytest.approx([0, 4 / 3])
    # 4000 draws: the share has a standard deviation of 0.007.
    assert (rows[:, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patches": 0}, "patches must be at least 1, got 0"),
        ({"patch_points": 0}, "patch_points must be at least 1"),
        ({"width": 100}, r"width must be a multiple of heads \(6\), got 100"),
        ({"drop_path": 1.0}, "drop_path must be at least 0 and below 1, got 1.0"),
    ],
)
def test_config__refuses_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchTransformerConfig(**settings)  # type: ignore[arg-type]
