"""Rotation3D: the cloud is turned by one of a few fixed rotations; which?

Source: O. Poursaeed, T. Jiang, H. Qiao, N. Xu, V. G. Kim, "Self-supervised Learning of Point Clouds via Orientation
Estimation", 3DV 2020; 6 and 18 rotations as in its code, 32 and 54 by a construction of ours
(docs/methods/rotation3d.md).
"""

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput

_JUDGED = 2000
"""Clouds after which an accuracy is told from chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation3DConfig(MethodConfig):
    """Settings of the orientation task."""

    rotations: Literal[6, 18, 32, 54] = 18
    """Size of the set of rotations, which are the classes."""
    hidden: tuple[int, ...] = (512, 256)
    """Widths of the classifier between the pooled feature and the rotations."""
    jitter: float = 0.01
    """Noise on every coordinate, in cloud radii."""

    def __post_init__(self) -> None:
        require_finite(self)
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden must be positive widths, at least one, got {self.hidden}")
        if self.jitter < 0:
            raise ValueError(f"jitter must be at least 0, got {self.jitter}")


@final
class Rotation3D(PretextMethod):
    """The loss is in nats; clouds must be aligned, for a set that was turned already has nothing to find."""

    figures: ClassVar = (Figure("accuracy", "Rotations recognised", "share of clouds"),)
    table: Tensor
    tally: Tensor

    def __init__(self, backbone: Backbone, config: Rotation3DConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.head = mlp((backbone.pooled_dim, *config.hidden, config.rotations))
        self.register_buffer("table", rotation_set(config.rotations), persistent=False)
        self.register_buffer("tally", torch.zeros(2, dtype=torch.float64))  # clouds, and those that were right

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch, each cloud under a rotation of its own."""
        draws = Draws.of_process(generator, len(batch.xyz))
        label = (draws.uniform() * self.config.rotations).long().clamp_max(self.config.rotations - 1)
        label = label.to(batch.xyz.device)
        turned = batch.xyz @ self.table[label].mT
        if self.config.jitter:
            turned = augment(turned, AugmentConfig(jitter=self.config.jitter), draws)
        logits: Tensor = self.head(self.backbone(turned).pooled)
        with torch.autocast(logits.device.type, enabled=False):
            loss = torch.nn.functional.cross_entropy(logits.float(), label)
        right = logits.detach().argmax(dim=1) == label
        if self.training:
            self.tally += torch.stack([torch.ones_like(right).sum(), right.sum()])
        return StepOutput(loss=loss, logs={"accuracy": right.float().mean()})

    def warning(self) -> str | None:
        """Return a line where the accuracy since the last look cannot be told from chance."""
        clouds, right = self.tally.tolist()
        if clouds < _JUDGED:
            return None
        self.tally.zero_()
        chance = 1 / self.config.rotations
        if right > clouds * chance + 3 * math.sqrt(clouds * chance * (1 - chance)):
            return None
        return (
            f"rotations are recognised no better than by chance ({right / clouds:.1%} of {clouds:.0f} clouds, chance "
            f"{chance:.1%}): this set may be rotated already; the task needs aligned clouds and no "
            "data.augment.rotation"
        )


def rotation_set(count: int) -> Float[Tensor, "r 3 3"]:
    """Return the rotations of a set, the identity first."""
    match count:
        case 6 | 18:
            degrees = [
                (0.0, 0.0),
                (90.0, 0.0),
                (180.0, 0.0),
                (270.0, 0.0),
                (0.0, 90.0),
                (0.0, -90.0),
            ]  # about x, then about z
            if count == 18:
                degrees += [((2 * label - 11) * 45.0, 0.0) for label in range(6, 10)]
                degrees += [(0.0, (2 * label - 19) * 45.0) for label in range(10, 14)]
                degrees += [(90.0, (2 * label - 27) * 45.0) for label in range(14, 18)]
            return torch.stack([_about_z(z) @ _about_x(x) for x, z in degrees]).float()
        case 32:  # corners and faces of an icosahedron
            corners = _icosahedron()
            beside = corners @ corners.mT > 0.4
            triples = [t for t in combinations(range(12), 3) if all(beside[i, j] for i, j in combinations(t, 2))]
            directions = torch.cat([corners, *(corners[list(t)].sum(dim=0, keepdim=True) for t in triples)])
        case 54:  # the small squares on the faces of a cube that is cut in three along each axis
            grid = torch.tensor(list(product((-1.0, 0, 1), (-1.0, 0, 1))), dtype=torch.float64) * 2 / 3
            sides = [grid.new_full((9, 1), sign) for sign in (1, -1)]
            directions = torch.cat(
                [torch.cat([grid[:, :axis], side, grid[:, axis:]], dim=1) for side in sides for axis in range(3)]
            )
        case _:
            raise ValueError(f"count must be 6, 18, 32 or 54, got {count}")
    directions = torch.nn.functional.normalize(directions, dim=1)
    order = directions[:, 1].argsort(descending=True)  # the y axis itself comes first
    return torch.stack([_from_y(direction) for direction in directions[order]]).float()


def _about_x(degrees: float) -> Float[Tensor, "3 3"]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float64)


def _about_z(degrees: float) -> Float[Tensor, "3 3"]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


def _from_y(direction: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Return the smallest rotation from the y axis to a direction: Rodrigues' formula; half a turn about x for -y."""
    x, y, z = direction.tolist()
    if y < -1 + 1e-9:
        return _about_x(180.0)
    cross = torch.tensor([[0, -x, 0], [x, 0, z], [0, -z, 0]], dtype=torch.float64)
    turn: Tensor = torch.eye(3, dtype=torch.float64) + cross + cross @ cross / (1 + y)
    return turn


def _icosahedron() -> Float[Tensor, "12 3"]:
    """Return the corners, one of them on the y axis: two poles and two rings at heights of 1 / sqrt 5."""
    height, radius = 1 / math.sqrt(5), 2 / math.sqrt(5)
    rings = [
        (radius * math.cos(a), sign * height, radius * math.sin(a))
        for sign in (1, -1)
        for a in (2 * math.pi * k / 5 + (math.pi / 5 if sign < 0 else 0) for k in range(5))
    ]
    return torch.tensor([(0.0, 1.0, 0.0), (0.0, -1.0, 0.0), *rings], dtype=torch.float64)
