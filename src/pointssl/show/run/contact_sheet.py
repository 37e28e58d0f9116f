"""Contact sheets: all views of a few objects side by side, to see whether cameras and renderer do what was meant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8

from pointssl.data.views.config import ViewConfig, cameras_of
from pointssl.data.views.images import ImageFolder
from pointssl.data.views.sources import Source, names_of, renderer
from pointssl.data.views.store import StoredViews, ViewStore
from pointssl.ops.render.cameras import Cameras
from pointssl.show.page import style

KINDS: tuple[Literal["shaded", "depth", "normal"], ...] = ("shaded", "depth", "normal")
_ACROSS = 12
"""Views side by side; more go on in the next line."""
_SIDE = 0.8
"""Inches per view."""
_GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One object's views."""

    title: str
    rows: Sequence[tuple[str, UInt8[np.ndarray, "v _ h w"]]]
    """What a row shows, and its pictures; all rows have equally many of one size."""
    columns: Sequence[str]
    """What stands under each view."""


def render_strips(source: Source, indices: Sequence[int], config: ViewConfig) -> list[Strip]:
    """Return strips of some objects of a source, in all three kinds, whatever `config` says; pictures as they are.

    Raises:
        DataError: an object that cannot be rendered.
    """
    names, _ = names_of(source)
    strips = []
    for index in indices:
        name = names[index]
        if isinstance(source, ImageFolder):
            rows = [(str(source.kind), renderer(source, config)(index, name))]
            columns = [str(view) for view in range(source.count)]
        else:
            rows = [(kind, renderer(source, replace(config, kind=kind))(index, name)) for kind in KINDS]
            columns = camera_labels(cameras_of(config, name), config.up or "y")
        strips.append(Strip(title=name, rows=rows, columns=columns))
    return strips


def stored_strips(views: StoredViews, rows: Sequence[int]) -> list[Strip]:
    """Return strips of some objects of a store, in the one kind that is in it."""
    strips = []
    for row in rows:
        cameras = views.cameras(row) if isinstance(views, ViewStore) else None
        labels = [str(view) for view in range(views.count)]
        if cameras is not None and isinstance(views, ViewStore):
            labels = camera_labels(cameras, views.settings["render"]["up"])
        pictures = views.views(row, np.arange(views.count))
        strips.append(Strip(title=views.names[row], rows=[(str(views.kind), pictures)], columns=labels))
    return strips


@style.drawing()
def contact_sheet(strips: Sequence[Strip], *, name: str = "views") -> style.Picture:
    """Draw strips below each other: a line for every kind of picture, twelve views a line, angles underneath."""
    if not strips:
        raise ValueError("strips must be at least one object, got none")
    blocks = [(strip, start) for strip in strips for start in range(0, len(strip.columns), _ACROSS)]
    across = max(min(_ACROSS, len(strip.columns)) for strip in strips)
    height = sum(_SIDE * len(strip.rows) + 0.55 for strip, _ in blocks)
    figure, axes = style.new_figure(_SIDE * across + 0.9, height, len(blocks), 1)
    for one, (strip, start) in zip(axes, blocks, strict=True):
        part = slice(start, start + _ACROSS)
        tiles = [_line(pictures[part], across) for _, pictures in strip.rows]
        size = tiles[0].shape[0]
        one.imshow(np.concatenate(tiles), interpolation="nearest")
        one.set_title(strip.title if start == 0 else "", fontsize=9.5)
        one.set_yticks([size * (row + 0.5) for row in range(len(tiles))], [label for label, _ in strip.rows])
        labels = strip.columns[part]
        one.set_xticks([size * (view + 0.5) for view in range(len(labels))], labels, fontsize=7)
        one.tick_params(length=0)
        one.grid(visible=False)
        for spine in one.spines.values():
            spine.set_visible(False)
    alt = f"Rendered views of {len(strips)} objects: {', '.join(strip.title for strip in strips[:5])}"
    return style.render(figure, name, alt)


def camera_labels(cameras: Cameras, up: str) -> list[str]:
    """Return azimuth and height of each camera in degrees."""
    place = "xyz".index(up)
    eye = torch.nn.functional.normalize(cameras.eye[0] - cameras.target[0], dim=-1)
    azimuth = torch.rad2deg(torch.atan2(eye[:, (place + 2) % 3], eye[:, (place + 1) % 3])) % 360
    height = torch.rad2deg(torch.asin(eye[:, place].clamp(-1, 1)))
    return [f"{a:.0f}°, {h:.0f}°" for a, h in zip(azimuth.tolist(), height.tolist(), strict=True)]


def _line(pictures: UInt8[np.ndarray, "v c h w"], across: int) -> UInt8[np.ndarray, "height width 3"]:
    """Put pictures side by side with thin white gaps; missing ones are white."""
    v, _, h, w = pictures.shape
    tiles = np.full((across, h + _GAP, w + _GAP, 3), 255, dtype=np.uint8)
    tiles[:v, :h, :w] = np.broadcast_to(pictures.transpose(0, 2, 3, 1), (v, h, w, 3))
    line: UInt8[np.ndarray, "height width 3"] = tiles.transpose(1, 0, 2, 3).reshape(h + _GAP, across * (w + _GAP), 3)
    return line
