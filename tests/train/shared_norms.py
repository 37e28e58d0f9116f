"""Started twice by `test_distributed`: trains networks with batch norm, keeps what each step did.

Usage: python -m tests.train.shared_norms OUT CLOUDS_PER_PROCESS
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.backbones.image import ResNetConfig
from pointssl.data.batches import Batches
from pointssl.data.reading import ReadConfig
from pointssl.methods import CrossPointConfig, MMPointConfig, build_method
from pointssl.methods.pictures import PictureConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.weights import write_tensors
from pointssl.train import loop
from pointssl.train.optim import build_optimizer
from pointssl.train.runtime import Runtime, start
from pointssl.train.state import TrainingState
from tests.doubles import ToyClouds, tiny_config

POINTNET = PointNetConfig(local=(16,), hidden=(12,), pooled_dim=20)
IMAGE = ResNetConfig(width=4, channels=1)
DRAWN = PictureConfig(kind="depth", size=32)
CASES: dict[str, PretrainConfig] = {
    "pointnet": tiny_config(backbone=POINTNET),
    "half": tiny_config(backbone=POINTNET, precision="bf16"),
    # Layers on vectors, in the networks that predict the transforms.
    "transforms": tiny_config(backbone=PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10, transforms=True)),
    # One edge layer whose width the compiled kernels take, and one for the plain form.
    "dgcnn": tiny_config(backbone=DGCNNConfig(k=4, widths=(16, 12), pooled_dim=20)),
    # Contrast with the clouds and views of all processes, images normed with those of all.
    "mm-point": tiny_config(
        backbone=POINTNET,
        method=MMPointConfig(views=2, levels="random", hidden=(12, 8), image=IMAGE, pictures=DRAWN),
    ),
    "crosspoint": tiny_config(
        backbone=POINTNET, method=CrossPointConfig(dim=16, hidden=(12, 8), image=IMAGE, pictures=DRAWN)
    ),
    # Layers that go on over the edges, and the mean over the points. All points are neighbours: which of two that are
    # equally far comes fourth would hang on rounding, and with it the gradient.
    "edges": tiny_config(backbone=DGCNNConfig(k=32, form="segmentation", pooling="max_mean", pooled_dim=20)),
}


def train(config: PretrainConfig, clouds: int, runtime: Runtime) -> dict[str, torch.Tensor]:
    """Take two steps of plain gradient descent; return losses, gradients, and weights and running statistics."""
    torch.manual_seed(0)
    method = build_method(config.method, build_backbone(config.backbone))
    for name, parameter in method.named_parameters():
        if "norm" in name:  # some of them negative, as trained ones are
            torch.nn.init.normal_(parameter)
    state = TrainingState(method, build_optimizer(method, config.optim), None)
    data = ToyClouds(clouds=16)
    batches = Batches(data, batch=clouds, points=32, seed=0, rank=runtime.rank, world=runtime.world)
    kept: dict[str, torch.Tensor] = {}
    for step in loop.run(state, batches, config, runtime, total=2):
        kept[f"loss.{step.index}"] = torch.tensor(step.loss)
        for name, parameter in method.named_parameters():
            assert parameter.grad is not None
            kept[f"gradient.{step.index}.{name}"] = parameter.grad.clone()
    return kept | {f"state.{name}": tensor for name, tensor in method.state_dict().items()}


def main(out: Path, clouds: int) -> None:
    """Train every network."""
    optim = OptimConfig(kind="sgd", lr=0.001)
    data = DataConfig(reading=ReadConfig(points=32), batch_size=clouds)
    kept: dict[str, torch.Tensor] = {}
    with start("cpu") as runtime:
        for case, config in CASES.items():
            config = replace(config, optim=optim, data=data)
            kept |= {f"{case}.{name}": tensor for name, tensor in train(config, clouds, runtime).items()}
    write_tensors(out / f"rank-{runtime.rank}.safetensors", kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
