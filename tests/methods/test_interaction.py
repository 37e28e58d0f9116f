"""The interaction loss: both ways to it, its timing, what it leaves alone, and hard clouds."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones import Backbone, DGCNNConfig, PointNetConfig, build_backbone
from pointssl.backbones.layers import mlp
from pointssl.backbones.max_pooled import pools_by_max
from pointssl.backbones.modes import evaluating
from pointssl.methods.classify import CloudClassifier
from pointssl.methods.interaction import (
    InteractionConfig,
    InteractionLoss,
    interaction_loss,
    logits_fn_of,
    logits_fn_of_max_pooled,
)
from pointssl.ops.batch_rng import Draws
from pointssl.ops.games.coalitions import log_odds

SMALL = InteractionConfig(regions=5, low=(1, 2), high=(4, 5), alpha=0.5, ramp=0.0, clip=None)
POINTNET = PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)


def network(config: Any = POINTNET, classes: int = 3, seed: int = 0) -> CloudClassifier:
    """A classifier whose running statistics have seen something, in training mode with dropout."""
    torch.manual_seed(seed)
    backbone: Backbone = build_backbone(config)
    made = CloudClassifier(backbone, mlp((backbone.pooled_dim, 8, classes), 0.5))
    for _ in range(5):
        made(torch.randn(6, 32, 3))
    return made


def clouds(b: int = 3, n: int = 40) -> tuple[Tensor, Tensor]:
    torch.manual_seed(7)
    return torch.randn(b, n, 3), torch.arange(b) % 3


def loss_of(made: CloudClassifier, config: InteractionConfig, xyz: Tensor, label: Tensor, *, fast: bool) -> Tensor:
    logits_fn = logits_fn_of_max_pooled(made.backbone, made.head) if fast else logits_fn_of(made)
    draws = Draws(torch.Generator().manual_seed(3), len(xyz))
    uniform, choice = draws.uniform(config.draws, config.regions), draws.uniform(config.draws)
    return interaction_loss(logits_fn, xyz, label, config, uniform, choice)[0]


VARIANTS: dict[str, InteractionConfig] = {
    "disjoint": SMALL,
    "three draws": dataclasses.replace(SMALL, draws=3),
    "normalised": dataclasses.replace(SMALL, normalised=True),
    "normalised draws": dataclasses.replace(SMALL, normalised=True, draws=2),
    "pairs": dataclasses.replace(SMALL, low_term="pairs"),
    "exact": dataclasses.replace(SMALL, estimator="exact"),
    "exact normalised": dataclasses.replace(SMALL, estimator="exact", normalised=True, clip=2.0),
    "nested": dataclasses.replace(SMALL, estimator="nested"),
    "nested middle": dataclasses.replace(SMALL, estimator="nested", nested=(0.2, 0.8), draws=2),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_ways__agree_in_value_and_gradient(name: str) -> None:
    xyz, label = clouds()
    one, two = network(), network()
    slow = loss_of(one, VARIANTS[name], xyz, label, fast=False)
    quick = loss_of(two, VARIANTS[name], xyz, label, fast=True)
    assert slow.dtype == torch.float32
    torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-5)
    slow.backward()
    quick.backward()
    for (weight, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        assert a.grad is not None, weight
        assert b.grad is not None, weight
        assert torch.allclose(b.grad, a.grad, rtol=1e-3, atol=1e-4), weight


def test_loss__of_a_network_known_by_hand() -> None:
    # Logit 1 counts the quarters in which points lie away from the middle, as a product: it needs all four at once.
    class AllFour(nn.Module):
        def forward(self, xyz: Tensor) -> Tensor:
            there = torch.stack(
                [((xyz[..., 0] * sx > 0.5) & (xyz[..., 1] * sy > 0.5)).any(dim=1) for sx in (-1, 1) for sy in (-1, 1)]
            ).all(dim=0)
            return torch.stack([torch.zeros_like(there, dtype=xyz.dtype), 6.0 * there], dim=1)

    corners = torch.tensor([[-1.0, -1, 0], [-1, 1, 0], [1, -1, 0], [1, 1, 0]])
    xyz, label = corners.repeat_interleave(5, dim=0)[None] + 0.01 * torch.rand(1, 20, 3), torch.tensor([1])
    config = InteractionConfig(regions=4, low=(1, 2), high=(4, 4), clip=None, estimator="exact")
    uniform, choice = torch.rand(1, 1, 4), torch.rand(1, 1)
    loss, logs = interaction_loss(logits_fn_of(AllFour()), xyz, label, config, uniform, choice)
    # Log-odds of class 1 are 6 where all four regions are kept and 0 elsewhere: I of all four is 6, all others are 0.
    assert logs["interaction_low"].item() == 0
    assert logs["interaction_high"].item() == pytest.approx(6)
    assert loss.item() == pytest.approx(-6)
    # Three sets that hold all four regions: the triple is all there is as well.
    disjoint = dataclasses.replace(config, estimator="disjoint")
    assert interaction_loss(logits_fn_of(AllFour()), xyz, label, disjoint, uniform, choice)[0].item() == pytest.approx(
        -6
    )
    relative = dataclasses.replace(disjoint, normalised=True)
    value = interaction_loss(logits_fn_of(AllFour()), xyz, label, relative, uniform, choice)[0].item()
    assert value == pytest.approx(-6 / 6.001)
    clipped = dataclasses.replace(disjoint, clip=2.5)
    assert interaction_loss(logits_fn_of(AllFour()), xyz, label, clipped, uniform, choice)[0].item() == -2.5


@pytest.mark.parametrize("fast", [True, False])
def test_masked_clouds__leave_statistics_and_modes_alone(fast: bool) -> None:
    made = network()
    made.head.eval()  # a user's own mixture of modes
    before = {name: value.clone() for name, value in made.state_dict().items()}
    modes = [part.training for part in made.modules()]
    loss_of(made, SMALL, *clouds(), fast=fast).backward()
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert [part.training for part in made.modules()] == modes


def test_evaluating__gives_modes_back_after_an_error() -> None:
    made = network()

    def fail() -> None:
        with evaluating(made):
            assert not made.training
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert all(part.training for part in made.modules())


@pytest.mark.parametrize("case", ["flat", "line", "coincident", "tiny", "far away", "fewest points"])
@pytest.mark.parametrize("name", ["disjoint", "exact normalised", "nested"])
@pytest.mark.parametrize("fast", [True, False])
def test_loss__gradient_is_finite_on_degenerate_clouds(case: str, name: str, fast: bool) -> None:
    xyz, label = clouds(n=5 if case == "fewest points" else 40)
    scale = {"flat": (1.0, 1, 0), "line": (1.0, 0, 0), "coincident": (0.0, 0, 0), "tiny": (1e-6, 1e-6, 1e-6)}
    xyz = xyz * torch.tensor(scale.get(case, (1.0, 1, 1))) + (1000 if case == "far away" else 0)
    made = network()
    loss = loss_of(made, VARIANTS[name], xyz, label, fast=fast)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


@pytest.mark.parametrize("shares", [(0.25, 0.75), (0.2, 0.8), (0.0, 0.5), (0.04, 0.3)])
def test_nested__unlearns_no_low_order_where_shares_are_rounded(shares: tuple[float, float]) -> None:
    """Logits that add up over regions have no order above 1: nothing is left, and the classes are all alike."""
    config = InteractionConfig(estimator="nested", nested=shares, draws=3)

    def additive(xyz: Tensor, region: Tensor, kept: Tensor) -> Tensor:
        return kept.sum(dim=2, keepdim=True) * torch.tensor([0.3, -1.0, 2.0])

    xyz, label = clouds(n=60)
    uniform, choice = torch.rand(3, 3, 10), torch.rand(3, 3)
    loss, _ = interaction_loss(additive, xyz, label, config, uniform, choice)
    few, many = config.nested_regions
    assert (few, many) == (round(10 * shares[0]), round(10 * shares[1]))
    gain = (many - many) if few else many  # from nothing on, all that the larger part says is a gain
    expected = torch.log_softmax(gain * torch.tensor([0.3, -1.0, 2.0]), dim=0)
    torch.testing.assert_close(loss, (expected.exp() * expected).sum(), rtol=1e-4, atol=1e-4)


def test_loss__of_dgcnn_reaches_every_weight() -> None:
    made = network(DGCNNConfig(k=4, widths=(8, 8), pooled_dim=16))
    assert not pools_by_max(made.backbone)
    loss_of(made, SMALL, *clouds(), fast=False).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_loss__float32_under_autocast() -> None:
    made = network()
    exact = loss_of(made, SMALL, *clouds(), fast=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss_of(made, SMALL, *clouds(), fast=True)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.1, atol=0.1)


def test_loss__lowering_it_turns_simple_into_complex() -> None:
    made = network()
    xyz, label = clouds(6)
    exact = dataclasses.replace(SMALL, estimator="exact", normalised=True)
    before = loss_of(made, exact, xyz, label, fast=True).item()
    optimiser = torch.optim.Adam(made.parameters(), lr=0.01)
    for step in range(40):
        optimiser.zero_grad()
        logits_fn = logits_fn_of_max_pooled(made.backbone, made.head)
        draws = Draws(torch.Generator().manual_seed(step), 6)
        loss, _ = interaction_loss(logits_fn, xyz, label, VARIANTS["normalised"], draws.uniform(1, 5), draws.uniform(1))
        loss.backward()
        nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimiser.step()
    assert loss_of(made, exact, xyz, label, fast=True).item() < before


def test_term__ramp_pauses_and_sub_batch() -> None:
    made = network()
    xyz, label = clouds(4)
    seen: list[int] = []

    def logits_fn(some: Tensor, region: Tensor, kept: Tensor) -> Tensor:
        seen.append(len(some))
        return logits_fn_of_max_pooled(made.backbone, made.head)(some, region, kept)

    term = InteractionLoss(dataclasses.replace(SMALL, ramp=0.5, every=2, clouds=3))

    def call() -> tuple[Tensor | None, dict[str, Tensor]]:
        found: tuple[Tensor | None, dict[str, Tensor]] = term(logits_fn, xyz, label, Draws(torch.Generator(), 4))
        return found

    assert call() == (None, {})  # at the very start the weight is 0, and no masked clouds are made
    term.after_step(0.25)
    assert call() == (None, {})  # every second update only
    term.after_step(0.25)
    loss, logs = call()
    assert loss is not None
    assert seen == [3]
    # Half of the ramp, doubled because every second update pauses: 0.5 * 0.5 * 2.
    assert logs["interaction_weight"].item() == pytest.approx(0.5)
    assert loss.item() == pytest.approx(0.5 * logs["interaction"].item())
    twin = InteractionLoss(term.config)
    twin.load_state_dict(term.state_dict())
    assert (float(twin.progress), int(twin.updates)) == (0.25, 2)


def test_logits_fn_of__any_network_with_logits() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(120, 3))
    loss = loss_of_plain(plain)
    loss.backward()
    assert loss.isfinite()


def loss_of_plain(plain: nn.Module) -> Tensor:
    xyz, label = clouds()
    return interaction_loss(logits_fn_of(plain), xyz, label, SMALL, torch.rand(3, 1, 5), torch.rand(3, 1))[0]


def test_loss__refuses_fewer_points_than_regions_and_one_class() -> None:
    xyz, label = clouds(n=4)
    with pytest.raises(ValueError, match=r"r must be between 1 and the number of points \(4\), got 5"):
        loss_of(network(), SMALL, xyz, label, fast=True)
    with pytest.raises(ValueError, match="at least 2 classes"):
        loss_of_plain(nn.Sequential(nn.Flatten(), nn.Linear(120, 1)))
    assert log_odds(torch.zeros(1, 2), torch.tensor([0])).item() == 0  # even odds


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": -1.0}, "alpha must be at least 0"),
        ({"regions": 2}, "regions must be at least 3"),
        ({"draws": 0}, "draws must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"clouds": 0}, "clouds must be at least 1"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"ramp": 1.5}, "ramp must be a part"),
        ({"nested": (0.5, 0.5)}, "nested must be two shares"),
        ({"estimator": "nested", "nested": (0.5, 0.52)}, "nested must be shares that differ by a region of 10"),
        ({"low": (2, 1)}, "low must be two orders"),
        ({"high": (8, 11)}, r"high must be two orders from 1 to regions \(10\)"),
        ({"low": (1, 2)}, "leave room for three disjoint sets"),
        ({"estimator": "exact"}, "regions must be at most 8 for the exact form"),
    ],
)
def test_config__refuses_what_cannot_be(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        InteractionConfig(**change)
