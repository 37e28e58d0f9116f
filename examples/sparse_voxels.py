"""Pre-train sparse convolutions on voxels (B. Graham et al., CVPR 2018), the layers of networks of scenes."""

import tempfile

import torch
from torch import Tensor, nn

import pointssl
from pointssl.methods import ParAEConfig


class SparseVoxels(nn.Module):
    """Clouds (b, n, 3) to features (b, n, 64): of each point, and of its 10 cm voxel's surroundings."""

    def __init__(self) -> None:
        super().__init__()
        self.lift, self.maps = nn.Linear(3, 32), nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(27))

    def forward(self, xyz: Tensor) -> Tensor:
        """Average points by voxel, add what each of 27 neighbours says, give it back to the points."""
        cell, cloud = (xyz / 0.1).floor().long() + 512, torch.arange(len(xyz))[:, None]
        key = ((cloud * 1024 + cell[..., 0]) * 1024 + cell[..., 1]) * 1024 + cell[..., 2]
        keys, place = key.unique(return_inverse=True)  # sorted: a neighbour is found by bisection
        x = self.lift(xyz)
        voxel = torch.zeros(len(keys), 32).index_add(0, place.flatten(), x.flatten(0, 1))
        voxel, total = voxel / place.flatten().bincount()[:, None], torch.zeros(len(keys), 32)
        for n, layer in enumerate(self.maps):
            wanted = keys + ((n // 9 - 1) * 1024 + n // 3 % 3 - 1) * 1024 + n % 3 - 1
            at = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
            total = total + layer(voxel[at]) * (keys[at] == wanted)[:, None]
        return torch.cat([x, total[place].relu()], dim=-1)


if __name__ == "__main__":
    encoder = pointssl.Adapted(SparseVoxels(), point_dim=64, pooled_dim=128)
    settings = pointssl.PretrainConfig(method=ParAEConfig(components=8), steps=5)
    with tempfile.TemporaryDirectory() as folder:
        pointssl.pretrain(settings, f"{folder}/run", backbone=encoder, data="synthetic:48")
    print("voxel features:", tuple(encoder(torch.randn(2, 256, 3)).pooled.shape))
