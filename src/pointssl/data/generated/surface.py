"""Points spread evenly over the outside of solids that reach into one another.

Points are drawn on every part by its area, those inside another part are rejected, and of those that are left as many
as asked for are taken. All of it for many shapes at once, in float32. `Solids` is what the parts have to offer.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt64

from pointssl.data.generated.details import Cut, Field
from pointssl.data.generated.poses import Poses
from pointssl.data.synthetic.mesh import Mesh, joined
from pointssl.ops import counter_random

_MORE = 2
"""How many times more candidates shapes get that were left with too few."""

_BLOCK = 1 << 15
"""Candidates that are worked on at once: what fits into a core's own memory."""


@runtime_checkable
class Solids(Protocol):
    """The parts of several shapes; in its own frame a part lies within the cube from -1 to 1 around its middle."""

    poses: Poses
    cut: Cut | None
    """What is taken away from them."""
    field: Field | None
    """Heights of their surfaces."""
    oversampling: float
    """Candidates for each point asked for, with which most shapes have enough left."""

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Solids":
        """Return some of the shapes."""

    def level(self, k: int, local: Float32[np.ndarray, "b 3 n"]) -> Float32[np.ndarray, "b n"]:
        """Return, for points in the frame of part `k` of the first b shapes, below 1 inside, 1 on it, above outside."""

    def patches(self) -> Float32[np.ndarray, "b k p"]:
        """Return how often to draw from each patch of each part: its area over the share that is kept."""

    def place(
        self, number: Int64[np.ndarray, " p"], first: Float32[np.ndarray, " m"], second: Float32[np.ndarray, " m"]
    ) -> tuple[Float32[np.ndarray, "3 m"], Float32[np.ndarray, " m"]]:
        """Return points on parts, in their frames, from two numbers in [0, 1), and the share of each to keep.

        `number` points lie on each of `patches()`, one patch after the other.
        """

    def outward(self, patch: Int64[np.ndarray, " m"], unit: Float32[np.ndarray, "3 m"]) -> Float32[np.ndarray, "3 m"]:
        """Return the normals, in the parts' frames, at points on them; not of length 1."""


class Surface(NamedTuple):
    """Points on the outside of shapes, in the frame in which they were assembled."""

    points: Float32[np.ndarray, "b n 3"]
    normals: Float32[np.ndarray, "b n 3"] | None
    """Of length 1, away from the part that a point lies on; where asked for."""
    part: Int32[np.ndarray, "b n"]
    """The part that a point lies on."""


def surface(solids: Solids, key: UInt64[np.ndarray, " b"], points: int, *, normals: bool = False) -> Surface:
    """Return `points` points on the outside of every shape, drawn by its own `key` whatever else is in the batch."""
    shapes, candidates = len(key), int(solids.oversampling * points) + 64
    result = Surface(
        points=np.empty((shapes, points, 3), dtype=np.float32),
        normals=np.empty((shapes, points, 3), dtype=np.float32) if normals else None,
        part=np.empty((shapes, points), dtype=np.int32),
    )
    # Most parts first, so that the shapes that have a part k are always the first ones of a block.
    rows = np.argsort(-solids.poses.parts, kind="stable")
    round_ = 0
    while len(rows):
        at_once, short = max(1, _BLOCK // candidates), []
        for start in range(0, len(rows), at_once):
            block = rows[start : start + at_once]
            enough, part = _block(
                solids.take(block), counter_random.stream(key[block], round_), points, candidates, normals
            )
            done = block[enough]
            result.points[done], result.part[done] = part.points, part.part
            if result.normals is not None and part.normals is not None:
                result.normals[done] = part.normals
            short.append(block[~enough])
        rows, candidates, round_ = np.concatenate(short), candidates * _MORE, round_ + 1
    return result


def _block(
    solids: Solids, key: UInt64[np.ndarray, " b"], points: int, candidates: int, normals: bool
) -> tuple[Bool[np.ndarray, " b"], Surface]:
    """Draw candidates for a few shapes; return which had enough of them left, and the points of those."""
    poses, shapes = solids.poses, len(key)
    chance = counter_random.uniform_triples(key, candidates)
    number = _allot(solids.patches(), poses.parts, _one(key, 1), candidates)
    unit, kept = solids.place(number.ravel(), chance.first.ravel(), chance.second.ravel())
    alive = chance.third < kept.reshape(shapes, candidates)
    flat = _to_world(poses, number.sum(axis=2).ravel(), unit)
    world = flat.reshape(3, shapes, candidates).swapaxes(0, 1)
    place = np.broadcast_to(np.arange(number.shape[1], dtype=np.uint8)[None, :, None], number.shape)
    own = np.repeat(place.ravel(), number.ravel()).reshape(shapes, candidates)
    cut = np.full(shapes, -1) if solids.cut is None else solids.cut.place
    on_cut = None if solids.cut is None else own == cut[:, None]
    inside_some = np.zeros_like(alive)
    for k in range(int(poses.parts.max())):
        there = int((poses.parts > k).sum())
        # Its transpose takes the world into the part's frame.
        turn = poses.turn[:there, k] / poses.half[:there, k, None]
        local = turn.swapaxes(1, 2) @ world[:there]
        local -= np.einsum("bij,bi->bj", turn, poses.move[:there, k])[..., None]
        outside = solids.level(k, local) >= 1
        if on_cut is None:
            alive[:there] &= outside | (own[:there] == k)
        else:  # what is cut away is seen where it lies inside of a part, whose own surface is gone there
            inside_some[:there] |= ~outside & (cut[:there, None] != k)
            alive[:there] &= outside | (own[:there] == k) | on_cut[:there]
    if on_cut is not None:
        alive &= ~on_cut | inside_some
    left = np.count_nonzero(alive, axis=1)
    enough = left >= points
    rows = np.flatnonzero(enough)
    chosen = _choose(alive, left, rows, points, _one(key, 2))
    at = (chosen + rows[:, None] * candidates).ravel()
    drawn = np.stack([axis.take(at) for axis in flat], axis=-1).reshape(len(rows), points, 3)
    direction = None
    if normals or solids.field is not None:
        patch = np.repeat(np.arange(number.size), number.ravel())[at]
        owner, local = patch // number.shape[2], unit[:, at]
        facing = _turned(poses, owner, solids.outward(patch, local))
        if solids.cut is not None:  # a hollow looks into what was cut away
            shape, k = np.divmod(owner, number.shape[1])
            facing *= np.where(cut[shape] == k, np.float32(-1), np.float32(1))
        if solids.field is not None:
            lift, facing = _raised(poses, solids.field, owner, local, facing)
            drawn += lift.T.reshape(drawn.shape)
        direction = facing.T.reshape(drawn.shape) if normals else None
    return enough, Surface(drawn, direction, own.ravel().take(at).reshape(len(rows), points).astype(np.int32))


def _one(key: UInt64[np.ndarray, " b"], stream: int) -> Float32[np.ndarray, " b"]:
    return counter_random.uniform(counter_random.stream(key, stream), 1)[:, 0]


def _allot(
    weight: Float32[np.ndarray, "b k p"],
    count: Int64[np.ndarray, " b"],
    offset: Float32[np.ndarray, " b"],
    candidates: int,
) -> Int64[np.ndarray, "b k p"]:
    """Return how many candidates each patch gets: as many as its weight says, to within one, from a random start."""
    used = np.arange(weight.shape[1]) < count[:, None]
    total = np.cumsum((weight * used[..., None]).reshape(len(weight), -1), axis=1, dtype=np.float64)
    upto = np.floor(total / total[:, -1:] * candidates + offset[:, None]).astype(np.int64)
    number: Int64[np.ndarray, "b k p"] = np.diff(np.minimum(upto, candidates), axis=1, prepend=0).reshape(weight.shape)
    return number


def _to_world(
    poses: Poses, number: Int64[np.ndarray, " p"], unit: Float32[np.ndarray, "3 m"]
) -> Float32[np.ndarray, "3 m"]:
    """Return points in the frame of the assembly, from `number` points in the frame of each part."""
    matrix = (poses.turn * poses.half[..., None, :]).reshape(-1, 3, 3)
    world = np.stack([np.repeat(along, number) for along in poses.move.reshape(-1, 3).T])
    for row in range(3):
        for column in range(3):
            world[row] += np.repeat(matrix[:, row, column], number) * unit[column]
    return world


def _turned(
    poses: Poses, owner: Int64[np.ndarray, " m"], normal: Float32[np.ndarray, "3 m"]
) -> Float32[np.ndarray, "3 m"]:
    """Return normals of length 1 in the frame of the assembly from normals in the frames of their parts."""
    turned = np.einsum("mij,jm->im", (poses.turn / poses.half[..., None, :]).reshape(-1, 3, 3)[owner], normal)
    unit: Float32[np.ndarray, "3 m"] = turned / np.sqrt(np.square(turned).sum(axis=0))
    return unit


def _raised(
    poses: Poses,
    field: Field,
    owner: Int64[np.ndarray, " m"],
    unit: Float32[np.ndarray, "3 m"],
    facing: Float32[np.ndarray, "3 m"],
) -> tuple[Float32[np.ndarray, "3 m"], Float32[np.ndarray, "3 m"]]:
    """Return what points move by, along their normals, and the normals of the surface that they come to lie on."""
    height, slope = field.at(*np.divmod(owner, poses.half.shape[1]), unit)
    # The slope is along the axes of a part; a step in the assembly is a step there over the half-axes.
    uphill = np.einsum("mij,jm->im", (poses.turn / poses.half[..., None, :]).reshape(-1, 3, 3)[owner], slope)
    tilted = facing - (uphill - facing * (uphill * facing).sum(axis=0))
    return height * facing, tilted / np.sqrt(np.square(tilted).sum(axis=0))


def _choose(
    alive: Bool[np.ndarray, "b m"],
    left: Int64[np.ndarray, " b"],
    rows: Int64[np.ndarray, " r"],
    points: int,
    offset: Float32[np.ndarray, " b"],
) -> Int64[np.ndarray, "r n"]:
    """Return the places of `points` of the candidates that are left in `rows`, all equally likely, in mixed order.

    Every (left / points)th is taken, from a random start: the parts keep their shares to within a point. The order is
    then mixed by one permutation, the same for all, so that the first points of a cloud come from everywhere.
    """
    order = np.random.default_rng(0).permutation(points)
    rank = np.floor((order + np.float64(offset[rows, None])) * (left[rows, None] / points)).astype(np.int64)
    place = np.flatnonzero(alive[rows]) % alive.shape[1]
    first = np.cumsum(left[rows]) - left[rows]
    chosen: Int64[np.ndarray, "r n"] = place[np.minimum(rank, left[rows, None] - 1) + first[:, None]]
    return chosen


def placed(poses: Poses, parts: Sequence[Mesh]) -> Mesh:
    """Return the parts of the first shape as one mesh, each given in its own frame."""
    matrix = poses.turn[0] * poses.half[0, :, None, :]
    return joined([Mesh(part.vertices @ matrix[k].T + poses.move[0, k], part.faces) for k, part in enumerate(parts)])
