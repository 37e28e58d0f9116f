"""The loss of ParAE against an independent library, at the truth, in low precision, and along a short training."""

import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from pointssl.backbones import DGCNN, DGCNNConfig, PointNet, PointNetConfig
from pointssl.backbones.base import Backbone
from pointssl.methods.parae import ParAE, ParAEConfig, halves
from pointssl.ops import mixture
from pointssl.types import CloudBatch, Features

SMALL = PointNetConfig(local=(16,), hidden=(16,), pooled_dim=32)
"""Wide enough to learn four clusters, small enough for a test."""


class Coordinates(Backbone):
    """Coordinates as features, so that the method's maths is tested without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.point_dim, self.pooled_dim = 3, 1
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Return the points themselves and nothing about the cloud."""
        return Features(points=xyz * self.gain, pooled=torch.zeros_like(xyz[:, 0, :1]))


class Scripted(nn.Module):
    """A head that gives fixed logits, whatever the features are."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, features: Features) -> Tensor:
        """Return the same logits every time."""
        assert features.points.shape[:2] == self.logits.shape[:2]
        return self.logits


def scripted(logits: Tensor, **settings: float) -> ParAE:
    """Build ParAE whose partition is given by hand."""
    method = ParAE(Coordinates(), ParAEConfig(components=logits.shape[-1], head=(4,), **settings))  # type: ignore[arg-type]
    method.head = Scripted(logits)  # type: ignore[assignment]
    return method


def clusters(b: int = 4, points: int = 16) -> Tensor:
    """Four tight balls a cloud, at random places."""
    return (torch.randn(b, 4, 1, 3) + 0.05 * torch.randn(b, 4, points, 3)).flatten(1, 2)


def test_forward__by_hand() -> None:
    # Two parts of two coincident points, at (-1, 0, 0) and (1, 0, 0), and a floor of 1: every covariance is the unit
    # matrix, both weights 1/2. A point sees its own part at distance 0 and the other at distance 2.
    xyz = torch.tensor([[[-1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [1, 0, 0]]])
    logits = 100 * torch.tensor([[[1.0, -1], [1, -1], [-1, 1], [-1, 1]]])
    expected = 1.5 * math.log(2 * math.pi) - math.log(0.5 + 0.5 * math.exp(-2))
    output = scripted(logits, floor=1.0)(CloudBatch(xyz=xyz))
    torch.testing.assert_close(output.loss, torch.tensor(expected))
    torch.testing.assert_close(output.logs["effective_components"], torch.tensor(2.0))
    torch.testing.assert_close(output.logs["mean_max_assignment"], torch.tensor(1.0))
    torch.testing.assert_close(output.logs["smallest_variance"], torch.tensor(1.0))


def test_forward__agrees_with_torch_distributions() -> None:
    xyz, logits = torch.randn(2, 50, 3), torch.randn(2, 50, 5)
    gamma = logits.double().softmax(dim=-1)
    mass = gamma.sum(dim=1)
    mean = torch.einsum("bnj,bnd->bjd", gamma, xyz.double()) / mass[..., None]
    offset = xyz.double()[:, :, None] - mean[:, None]
    cov = torch.einsum("bnj,bnjd,bnje->bjde", gamma, offset, offset) / mass[..., None, None]
    cov = cov + 1e-4 * torch.eye(3, dtype=torch.float64)
    oracle = MixtureSameFamily(Categorical(mass / 50), MultivariateNormal(mean, cov))
    expected = -oracle.log_prob(xyz.double().transpose(0, 1)).mean()
    loss = scripted(logits)(CloudBatch(xyz=xyz)).loss
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_forward__rewards_the_true_partition() -> None:
    # The sign of the loss: two balls told apart must cost less than two balls confounded, and less than two mixed.
    xyz = torch.cat([torch.randn(1, 64, 3) - 6, torch.randn(1, 64, 3) + 6], dim=1)
    side = torch.tensor([[1.0, -1], [-1, 1]]).repeat_interleave(64, dim=0)[None]
    truth = scripted(10 * side)(CloudBatch(xyz=xyz)).loss
    blind = scripted(0 * side)(CloudBatch(xyz=xyz)).loss
    alternating = torch.tensor([[1.0, -1], [-1, 1]]).repeat(64, 1)[None]
    wrong = scripted(10 * alternating)(CloudBatch(xyz=xyz)).loss
    assert truth < blind - 1
    assert truth < wrong - 1
    # And the gradient points that way.
    partial = scripted(0.5 * side)
    with torch.enable_grad():
        partial(CloudBatch(xyz=xyz)).loss.backward()
    grad = partial.head.get_parameter("logits").grad
    assert grad is not None
    assert (grad * side).sum() < 0


@torch.no_grad()
@pytest.mark.parametrize("covariance", ["full", "diagonal", "isotropic"])
def test_forward__fewer_freedoms_never_explain_more(covariance: str) -> None:
    # With hard, separate parts the claim is exact up to the floor: the full covariance is the most likely one.
    xyz = clusters()
    hard = 100 * nn.functional.one_hot(torch.arange(64) // 16, 4).float().expand(4, 64, 4)
    full = scripted(hard)(CloudBatch(xyz=xyz)).loss
    loss = scripted(hard, covariance=covariance)(CloudBatch(xyz=xyz)).loss  # type: ignore[arg-type]
    assert loss >= full - 1e-4
    assert (loss > full + 0.01) == (covariance != "full")


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_forward__does_not_depend_on_where_the_cloud_lies(shift: float) -> None:
    xyz, logits = clusters(), torch.randn(4, 64, 4)
    here = scripted(logits)(CloudBatch(xyz=xyz)).loss
    there = scripted(logits)(CloudBatch(xyz=xyz + shift)).loss
    torch.testing.assert_close(there, here, atol=2e-3, rtol=0)  # float32 at 100 keeps the points to 4e-6


def test_forward__ignores_the_order_of_points_and_of_components() -> None:
    method = ParAE(PointNet(SMALL), ParAEConfig(components=4, head=(16,)))
    xyz = clusters()
    loss = method(CloudBatch(xyz=xyz)).loss
    torch.testing.assert_close(method(CloudBatch(xyz=xyz[:, torch.randperm(64)])).loss, loss)
    order = torch.randperm(4)
    method.head.scores.weight.data = method.head.scores.weight.data[order]
    method.head.scores.bias.data = method.head.scores.bias.data[order]
    torch.testing.assert_close(method(CloudBatch(xyz=xyz)).loss, loss)


def flat(b: int = 8, n: int = 256) -> Tensor:
    """One plane a cloud, in the unit ball: where half precision has no Cholesky factor."""
    plane = torch.randn(b, n, 2) @ torch.randn(b, 2, 3)
    radius: Tensor = plane.norm(dim=-1, keepdim=True).amax(dim=1, keepdim=True)
    return plane / radius


def test_forward__stays_in_float32_under_autocast() -> None:
    xyz, logits = flat(), 3 * torch.randn(8, 256, 8)
    exact = scripted(logits)(CloudBatch(xyz=xyz)).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = scripted(logits)(CloudBatch(xyz=xyz)).loss
        halved = scripted(logits.bfloat16())(CloudBatch(xyz=xyz)).loss
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0, atol=0)  # same inputs, same arithmetic: autocast changes nothing
    torch.testing.assert_close(halved, exact, rtol=0, atol=0.02)  # the network's logits in bf16


def test_forward__small_floors_are_computed_in_float64() -> None:
    xyz = flat()
    logits = (-torch.cdist(xyz, xyz[:, :8]).square() / 0.02).detach()
    method = scripted(logits, floor=1e-7)
    loss = method(CloudBatch(xyz=xyz)).loss
    assert loss.dtype == torch.float32
    gamma, centred = logits.double().softmax(dim=-1), (xyz.double() - xyz.double().mean(dim=1, keepdim=True))
    mass = gamma.sum(dim=1)
    mean = torch.einsum("bnj,bnd->bjd", gamma, centred) / mass[..., None]
    offset = centred[:, :, None] - mean[:, None]
    cov = torch.einsum("bnj,bnjd,bnje->bjde", gamma, offset, offset) / mass[..., None, None]
    cov = cov + 1e-7 * torch.eye(3, dtype=torch.float64)
    oracle = MixtureSameFamily(Categorical(mass / 256), MultivariateNormal(mean, cov))
    expected = -oracle.log_prob(centred.transpose(0, 1)).mean()
    torch.testing.assert_close(loss.double(), expected, rtol=0, atol=1e-4)
    loss.backward()
    grad = method.head.get_parameter("logits").grad
    assert grad is not None
    assert grad.dtype == torch.float32
    assert grad.isfinite().all()


@pytest.mark.parametrize(("radius", "double"), [(0.5, False), (1.0, False), (1.5, True), (30.0, True)])
def test_precision__follows_the_floor_beside_the_squared_radius(radius: float, double: bool) -> None:
    """The default floor of 1e-4 is at its limit of 5e-5 squared radii at a radius of 1.41, wherever the cloud lies."""
    method = scripted(torch.zeros(1, 3, 2))
    xyz = radius * torch.tensor([[[-1.0, 0, 0], [1.0, 0, 0], [0.0, 0, 0]]]) + 8.0
    assert method.precision(xyz) == (torch.float64 if double else torch.float32)


def test_forward__a_flat_cloud_of_radius_thirty_keeps_its_gradient() -> None:
    """In float32 the gradient was off by more than its own size at a radius of 20, and NaN at 50."""
    xyz = 30 * flat()
    logits = (-torch.cdist(xyz, xyz[:, :8]).square() / 20).detach()
    method = scripted(logits)
    method(CloudBatch(xyz=xyz)).loss.backward()
    found = method.head.get_parameter("logits").grad
    free = logits.double().requires_grad_()
    centred = xyz.double() - xyz.double().mean(dim=1, keepdim=True)
    fitted = mixture.fit(centred, free.softmax(dim=-1), floor=1e-4)
    (-mixture.log_density(centred, fitted).mean()).backward()
    assert found is not None
    assert free.grad is not None
    assert float((found.double() - free.grad).norm() / free.grad.norm()) < 1e-3


@pytest.mark.parametrize("case", ["empty component", "coincident points", "flat", "two points"])
def test_forward__finite_gradient_on_degenerate_input(case: str) -> None:
    xyz, logits = flat(2, 32), torch.randn(2, 32, 4)
    if case == "empty component":
        logits[..., 0] = -1e4
    elif case == "coincident points":
        xyz = torch.full_like(xyz, 0.5)
    elif case == "two points":
        xyz, logits = xyz[:, :2], logits[:, :2]
    method = scripted(logits)
    loss = method(CloudBatch(xyz=xyz)).loss
    loss.backward()
    grad = method.head.get_parameter("logits").grad
    assert loss.isfinite()
    assert grad is not None
    assert grad.isfinite().all()


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(PointNet(SMALL), id="pointnet"),
        pytest.param(
            PointNet(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16, transforms=True)), id="pointnet_transforms"
        ),
        pytest.param(DGCNN(DGCNNConfig(k=4, widths=(8, 8), pooled_dim=16)), id="dgcnn"),
        pytest.param(DGCNN(DGCNNConfig(k=4, form="segmentation", pooled_dim=16)), id="dgcnn_segmentation"),
    ],
)
def test_forward__trains_every_parameter(backbone: Backbone) -> None:
    method = ParAE(backbone, ParAEConfig(components=4, head=(16,)))
    method(CloudBatch(xyz=clusters())).loss.backward()
    assert [name for name, p in method.named_parameters() if p.grad is None] == []
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.backbone.parameters())


def test_training__lowers_the_loss_and_finds_the_parts() -> None:
    method = ParAE(PointNet(SMALL), ParAEConfig(components=4, head=(16,)))
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        output = method(CloudBatch(xyz=clusters()))
        output.loss.backward()
        optimiser.step()
        losses.append(output.loss.item())
    assert sum(losses[-5:]) / 5 < sum(losses[:5]) / 5 - 0.5
    assert output.logs["mean_max_assignment"] > 0.5  # 1/4 is the uniform assignment


def test_fit__is_the_mixture_that_the_loss_sees() -> None:
    method = ParAE(PointNet(SMALL), ParAEConfig(components=4, head=(16,))).eval()
    xyz = clusters()
    xyz = xyz - xyz.mean(dim=1, keepdim=True)
    fitted = method.fit(xyz)
    oracle = MixtureSameFamily(Categorical(fitted.weight), MultivariateNormal(fitted.mean, fitted.cov))
    loss = -oracle.log_prob(xyz.transpose(0, 1)).mean()
    torch.testing.assert_close(method(CloudBatch(xyz=xyz)).loss, loss, atol=1e-3, rtol=0)


def test_forward__held_out_points_are_scored_by_the_mixture_of_the_others() -> None:
    method = ParAE(PointNet(SMALL), ParAEConfig(components=4, head=(16,), held_out=True)).eval()
    xyz = clusters()
    seen, scored = halves(xyz, torch.Generator().manual_seed(3))
    rows = torch.cat([seen, scored], dim=1)
    assert seen.shape[1] == scored.shape[1] == xyz.shape[1] // 2
    torch.testing.assert_close(rows.sort(dim=1).values, xyz.sort(dim=1).values, atol=0, rtol=0)
    assert not torch.equal(rows, xyz)
    fitted = method.fit(seen)
    oracle = MixtureSameFamily(Categorical(fitted.weight), MultivariateNormal(fitted.mean, fitted.cov))
    loss = method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(3)).loss
    torch.testing.assert_close(loss, -oracle.log_prob(scored.transpose(0, 1)).mean(), atol=1e-3, rtol=0)


def test_forward__held_out_points_never_reach_the_network() -> None:
    method = ParAE(PointNet(SMALL), ParAEConfig(components=4, head=(16,), held_out=True))
    xyz = clusters().requires_grad_()
    seen, _ = halves(xyz, torch.Generator().manual_seed(3))
    (of_seen,) = torch.autograd.grad(seen.sum(), xyz)
    hook = method.backbone.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
    kept: list[Tensor] = []
    method(CloudBatch(xyz=xyz.detach()), torch.Generator().manual_seed(3))
    hook.remove()
    torch.testing.assert_close(kept[0], seen.detach(), atol=0, rtol=0)
    assert of_seen[..., 0].sum() == seen.shape[0] * seen.shape[1]  # every point once or not at all


def test_partition_logits__without_point_features_a_point_is_its_place_and_z() -> None:
    class Junk(Backbone):
        """A PointNet whose point features are noise; z is its own."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = PointNet(SMALL)
            self.point_dim, self.pooled_dim = self.inner.point_dim, self.inner.pooled_dim

        def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
            """Return other point features every time."""
            features = self.inner(xyz)
            return Features(points=torch.randn_like(features.points), pooled=features.pooled)

    backbone = Junk()
    method = ParAE(backbone, ParAEConfig(components=4, head=(16,), point_features=False)).eval()
    xyz = clusters()
    torch.testing.assert_close(method.partition_logits(xyz), method.partition_logits(xyz), atol=0, rtol=0)
    two = xyz.clone()
    two[:, 1] = two[:, 0]  # the same place in the same cloud
    logits = method.partition_logits(two)
    torch.testing.assert_close(logits[:, 0], logits[:, 1])
    logits.sum().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in backbone.inner.local.parameters())


@pytest.mark.parametrize("held_out", [False, True])
def test_min_points__half_of_them_must_do_for_the_network(held_out: bool) -> None:
    backbone = DGCNN(DGCNNConfig(k=4, widths=(8,), pooled_dim=16))
    assert ParAE(backbone, ParAEConfig(held_out=held_out)).min_points == (2 * backbone.min_points if held_out else 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"components": 1}, "components must be at least 2, got 1"),
        ({"floor": 0.0}, "floor must be positive, got 0.0"),
        ({"head": ()}, "head must be positive widths"),
    ],
)
def test_config__refuses_what_cannot_work(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParAEConfig(**settings)  # type: ignore[arg-type]
