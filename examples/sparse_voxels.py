"""Pre-train a network for scenes, sparse convolutions on voxels, through the adapter: no other package is needed.

The layers do what B. Graham et al., "3D Semantic Segmentation with Submanifold Sparse Convolutional Networks", CVPR
2018, do: they compute at occupied voxels only, each from its occupied neighbours. A network built on spconv, or Point
Transformer V3, takes part the same way: dense clouds in, voxels inside, one vector per point out.
"""

import itertools
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import pointssl
from pointssl.data.reading import ReadConfig
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig

SPAN = 1 << 10
"""Most voxels along an axis."""


class SparseConv(nn.Module):
    """A 3 x 3 x 3 convolution on occupied voxels: one linear map per offset, summed over the neighbours that exist."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(in_dim, out_dim, bias=False) for _ in range(27))
        self.norm = nn.BatchNorm1d(out_dim)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Map (voxels, in) to (voxels, out); `neighbours` (27, voxels) has -1 where there is none."""
        kept = [(neighbour >= 0).nonzero().squeeze(1) for neighbour in neighbours]
        total = x.new_zeros(len(x), self.norm.num_features)
        for place, neighbour, layer in zip(kept, neighbours, self.maps, strict=True):
            total = total.index_add(0, place, layer(x[neighbour[place]]))
        activated: Tensor = self.norm(total).relu()
        return activated


class SparseVoxels(nn.Module):
    """Clouds (b, n, 3) to point features (b, n, 2 width): what a point's voxel sees, and where in it the point is."""

    def __init__(self, voxel: float = 0.1, width: int = 32) -> None:
        super().__init__()
        self.voxel = voxel
        self.lift = nn.Linear(6, width)
        self.layers = nn.ModuleList([SparseConv(width, width), SparseConv(width, width)])

    def forward(self, xyz: Tensor) -> Tensor:
        """Give every point a feature."""
        cell = (xyz / self.voxel).floor().long() + SPAN // 2
        if bool(((cell < 1) | (cell >= SPAN - 1)).any()):
            raise ValueError(f"clouds must be at most {SPAN - 2} voxels of {self.voxel} wide; take larger voxels")
        cloud = torch.arange(len(xyz), device=xyz.device)[:, None]
        key = ((cloud * SPAN + cell[..., 0]) * SPAN + cell[..., 1]) * SPAN + cell[..., 2]
        keys, place = key.unique(return_inverse=True)  # sorted, so that a neighbour is found by bisection
        inside = xyz / self.voxel - xyz.div(self.voxel).floor() - 0.5
        x = self.lift(torch.cat([xyz, inside], dim=-1)).flatten(0, 1)
        count = place.flatten().bincount()[:, None]
        voxels = x.new_zeros(len(keys), x.shape[1]).index_add(0, place.flatten(), x) / count
        neighbours = torch.stack([find(keys, offset) for offset in itertools.product((-1, 0, 1), repeat=3)])
        for layer in self.layers:
            voxels = layer(voxels, neighbours)
        return torch.cat([voxels[place], x.unflatten(0, place.shape)], dim=-1)


def find(keys: Tensor, offset: tuple[int, ...]) -> Tensor:
    """Return the place of every voxel's neighbour at an offset, -1 where it is empty."""
    i, j, k = offset
    wanted = keys + (i * SPAN + j) * SPAN + k
    at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[at] == wanted, at, -1)


encoder = pointssl.Adapted(SparseVoxels(), point_dim=64, pooled_dim=128)
settings = pointssl.PretrainConfig(
    method=ParAEConfig(components=8, head=(32,)),
    data=DataConfig(source="synthetic:48", reading=ReadConfig(points=256), batch_size=8),
    steps=10,
)
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run = pointssl.pretrain(settings, Path(folder) / "run", backbone=encoder)
        again = pointssl.load(run, backbone=encoder)
    print("voxel features:", tuple(again(torch.randn(2, 256, 3)).pooled.shape))
