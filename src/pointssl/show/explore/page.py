"""The explorer's page: one HTML file that opens offline, made of an atlas, a style sheet and a script.

The script is built from the sources `viewer/src/explore-*.ts`.
"""

import json
from html import escape
from importlib import resources
from typing import Any

import numpy as np

from pointssl.errors import SettingError
from pointssl.show.explore.atlas import Atlas, View
from pointssl.show.page import style
from pointssl.show.page.block import Block

MOST_BYTES = 25 * 2**20
"""A larger page opens slowly and is refused by mail and chat."""
POINTS = (64, 512)
"""Fewest and most points of each cloud that a page carries."""
_BYTES_PER_SHAPE = 260
"""What a shape takes without its points: its names, places, neighbours, distances, in base64."""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def points_that_fit(shapes: int) -> int:
    """Return how many points of each cloud a page of so many shapes can carry.

    Raises:
        SettingError: not even `POINTS[0]`.
    """
    room = (MOST_BYTES / max(shapes, 1) - _BYTES_PER_SHAPE) / (3 * 4 / 3)
    if room < POINTS[0]:
        most = int(MOST_BYTES / (POINTS[0] * 4 + _BYTES_PER_SHAPE))
        raise SettingError(
            f"{shapes:,} shapes are too many for one page of {MOST_BYTES // 2**20} MB; draw {most:,} of them (--sample "
            f"{most}), or look at all of them with --serve"
        )
    return int(min(room, POINTS[1]))


def explore_page(atlas: Atlas, *, served: bool = False) -> str:
    """Return the page; with `served` it asks the server that it came from for the points of shapes in view."""
    title = f"{atlas.title}: {len(atlas.names):,} shapes"
    policy = _POLICY + ("; connect-src 'self'" if served else "")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{_asset("explore.css")}</style>
</head>
<body>
<div id="explorer"><p class="missing">The map needs JavaScript.</p></div>
<script type="application/json" id="atlas">{payload(atlas, served=served)}</script>
<script>{_asset("explore.js")}</script>
</body>
</html>
"""


def payload(atlas: Atlas, *, served: bool = False) -> str:
    """Return the atlas as JSON that is safe inside a `<script>` element."""
    block = Block()
    told: dict[str, Any] = {
        "title": atlas.title,
        "count": len(atlas.names),
        "up": atlas.up,
        "names": atlas.names,
        "origins": _shortened(atlas.origins),
        "classes": atlas.classes,
        "label": block.add(atlas.label, "int16"),
        "perShape": int(atlas.points.shape[1]),
        "points": None if served else block.add(atlas.points.reshape(-1), "int8"),
        "stored": block.add(atlas.stored, "uint32"),
        "size": block.add(atlas.size, "float32"),
        "cluster": block.add(atlas.cluster, "int16"),
        "clusterNames": atlas.cluster_names,
        "copies": atlas.copies,
        "split": atlas.split,
        "colours": style.part_colours(24),
        "ramp": style.near_to_far(),
        "views": [_view(view, block) for view in atlas.views],
    }
    told["block"] = block.text()
    return json.dumps(told, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")


def _view(view: View, block: Block) -> dict[str, Any]:
    maps = [
        {"title": one.title, "note": one.note, "places": block.add(_on_paper(one.places), "uint16")}
        for one in view.maps
    ]
    return {
        "name": view.name,
        "maps": maps,
        "near": block.add(np.where(view.places < 0, 2**32 - 1, view.places), "uint32"),
        "far": block.add(view.distances, "float32"),
        "odd": [[place, round(distance, 4)] for place, distance in view.odd],
        "predicted": None if view.predicted is None else block.add(view.predicted, "int16"),
    }


def _on_paper(places: np.ndarray) -> np.ndarray:
    """Return places in 0 to 65,535 with one scale for both axes, in the middle of the paper."""
    low, high = places.min(axis=0), places.max(axis=0)
    scale = 65535 / max(float((high - low).max()), 1e-12)
    return np.asarray(np.clip(np.rint((places - (low + high) / 2) * scale + 32767), 0, 65535))


def _shortened(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Return origins without the folder that all share: a page is passed on, and tells of no machine."""
    folders = {origin.rpartition("/")[0] for origin in origins}
    shared = min(folders, key=len, default="")
    while shared and not all(folder == shared or folder.startswith(f"{shared}/") for folder in folders):
        shared = shared.rpartition("/")[0]
    return tuple(origin[len(shared) + 1 :] if shared else origin for origin in origins)


def _asset(name: str) -> str:
    found = resources.files("pointssl.show").joinpath(f"assets/{name}")
    if not found.is_file():
        raise RuntimeError(f"assets/{name} is missing from pointssl.show; run `npm ci && npm run build` in viewer/")
    return found.read_text(encoding="utf-8")
