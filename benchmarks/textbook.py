"""The same networks and loss in the form that papers and public code write them: the yardstick of `speed.py`.

Edges and broadcast features are made as tensors, layers are 1 × 1 convolutions with batch norm, neighbours come from
`topk`, the likelihood from `torch.distributions`. Weights are taken from our networks, so that values and gradients can
be compared, and `named_gradients` gives them back under our names.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from pointssl.backbones.dgcnn import DGCNN, SLOPE, DGCNNConfig
from pointssl.backbones.pointnet import PointNet
from pointssl.methods.parae import ParAE
from pointssl.types import CloudBatch


def conv1d(linear: nn.Linear, norm: nn.BatchNorm1d, slope: float) -> nn.Sequential:
    """Return convolution, norm and activation over (b, d, n) with the weights of a point layer."""
    conv = nn.Conv1d(linear.in_features, linear.out_features, 1, bias=False)
    conv.weight.data.copy_(linear.weight.data[..., None])
    own = nn.BatchNorm1d(norm.num_features)
    own.load_state_dict(norm.state_dict())
    return nn.Sequential(conv, own, nn.Identity() if slope == 1.0 else nn.LeakyReLU(slope))


def conv2d(linear: nn.Linear, norm: nn.BatchNorm1d, slope: float) -> nn.Sequential:
    """Return the same over edges (b, d, n, k)."""
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=False)
    conv.weight.data.copy_(linear.weight.data[..., None, None])
    own = nn.BatchNorm2d(norm.num_features)
    own.load_state_dict(norm.state_dict())
    return nn.Sequential(conv, own, nn.LeakyReLU(slope))


def neighbours(x: Float[Tensor, "b d n"], k: int) -> Tensor:
    """Return the k nearest points (b, n, k) by pairwise squared distances and `topk`."""
    inner = -2 * x.mT @ x
    square = x.square().sum(dim=1, keepdim=True)
    return (-square - inner - square.mT).topk(k, dim=-1).indices


def edge_features(x: Float[Tensor, "b d n"], index: Tensor) -> Float[Tensor, "b d2 n k"]:
    """Return (x_j - x_i, x_i) for every edge."""
    b, d, n = x.shape
    k = index.shape[-1]
    rows = x.mT.reshape(b * n, d)
    offset = torch.arange(b, device=x.device).view(b, 1, 1) * n
    near = rows[(index + offset).view(-1)].view(b, n, k, d)
    own = x.mT[:, :, None].expand(-1, -1, k, -1)
    return torch.cat([near - own, own], dim=-1).permute(0, 3, 1, 2).contiguous()


@final
class TextbookDGCNN(nn.Module):
    """DGCNN's classification encoder over explicit edges; `index`, if set, fixes the neighbours of each layer."""

    def __init__(self, ours: DGCNN) -> None:
        super().__init__()
        assert isinstance(ours.config, DGCNNConfig)
        self.k = ours.config.k
        self.index: list[Tensor] | None = None
        self.edges = nn.ModuleList(conv2d(edge.linear, edge.norm, SLOPE) for edge in ours.edges)  # type: ignore[arg-type]
        last = ours.pool.layer
        self.last = conv1d(last.linear, last.norm, SLOPE)

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b e"]:
        """Return the pooled feature."""
        x, outputs = xyz.mT.contiguous(), []
        for layer, edge in enumerate(self.edges):
            near = neighbours(x, self.k) if self.index is None else self.index[layer]
            x = edge(edge_features(x, near)).max(dim=-1).values
            outputs.append(x)
        pooled: Tensor = self.last(torch.cat(outputs, dim=1)).max(dim=-1).values
        return pooled

    def named_gradients(self) -> dict[str, Tensor]:
        """Return all gradients under the names of our network."""
        found: dict[str, Tensor] = {}
        for place, edge in enumerate(self.edges):
            found |= _gradients(f"edges.{place}", edge)
        return found | _gradients("pool.layer", self.last)


@final
class TextbookParAE(nn.Module):
    """PointNet and head with the global vector copied to every point, and the likelihood from `torch.distributions`."""

    def __init__(self, ours: ParAE) -> None:
        super().__init__()
        backbone, head = ours.backbone, ours.head
        assert isinstance(backbone, PointNet)
        assert ours.config.covariance == "full"
        self.floor = ours.config.floor
        self.local = nn.Sequential(*(conv1d(layer.linear, layer.norm, layer.slope) for layer in backbone.local))  # type: ignore[arg-type]
        self.hidden = nn.Sequential(*(conv1d(layer.linear, layer.norm, layer.slope) for layer in backbone.hidden))  # type: ignore[arg-type]
        pool = backbone.pool.layer
        self.pool = conv1d(pool.linear, pool.norm, pool.slope)
        joined = nn.Linear(
            head.context.in_features + head.first.linear.in_features, head.context.out_features, bias=False
        )
        joined.weight.data.copy_(torch.cat([head.context.weight.data, head.first.linear.weight.data], dim=1))
        layers = (conv1d(layer.linear, layer.norm, layer.slope) for layer in head.layers)  # type: ignore[arg-type]
        self.head = nn.Sequential(conv1d(joined, head.first.norm, head.first.slope), *layers)
        self.scores = nn.Conv1d(head.scores.in_features, head.scores.out_features, 1)
        self.scores.weight.data.copy_(head.scores.weight.data[..., None])
        self.scores.bias.data.copy_(head.scores.bias.data)  # type: ignore[union-attr]

    def forward(self, batch: CloudBatch) -> Float[Tensor, ""]:
        """Return the loss."""
        local = self.local(batch.xyz.mT.contiguous())
        pooled = self.pool(self.hidden(local)).max(dim=-1, keepdim=True).values
        joined = torch.cat([pooled.expand(-1, -1, local.shape[-1]), local], dim=1)
        logits = self.scores(self.head(joined)).mT
        return mixture_loss(batch.xyz, logits, self.floor)

    def named_gradients(self) -> dict[str, Tensor]:
        """Return all gradients under the names of our method."""
        found = _gradients("backbone.pool.layer", self.pool)
        for place, layer in enumerate(self.local):
            found |= _gradients(f"backbone.local.{place}", layer)
        for place, layer in enumerate(self.hidden):
            found |= _gradients(f"backbone.hidden.{place}", layer)
        first = _gradients("head.first", self.head[0])
        joined = first.pop("head.first.linear.weight")
        width = self.pool[0].out_channels
        found |= first | {"head.context.weight": joined[:, :width], "head.first.linear.weight": joined[:, width:]}
        for place, layer in enumerate(list(self.head)[1:]):
            found |= _gradients(f"head.layers.{place}", layer)
        assert self.scores.weight.grad is not None
        assert self.scores.bias is not None
        assert self.scores.bias.grad is not None
        return found | {
            "head.scores.weight": self.scores.weight.grad[..., 0],
            "head.scores.bias": self.scores.bias.grad,
        }


def mixture_loss(xyz: Float[Tensor, "b n 3"], logits: Float[Tensor, "b n j"], floor: float) -> Float[Tensor, ""]:
    """Mean negative log likelihood of the points under the mixture that their own soft partition implies, in nats."""
    xyz = xyz - xyz.mean(dim=1, keepdim=True)
    share = logits.softmax(dim=-1)
    mass = share.sum(dim=1)  # (b, j)
    mean = (share[..., None] * xyz[:, :, None]).sum(dim=1) / mass[..., None]  # (b, j, 3)
    offset = xyz[:, :, None] - mean[:, None]  # (b, n, j, 3)
    outer = offset[..., :, None] * offset[..., None, :]  # (b, n, j, 3, 3)
    cov = (share[..., None, None] * outer).sum(dim=1) / mass[..., None, None]
    cov = cov + floor * torch.eye(3, dtype=xyz.dtype, device=xyz.device)
    parts = MultivariateNormal(mean, covariance_matrix=cov)
    fitted = MixtureSameFamily(Categorical(probs=mass / mass.sum(dim=-1, keepdim=True)), parts)
    density: Tensor = fitted.log_prob(xyz.transpose(0, 1))
    return -density.mean()


def _gradients(name: str, layer: nn.Module) -> dict[str, Tensor]:
    """Return the gradients of a convolution and its norm under the names of a point layer."""
    assert isinstance(layer, nn.Sequential)
    found = {}
    parts = {"linear.weight": layer[0].weight, "norm.weight": layer[1].weight, "norm.bias": layer[1].bias}
    for part, parameter in parts.items():
        assert isinstance(parameter, Tensor)
        assert parameter.grad is not None
        found[f"{name}.{part}"] = parameter.grad.flatten(1) if part == "linear.weight" else parameter.grad
    return found
