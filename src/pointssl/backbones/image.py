"""Encoders of images: a ResNet whose parameters are named as torchvision's, so that its weight files load.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in
the 3 x 3 layer of the bottleneck, as torchvision has it. `width` and `channels` are ours: narrow networks for small
machines, one channel for depth and shading.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops.kernels.norm import ImageNorm

LAYERS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks of the four stages, by the depth of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetConfig:
    """Settings of the image encoder."""

    depth: Literal[18, 34, 50] = 18
    """Which ResNet; 50 has bottlenecks and a pooled feature four times as wide."""
    width: int = 64
    """Channels of the first stage; 64 is the published network, 16 is a sixteenth of its arithmetic."""
    channels: Literal[1, 3] = 3
    """Channels of the images; images of one channel are repeated where the network takes three."""
    weights: str | None = None
    """A file of weights with torchvision's names (.pth, .pt, .safetensors); random weights without."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")


class ImageEncoder(nn.Module, ABC):
    """Maps images (b, c, h, w) in [0, 1], normalised, to one vector each."""

    dim: int
    """Width of the vector."""
    channels: int
    """Channels of the images it takes."""

    @abstractmethod
    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Encode a batch."""


@final
class AdaptedImages(ImageEncoder):
    """Any module from images to vectors, of which width and channels must be said."""

    def __init__(self, module: nn.Module, dim: int, channels: int = 3) -> None:
        super().__init__()
        self.module, self.dim, self.channels = module, dim, channels

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Encode a batch; raises ValueError where the module gives something else than one vector an image."""
        vectors = self.module(image)
        if not isinstance(vectors, Tensor) or vectors.shape != (len(image), self.dim):
            given = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise ValueError(f"an image encoder must give ({len(image)}, {self.dim}), got {given}")
        return vectors


def conv(in_dim: int, out_dim: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(in_dim, out_dim, size, stride, padding=size // 2, bias=False)


@final
class Basic(nn.Module):
    """Two 3 x 3 layers and the way around them."""

    def __init__(self, in_dim: int, dim: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(in_dim, dim, 3, stride), ImageNorm(dim)
        self.conv2, self.bn2 = conv(dim, dim, 3), ImageNorm(dim)
        self.downsample = shortcut(in_dim, dim, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Return the sum of both ways."""
        way: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu_()))
        return (way + (x if self.downsample is None else self.downsample(x))).relu_()


@final
class Bottleneck(nn.Module):
    """A 3 x 3 layer between two 1 x 1 layers, the last four times as wide, and the way around them."""

    def __init__(self, in_dim: int, dim: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(in_dim, dim, 1), ImageNorm(dim)
        self.conv2, self.bn2 = conv(dim, dim, 3, stride), ImageNorm(dim)
        self.conv3, self.bn3 = conv(dim, 4 * dim, 1), ImageNorm(4 * dim)
        self.downsample = shortcut(in_dim, 4 * dim, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        """Return the sum of both ways."""
        way = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu_())).relu_()
        whole: Tensor = self.bn3(self.conv3(way)) + (x if self.downsample is None else self.downsample(x))
        return whole.relu_()


def shortcut(in_dim: int, out_dim: int, stride: int) -> nn.Sequential | None:
    """Return the layer that fits the input to the output, None where they fit as they are."""
    return (
        None
        if in_dim == out_dim and stride == 1
        else nn.Sequential(conv(in_dim, out_dim, 1, stride), ImageNorm(out_dim))
    )


@final
class ResNet(ImageEncoder):
    """The convolutions of a ResNet and the mean over the last map."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        block, times = (Bottleneck, 4) if config.depth == 50 else (Basic, 1)
        widths = [config.width * 2**stage for stage in range(4)]
        self.channels, self.dim = config.channels, times * widths[-1]
        self.conv1, self.bn1 = nn.Conv2d(config.channels, config.width, 7, 2, 3, bias=False), ImageNorm(config.width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages: list[nn.Sequential] = []
        in_dim = config.width
        for stage, (dim, blocks) in enumerate(zip(widths, LAYERS[config.depth], strict=True)):
            first = block(in_dim, dim, 1 if stage == 0 else 2)
            in_dim = times * dim
            stages.append(nn.Sequential(first, *(block(in_dim, dim, 1) for _ in range(blocks - 1))))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if config.weights is not None:
            load_torchvision(self, Path(config.weights))

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Encode a batch; images of one channel are repeated where three are taken."""
        x = image.expand(-1, self.channels, -1, -1) if image.shape[1] == 1 else image
        x = self.maxpool(self.bn1(self.conv1(x)).relu_())
        vectors: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean(dim=(2, 3))
        return vectors


def load_torchvision(network: ResNet, file: Path) -> None:
    """Load a weight file of torchvision's ResNet into `network`; its classifier is left out.

    For a network of one channel the first layer's three are added, as if the image were repeated. Raises ValueError
    where the file is missing or belongs to another network.
    """
    if not file.is_file():
        raise ValueError(f"image.weights must be a file, got {file}, which does not exist")
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensors = load_file(file)
    else:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    tensors = {name: value for name, value in tensors.items() if not name.startswith("fc.")}
    if network.channels == 1 and "conv1.weight" in tensors and tensors["conv1.weight"].shape[1] == 3:
        tensors["conv1.weight"] = tensors["conv1.weight"].sum(dim=1, keepdim=True)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ValueError(
            f"{file} holds weights of another network than the settings' image encoder: {reason}"
        ) from error
