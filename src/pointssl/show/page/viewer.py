"""The data of one interactive 3D view: a small JSON header and one block of arrays (`block.py`), in a single string.

The script that reads it is built from the sources under `viewer/`.
"""

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from pointssl.show.page import style
from pointssl.show.page.block import Block
from pointssl.show.run import features, mixture
from pointssl.show.scene import INSIDE, MixtureView, ShapeView


def script() -> str:
    """Return the bundled viewer; raises RuntimeError when the package was installed without it."""
    found = resources.files("pointssl.show").joinpath("assets/viewer.js")
    if not found.is_file():
        raise RuntimeError("assets/viewer.js is missing from pointssl.show; run `npm ci && npm run build` in viewer/")
    return found.read_text(encoding="utf-8")


def pack(shapes: Sequence[ShapeView], *, up: str = "z") -> str:
    """Return the payload of a view of `shapes` as JSON that is safe inside a `<script>` element.

    Points stay float32; features are shrunk (see `features.shrink`); the iso-surface's vertices are rounded to 16 bits
    of its own box, a thousandth of a pixel on any screen.
    """
    if not shapes:
        raise ValueError("shapes must hold at least one shape to show")
    if up not in ("x", "y", "z"):
        raise ValueError(f"up must be 'x', 'y' or 'z', got {up!r}")
    block = Block()
    entries = [_shape(one, block) for one in shapes]
    components = max((len(one.mixture.weight) for one in shapes if one.mixture is not None), default=0)
    header = {
        "up": up,
        "inside": INSIDE,
        "parts": style.part_colours(components),
        "ramp": style.near_to_far(),
        "shapes": entries,
        "block": block.text(),
    }
    return json.dumps(header, allow_nan=False).replace("<", "\\u003c")


def _shape(shape: ShapeView, block: Block) -> dict[str, Any]:
    small = features.shrink(shape.features)
    marks = shape.marks
    marked = (
        {}
        if marks is None
        else {"marks": {"group": block.add(marks.group, "uint16"), "colours": marks.colours, "text": marks.text}}
    )
    return marked | {
        "name": shape.name,
        "points": block.add(shape.points, "float32"),
        "features": {
            "codes": block.add(small.codes, "uint8"),
            "step": small.step / small.unit,  # so that the browser reads multiples of the typical distance
            "width": int(shape.features.shape[1]),
            "kept": small.kept,
            "error": small.error,
        },
        "mixture": None if shape.mixture is None else _mixture(shape.mixture, block),
    }


def _mixture(view: MixtureView, block: Block) -> dict[str, Any]:
    drawn = view.drawn()
    low = view.surface.vertices.min(axis=0)
    step = max(float(np.ptp(view.surface.vertices, axis=0).max()) / 65535, np.finfo(np.float32).tiny)
    index = "uint16" if len(view.surface.vertices) <= 65536 else "uint32"
    return {
        "part": block.add(view.part, "uint16"),
        "weight": block.add(view.weight, "float32"),
        "component": block.add(drawn, "uint16"),
        "mean": block.add(view.mean[drawn], "float32"),
        "axes": block.add(mixture.ellipsoid_axes(view.cov[drawn]), "float32"),
        "level": view.level,
        "surface": {
            "vertices": block.add(np.rint((view.surface.vertices - low) / step), "uint16"),
            "faces": block.add(view.surface.faces, index),
            "low": low.tolist(),
            "step": step,
        },
    }
