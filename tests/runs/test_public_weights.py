"""Files with the layouts of public repositories, built here from plain torch layers that say the same as ours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from pointssl.app.cli import main
from pointssl.backbones import PatchTransformer, PatchTransformerConfig
from pointssl.errors import RunError, SettingError
from pointssl.runs.public_file import read_public
from pointssl.runs.public_weights import LAYOUTS, load_public
from pointssl.runs.run import Run

XYZ = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(3)).double()


def named(layers: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Return the state of layers by name, norms with statistics of some training."""
    for layer in layers.values():
        for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
            if value.is_floating_point():
                nn.init.uniform_(value, 0.5, 1.5) if name == "running_var" else nn.init.normal_(value, std=0.2)
    states = {name: {kind: x.clone() for kind, x in layer.state_dict().items()} for name, layer in layers.items()}
    for layer in layers.values():
        layer.double().eval()  # what is compared has no roundings then
    return {f"{name}.{kind}": value for name, state in states.items() for kind, value in state.items()}


def dgcnn(dim: int = 1024, k: int = 20) -> tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]:
    """EdgeConv on explicit edges (x_j - x_i, x_i); names of dgcnn.pytorch, whose norms appear twice."""
    widths = [(6, 64), (128, 64), (128, 128), (256, 256)]
    layers: dict[str, nn.Module] = {f"conv{i + 1}.0": nn.Conv2d(*w, 1, bias=False) for i, w in enumerate(widths)}
    layers |= {f"conv{i + 1}.1": nn.BatchNorm2d(w[1]) for i, w in enumerate(widths)}
    layers |= {
        "conv5.0": nn.Conv1d(512, dim, 1, bias=False),
        "conv5.1": nn.BatchNorm1d(dim),
        "linear3": nn.Linear(9, 5),
    }
    state = named(layers)
    state |= {f"bn{i}.{kind}": state[f"conv{i}.1.{kind}"] for i in range(1, 6) for kind in ("weight", "running_mean")}

    def forward(xyz: Tensor) -> Tensor:
        x, seen = xyz, []
        for i in range(1, 5):
            index = torch.cdist(x, x).topk(k, largest=False).indices
            near = torch.stack([cloud[places] for cloud, places in zip(x, index, strict=True)])
            edges = torch.cat([near - x[:, :, None], x[:, :, None].expand_as(near)], dim=-1).permute(0, 3, 1, 2)
            mapped = layers[f"conv{i}.1"](layers[f"conv{i}.0"](edges))
            x = functional.leaky_relu(mapped, 0.2).amax(dim=-1).mT
            seen.append(x)
        last = functional.leaky_relu(layers["conv5.1"](layers["conv5.0"](torch.cat(seen, dim=-1).mT)), 0.2)
        return torch.cat([last.amax(dim=-1), last.mean(dim=-1)], dim=-1)

    return state, forward


def pointnet(feature_transform: bool) -> tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]:
    """Convolutions with biases before their norms, and one or two transform networks."""
    layers: dict[str, nn.Module] = {"fc1": nn.Linear(4, 4)}
    nets = [("feat.", 3), ("feat.stn.", 3), *([("feat.fstn.", 64)] if feature_transform else [])]
    for net, dim in nets:
        for i, (a, b) in enumerate(((dim, 64), (64, 128), (128, 1024)), start=1):
            layers |= {f"{net}conv{i}": nn.Conv1d(a, b, 1), f"{net}bn{i}": nn.BatchNorm1d(b)}
        if net != "feat.":
            sizes = ((1024, 512), (512, 256), (256, dim * dim))
            layers |= {f"{net}fc{i}": nn.Linear(*size) for i, size in enumerate(sizes, start=1)}
            layers |= {f"{net}bn4": nn.BatchNorm1d(512), f"{net}bn5": nn.BatchNorm1d(256)}
    state = named(layers)

    def relu(x: Tensor, layer: str, norm: str) -> Tensor:
        return functional.relu(layers[norm](layers[layer](x)))

    def turn(x: Tensor, net: str) -> Tensor:
        y = x
        for i in (1, 2, 3):
            y = relu(y, f"{net}.conv{i}", f"{net}.bn{i}")
        y = relu(relu(y.amax(dim=-1), f"{net}.fc1", f"{net}.bn4"), f"{net}.fc2", f"{net}.bn5")
        matrix = layers[f"{net}.fc3"](y).view(len(x), x.shape[1], x.shape[1]) + torch.eye(x.shape[1]).double()
        turned: Tensor = (x.mT @ matrix).mT
        return turned

    def forward(xyz: Tensor) -> Tensor:
        x = relu(turn(xyz.mT, "feat.stn"), "feat.conv1", "feat.bn1")
        x = turn(x, "feat.fstn") if feature_transform else x
        x = relu(x, "feat.conv2", "feat.bn2")
        pooled: Tensor = layers["feat.bn3"](layers["feat.conv3"](x)).amax(dim=-1)
        return pooled

    return state, forward


def pcn() -> tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]:
    """Two PointNets without norms; the point before the max in the third layer's input."""
    sizes = {"feat.conv1": (3, 128), "feat.conv2": (128, 256), "feat.conv3": (512, 512), "feat.conv4": (512, 1024)}
    layers: dict[str, nn.Module] = {name: nn.Conv1d(*size, 1) for name, size in sizes.items()}
    state = named(layers | {"folding1.0": nn.Linear(3, 3)})

    def forward(xyz: Tensor) -> Tensor:
        x = layers["feat.conv2"](layers["feat.conv1"](xyz.mT).relu())
        x = torch.cat([x, x.amax(dim=-1, keepdim=True).expand_as(x)], dim=1)
        pooled: Tensor = layers["feat.conv4"](layers["feat.conv3"](x).relu()).amax(dim=-1)
        return pooled

    return state, forward


def save(state: dict[str, Tensor], path: Path) -> Path:
    safetensors.torch.save_file({name: value.clone() for name, value in state.items()}, path)
    return path


@pytest.mark.parametrize("layout", ["dgcnn", "crosspoint", "occo-dgcnn", "pointnet", "occo-pointnet", "occo-pcn"])
@torch.no_grad()
def test_load_public__says_what_the_published_layers_say(layout: str, tmp_path: Path) -> None:
    if "pointnet" in layout:
        state, forward = pointnet(layout == "pointnet")
    else:
        state, forward = pcn() if layout == "occo-pcn" else dgcnn(k=15 if layout == "crosspoint" else 20)
    file = save({f"module.{name}": value for name, value in state.items()}, tmp_path / "best.safetensors")
    network, report = load_public(file, layout)
    expected = forward(XYZ)[:, : network.pooled_dim]  # OcCo's DGCNN pools by max alone
    torch.testing.assert_close(network.double()(XYZ).pooled, expected, rtol=1e-6, atol=1e-6)
    told = {*(theirs for theirs, _, _ in report.used), *report.repeated, *report.not_used}
    assert told == set(state)  # every name of the file is accounted for
    assert {*(ours for _, ours, _ in report.used), *report.missing} == set(network.state_dict())
    assert not set(report.not_used) & {name for name in state if name.startswith(("feat", "conv"))}
    assert set(report.repeated) == {name for name in state if name.startswith("bn")}
    assert all(name.startswith("feature_transform.") for name in report.missing)
    assert bool(report.missing) == (layout == "occo-pointnet")


@torch.no_grad()
def test_load_public__point_mae(tmp_path: Path) -> None:
    config = PatchTransformerConfig(patches=4, patch_points=6, width=24, heads=4, depth=2)
    sizes = {"encoder.first_conv.0": (3, 128), "encoder.first_conv.3": (128, 256)}
    sizes |= {"encoder.second_conv.0": (512, 512), "encoder.second_conv.3": (512, 24)}
    layers: dict[str, nn.Module] = {name: nn.Conv1d(*size, 1) for name, size in sizes.items()}
    layers |= {"encoder.first_conv.1": nn.BatchNorm1d(128), "encoder.second_conv.1": nn.BatchNorm1d(512)}
    layers |= {"pos_embed.0": nn.Linear(3, 128), "pos_embed.2": nn.Linear(128, 24), "norm": nn.LayerNorm(24)}
    for i in (0, 1):
        block = f"blocks.blocks.{i}"
        layers |= {f"{block}.norm1": nn.LayerNorm(24), f"{block}.norm2": nn.LayerNorm(24)}
        layers |= {f"{block}.attn.qkv": nn.Linear(24, 72, bias=False), f"{block}.attn.proj": nn.Linear(24, 24)}
        layers |= {f"{block}.mlp.fc1": nn.Linear(24, 96), f"{block}.mlp.fc2": nn.Linear(96, 24)}
    state = {f"MAE_encoder.{name}": value for name, value in named(layers).items()}
    decoder = {"MAE_decoder.blocks.0.attn.qkv.bias": torch.zeros(2), "mask_token": torch.zeros(1, 1, 24)}
    torch.save({"base_model": state | decoder, "epoch": 300}, tmp_path / "ckpt.pth")
    network, report = load_public(tmp_path / "ckpt.pth", "point-mae", config)
    assert isinstance(network, PatchTransformer)
    network.double()
    assert set(report.not_used) == set(decoder)

    patches = network.cut(XYZ)
    x = layers["encoder.first_conv.1"](layers["encoder.first_conv.0"](patches.local.flatten(0, 1).mT)).relu()
    x = layers["encoder.first_conv.3"](x)
    x = torch.cat([x.amax(dim=-1, keepdim=True).expand_as(x), x], dim=1)
    x = layers["encoder.second_conv.1"](layers["encoder.second_conv.0"](x)).relu()
    x = layers["encoder.second_conv.3"](x).amax(dim=-1).view(2, 4, 24)
    place = layers["pos_embed.2"](functional.gelu(layers["pos_embed.0"](patches.centre)))
    for i in (0, 1):
        get = {name.removeprefix(f"blocks.blocks.{i}."): layer for name, layer in layers.items()}
        x = x + place
        q, k, v = get["attn.qkv"](get["norm1"](x)).view(2, 4, 3, 4, 6).permute(2, 0, 3, 1, 4)
        seen = ((q @ k.mT) / 6**0.5).softmax(dim=-1) @ v
        x = x + get["attn.proj"](seen.transpose(1, 2).reshape(2, 4, 24))
        x = x + get["mlp.fc2"](functional.gelu(get["mlp.fc1"](get["norm2"](x))))
    x = layers["norm"](x)
    torch.testing.assert_close(network(XYZ).pooled, torch.cat([x.amax(dim=1), x.mean(dim=1)], dim=1))


def test_load_public__refusals_are_one_line(tmp_path: Path) -> None:
    state, _ = pcn()
    file = save(state, tmp_path / "pcn.safetensors")
    with pytest.raises(SettingError, match="there is no layout 'occopcn'"):
        load_public(file, "occopcn")
    with pytest.raises(RunError, match=r"holds no name of the layout dgcnn .*it looks like occo-pcn"):
        load_public(file, "dgcnn")
    del state["feat.conv4.bias"]
    with pytest.raises(RunError, match=r"does not fill the network of the layout occo-pcn: 1 missing \(pool.bias\)"):
        load_public(save(state, tmp_path / "cut.safetensors"), "occo-pcn")
    wide, _ = dgcnn(dim=8)
    with pytest.raises(RunError, match=r"of another shape \(pool.layer.linear.weight is \(8, 512\)"):
        load_public(save(wide, tmp_path / "wide.safetensors"), "dgcnn")
    with pytest.raises(RunError, match="does not exist"):
        load_public(tmp_path / "no.pth", "dgcnn")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(RunError, match="it holds a list, no weights by name"):
        load_public(tmp_path / "list.pth", "dgcnn")


class Trap:
    """What a pickle can do when it is opened: run anything."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_read_public__runs_nothing(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}, "trap": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(RunError, match=r"cannot be read as weights alone .*nothing in it was run"):
        read_public(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_read_public__safetensors(tmp_path: Path) -> None:
    safetensors.torch.save_file({"module.a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert list(read_public(tmp_path / "x.safetensors")) == ["a"]


def test_import__is_an_encoder_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, forward = pcn()
    file = tmp_path / "pcn.pth"
    torch.save({"epoch": 3, "model_state_dict": {f"module.{name}": value for name, value in state.items()}}, file)
    main(["import", str(file), "--layout", "occo-pcn", "--out", str(tmp_path / "pcn")])
    said = " ".join(capsys.readouterr().out.split())
    assert "feat.conv3.weight -> context.weight (second half of the columns)" in said
    assert "folding1.0.weight: not used" in said
    run = Run.open(tmp_path / "pcn")
    with torch.no_grad():
        torch.testing.assert_close(run.encoder().double()(XYZ).pooled, forward(XYZ))
    assert run.record["imported"]["layout"] == "occo-pcn"
    assert run.untrained(0).config == LAYOUTS["occo-pcn"].config
