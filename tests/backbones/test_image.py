"""The image encoders: parameter names and sizes of the published networks, weight files, one channel or three."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pointssl.backbones.image import AdaptedImages, ResNet, ResNetConfig, load_torchvision


@pytest.mark.parametrize(
    ("depth", "parameters", "dim"), [(18, 11_176_512, 512), (34, 21_284_672, 512), (50, 23_508_032, 2048)]
)
def test_resnet__has_the_published_size(depth: int, parameters: int, dim: int) -> None:
    # torchvision's 11,689,512, 21,797,672 and 25,557,032 without the classifier of dim x 1000 + 1000.
    network = ResNet(ResNetConfig(depth=depth))  # type: ignore[arg-type]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network.dim == dim


def test_resnet__names_are_torchvisions() -> None:
    names = set(ResNet(ResNetConfig(depth=50, width=4)).state_dict())
    for name in ("conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer2.3.bn3.bias"):
        assert name in names
    assert "layer1.1.downsample.0.weight" not in names
    assert "layer1.0.downsample.0.weight" not in ResNet(ResNetConfig(width=4)).state_dict()


@pytest.mark.parametrize("channels", [1, 3])
def test_resnet__grey_images_are_repeated_where_three_are_taken(channels: int) -> None:
    network = ResNet(ResNetConfig(width=4, channels=channels)).eval()  # type: ignore[arg-type]
    grey = torch.rand(2, 1, 32, 32)
    assert network(grey).shape == (2, 32)
    if channels == 3:
        torch.testing.assert_close(network(grey), network(grey.expand(-1, 3, -1, -1)))


def saved(folder: Path, config: ResNetConfig) -> tuple[ResNet, Path]:
    """Write a file of weights as torchvision does, with its classifier."""
    network = ResNet(config)
    with torch.no_grad():
        network.bn1.running_mean.normal_()  # type: ignore[union-attr]
    torch.save(
        network.state_dict() | {"fc.weight": torch.zeros(1000, network.dim), "fc.bias": torch.zeros(1000)},
        folder / "w.pth",
    )
    return network.eval(), folder / "w.pth"


def test_load_torchvision__same_function(tmp_path: Path) -> None:
    network, file = saved(tmp_path, ResNetConfig(width=4))
    image = torch.rand(2, 3, 32, 32)
    again = ResNet(ResNetConfig(width=4, weights=str(file))).eval()
    assert torch.equal(again(image), network(image))
    grey = ResNet(ResNetConfig(width=4, channels=1, weights=str(file))).eval()
    torch.testing.assert_close(grey(image[:, :1]), network(image[:, :1].expand(-1, 3, -1, -1)))


def test_load_torchvision__refuses_other_networks(tmp_path: Path) -> None:
    _, file = saved(tmp_path, ResNetConfig(width=4))
    with pytest.raises(ValueError, match="weights of another network"):
        load_torchvision(ResNet(ResNetConfig(width=8)), file)
    with pytest.raises(ValueError, match="does not exist"):
        ResNet(ResNetConfig(weights=str(tmp_path / "none.pth")))


def test_adapted__says_what_it_must_give() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    assert AdaptedImages(flat, 5)(torch.rand(2, 3, 4, 4)).shape == (2, 5)
    with pytest.raises(ValueError, match=r"must give \(2, 7\), got \(2, 5\)"):
        AdaptedImages(flat, 7)(torch.rand(2, 3, 4, 4))
