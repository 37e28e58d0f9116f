"""Encoders of other projects: which name in their weight files is which of ours, and a report of every name.

Source: the networks' definitions in the public repositories that `LAYOUTS` names; consulted, not copied. Where a layer
of theirs has a bias before a batch norm and ours has none, the bias moves into the norm's running mean, which gives the
same values. Where ours splits a layer that reads two things side by side, its columns are split.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from pointssl.backbones import (
    Backbone,
    BackboneConfig,
    DGCNNConfig,
    PatchTransformerConfig,
    PCNConfig,
    PointNetConfig,
    build_backbone,
)
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError, nearest
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.passed import Passed
from pointssl.runs.public_file import read_public
from pointssl.runs.publish import save_pretrained
from pointssl.runs.weights import key_report

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@final
@dataclass(frozen=True, slots=True)
class KeyReport:
    """What became of every name, theirs and ours."""

    used: tuple[tuple[str, str, str], ...]
    """(name in the file, name of ours, what was done to it); a name can be used twice."""
    repeated: tuple[str, ...]
    """Names in the file of tensors that it holds under a second name, which was used."""
    not_used: tuple[str, ...]
    """Names in the file of which ours has nothing: heads and decoders."""
    missing: tuple[str, ...]
    """Names of ours that the file has nothing for."""

    def __str__(self) -> str:
        """Return the report, a line for each name."""
        lines = [f"{theirs} -> {ours}{f' ({what})' if what else ''}" for theirs, ours, what in self.used]
        lines += [f"{name}: repeats a name that was used" for name in self.repeated]
        lines += [f"{name}: not used" for name in self.not_used]
        lines += [f"{name}: missing in the file, left as it is at the start" for name in self.missing]
        return "\n".join(lines)


@dataclass(slots=True)
class Reader:
    """The tensors of a file, and what has been asked of them."""

    tensors: Mapping[str, Tensor]
    found: dict[str, Tensor] = field(default_factory=dict)
    used: list[tuple[str, str, str]] = field(default_factory=list)

    def move(self, theirs: str, ours: str, what: str = "", change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Take a tensor over, where the file has it."""
        if theirs in self.tensors:
            self.found[ours] = change(self.tensors[theirs])
            self.used.append((theirs, ours, what))

    def linear(self, theirs: str, ours: str) -> None:
        """Take over a linear layer, or a convolution of size 1, with its bias."""
        self.move(f"{theirs}.weight", f"{ours}.weight", change=_matrix)
        self.move(f"{theirs}.bias", f"{ours}.bias")

    def normed(self, linear: str, norm: str, ours: str, names: tuple[str, str] = ("linear", "norm")) -> None:
        """Take over a layer with its batch norm; a bias before the norm goes into its running mean."""
        self.move(f"{linear}.weight", f"{ours}.{names[0]}.weight", change=_matrix)
        self.norm(norm, f"{ours}.{names[1]}", f"{linear}.bias")

    def norm(self, norm: str, ours: str, bias: str) -> None:
        """Take over a batch norm behind a layer whose bias ours does not have."""
        for kind in NORM:
            self.move(f"{norm}.{kind}", f"{ours}.{kind}")
        mean = f"{ours}.running_mean"
        if bias in self.tensors and mean in self.found:
            self.found[mean] = self.found[mean] - self.tensors[bias]
            self.used.append((bias, mean, "subtracted"))

    def split(self, theirs: str, first: str, second: str) -> None:
        """Take over a layer that reads two vectors side by side as two layers, one for each."""
        half = self.tensors[theirs].shape[1] // 2 if theirs in self.tensors else 0
        self.move(theirs, first, "first half of the columns", lambda x: _matrix(x)[:, :half].clone())
        self.move(theirs, second, "second half of the columns", lambda x: _matrix(x)[:, half:].clone())


def _matrix(x: Tensor) -> Tensor:
    return x.flatten(1) if x.ndim > 2 else x


def _pointnet(read: Reader) -> None:
    for net, ours in (("stn", "input_transform"), ("fstn", "feature_transform")):
        for i, layer in ((1, "points.0"), (2, "points.1"), (3, "pool.layer")):
            read.normed(f"feat.{net}.conv{i}", f"feat.{net}.bn{i}", f"{ours}.{layer}")
        for i, place in ((1, 0), (2, 3)):
            read.move(f"feat.{net}.fc{i}.weight", f"{ours}.head.{place}.weight")
            read.norm(f"feat.{net}.bn{i + 3}", f"{ours}.head.{place + 1}", f"feat.{net}.fc{i}.bias")
        read.linear(f"feat.{net}.fc3", f"{ours}.head.6")
    for i, layer in ((1, "local.0"), (2, "hidden.0"), (3, "pool.layer")):
        read.normed(f"feat.conv{i}", f"feat.bn{i}", layer)


def _dgcnn(read: Reader) -> None:
    for i in range(1, 5):
        read.normed(f"conv{i}.0", f"conv{i}.1", f"edges.{i - 1}")
    read.normed("conv5.0", "conv5.1", "pool.layer")


def _pcn(read: Reader) -> None:
    read.linear("feat.conv1", "local.0")
    read.linear("feat.conv2", "local.2")
    read.split("feat.conv3.weight", "hidden.weight", "context.weight")
    read.move("feat.conv3.bias", "hidden.bias")
    read.linear("feat.conv4", "pool")


def _point_mae(read: Reader) -> None:
    theirs = "MAE_encoder"
    read.normed(f"{theirs}.encoder.first_conv.0", f"{theirs}.encoder.first_conv.1", "patch.first")
    read.linear(f"{theirs}.encoder.first_conv.3", "patch.lift")
    read.split(f"{theirs}.encoder.second_conv.0.weight", "patch.context.weight", "patch.second.linear.weight")
    bias = f"{theirs}.encoder.second_conv.0.bias"
    read.norm(f"{theirs}.encoder.second_conv.1", "patch.second.norm", bias)
    read.linear(f"{theirs}.encoder.second_conv.3", "patch.out")
    for i in (0, 2):
        read.linear(f"{theirs}.pos_embed.{i}", f"encoder.place.{i}")
    for i in range(sum(name.endswith(".attn.qkv.weight") for name in read.tensors)):
        block, ours = f"{theirs}.blocks.blocks.{i}", f"encoder.blocks.{i}"
        read.move(f"{block}.attn.qkv.weight", f"{ours}.qkv.weight")
        names = (("norm1", "norm1"), ("norm2", "norm2"), ("attn.proj", "project"))
        for a, b in (*names, ("mlp.fc1", "network.0"), ("mlp.fc2", "network.2")):
            read.linear(f"{block}.{a}", f"{ours}.{b}")
    read.linear(f"{theirs}.norm", "encoder.norm")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one project names the weights of its encoder."""

    source: str
    """The repository, and what it is."""
    config: BackboneConfig
    """Our network of the same function; settings that leave no trace in the file (k, heads) are the project's own."""
    read: Callable[[Reader], None]
    may_miss: tuple[str, ...] = ()
    """Parts of ours that some files of the layout do not have, and whose start does nothing."""


LAYOUTS: dict[str, Layout] = {
    "pointnet": Layout(
        source="yanx27/Pointnet_Pointnet2_pytorch and fxia22/pointnet.pytorch, classification, coordinates alone",
        config=PointNetConfig(transforms=True),
        read=_pointnet,
        may_miss=("feature_transform.",),  # its last layer starts at zero, so it is the identity
    ),
    "dgcnn": Layout(
        source="WangYueFt/dgcnn and AnTao97/dgcnn.pytorch, classification, 1,024 points",
        config=DGCNNConfig(k=20, pooling="max_mean"),
        read=_dgcnn,
    ),
    "occo-pointnet": Layout(
        source="hansen7/OcCo, PointNet",
        config=PointNetConfig(transforms=True),
        read=_pointnet,
        may_miss=("feature_transform.",),
    ),
    "occo-pcn": Layout(source="hansen7/OcCo, PCN", config=PCNConfig(), read=_pcn),
    "occo-dgcnn": Layout(source="hansen7/OcCo, DGCNN", config=DGCNNConfig(k=20), read=_dgcnn),
    "crosspoint": Layout(
        source="MohamedAfham/CrossPoint, DGCNN", config=DGCNNConfig(k=15, pooling="max_mean"), read=_dgcnn
    ),
    "point-mae": Layout(source="Pang-Yatian/Point-MAE, pre-trained", config=PatchTransformerConfig(), read=_point_mae),
}
"""Layouts by name."""


def load_public(path: Path | str, layout: str, config: BackboneConfig | None = None) -> tuple[Backbone, KeyReport]:
    """Return our network with the weights of another project's file, in evaluation mode, and what became of each name.

    `config` replaces the layout's own where the file is of other widths. Raises `SettingError` for an unknown layout,
    `RunError` for a file that cannot be read, holds none of the names, or not all of them, or of other shapes.
    """
    if layout not in LAYOUTS:
        raise SettingError(f"there is no layout '{layout}'{nearest(layout, LAYOUTS)}")
    kind = LAYOUTS[layout]
    tensors = read_public(path)
    read = Reader(tensors)
    kind.read(read)
    if not read.used:
        known = {name: _names(other, tensors) for name, other in LAYOUTS.items()}
        fitting = [name for name, count in known.items() if count == max(known.values()) > 0]
        hint = f"; it looks like {' or '.join(fitting)}" if fitting else ""
        begins = ", ".join(list(tensors)[:3]) or "nothing"
        raise RunError(f"{path} holds no name of the layout {layout} ({kind.source}); it begins with {begins}{hint}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # what the file does not have is the same on every call
        network = build_backbone(config or kind.config)
    wanted = network.state_dict()
    missing = tuple(name for name in wanted if name not in read.found)
    free = {name: wanted[name] for name in missing if name.startswith(kind.may_miss)}
    # Counters of batches came to torch's norms late, and change no value.
    free |= {name: wanted[name] for name in missing if name.endswith("num_batches_tracked")}
    problem = key_report(wanted, {**free, **read.found})
    if problem:
        raise RunError(f"{path} does not fill the network of the layout {layout}: {problem}; is it of other settings?")
    network.load_state_dict({**free, **read.found})
    taken = {theirs for theirs, _, _ in read.used}
    rest = [name for name in tensors if name not in taken]
    repeated = tuple(name for name in rest if _repeats(name, taken, tensors))
    not_used = tuple(name for name in rest if name not in repeated)
    return network.eval(), KeyReport(tuple(read.used), repeated, not_used, missing)


def import_public(
    path: Path | str, layout: str, folder: Path | str, config: BackboneConfig | None = None, points: int = 1024
) -> KeyReport:
    """Write another project's encoder as an encoder folder, which every command takes; return what became of each name.

    Its record says where it is from. Raises what `load_public` raises, and `RunError` where `folder` exists.
    """
    network, report = load_public(path, layout, config)
    assert network.config is not None
    settings = PretrainConfig(
        method=Passed(class_name=f"weights of {LAYOUTS[layout].source}"),
        backbone=network.config,
        data=DataConfig(reading=ReadConfig(points=points)),
    )
    told = {"layout": layout, "file": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
    save_pretrained(network, folder, config=settings, record={"imported": told | {"names": str(report).splitlines()}})
    return report


def _names(layout: Layout, tensors: Mapping[str, Tensor]) -> int:
    read = Reader(tensors)
    layout.read(read)
    return len(read.used)


def _repeats(name: str, taken: set[str], tensors: Mapping[str, Tensor]) -> bool:
    """Tell whether a tensor is another one by a second name: `bn1.weight` beside `conv1.1.weight`."""
    kind, value = name.rpartition(".")[2], tensors[name]
    others = (tensors[other] for other in taken if other.endswith(f".{kind}"))
    return any(value.shape == other.shape and torch.equal(value, other) for other in others)
