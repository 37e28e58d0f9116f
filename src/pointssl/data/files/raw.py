"""Bare float32 in `.bin`: KITTI's sweeps of four columns, nuScenes' of five, and others whose columns the user states.

Such files say nothing about themselves, and any bytes can be read as numbers. The width that is assumed is compared
with all others: numbers in one column are alike (in size, in being whole, in lying between 0 and 1), and they are not
where rows are cut at the wrong places.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pointssl.data.files.cloud import Array
from pointssl.data.files.columns import Meaning, Reading, by_layout, by_order
from pointssl.data.files.kinds import NUSCENES, contents, kind_of

KITTI = ("x", "y", "z", "intensity")
NUSCENES_COLUMNS = ("x", "y", "z", "intensity", "_")
"""The last is the number of the ring, from 0 to 31."""

SIGHT = 1e4
"""Metres; no laser sees further."""

FAINT = 1e-30
"""What lies closer to zero was never measured: a small whole number has such bits."""

LEAST = 400
"""Numbers from which on their widths can be compared."""

_BETTER = 0.6
"""Part of the spread in columns that another width must get below to be believed instead."""


def read_raw(path: Path, columns: Sequence[str] | None = None) -> Reading:
    """Return one sweep; the classes in a SemanticKITTI `.label` of the same name, if there is one, are its `part`."""
    numbers = contents(path)
    width = len(columns or (NUSCENES_COLUMNS if kind_of(path) == NUSCENES else KITTI))
    fitting = [w for w in range(3, 13) if len(numbers) % (4 * w) == 0]
    if len(numbers) % (4 * width):
        others = f"; rows of {' or '.join(map(str, fitting))} would fit" if fitting else ""
        raise ValueError(f"its {len(numbers)} bytes are not rows of {_word(width)} float32{others}: say --columns")
    flat = np.frombuffer(numbers, "<f4")
    table = flat.reshape(-1, width)
    if columns is not None:
        return by_order(table, columns)
    if buffer_of(path) is not None:
        raise ValueError(f"it is the buffer of {buffer_of(path)}, and no scan")
    if not np.isfinite(table).all() or np.abs(table[:, :3]).max(initial=0) > SIGHT:
        raise ValueError("its numbers are not a scan in metres (x, y, z, reflectance as float32)")
    if (np.abs(flat[flat != 0]) < FAINT).mean() > 0.01:
        raise ValueError("its numbers are not float32: they are all but zero, as whole numbers look when read so")
    better = likelier_width(flat, width)
    if better is not None:
        raise ValueError(
            f"it does not look like rows of {_word(width)} float32 but of {_word(better)}: say what they are, "
            f"such as --columns {','.join([*KITTI, *'_' * 9][:better])}"
        )
    if table[:, 3:].min(initial=0) < 0 or (table[:, 4:] != np.round(table[:, 4:])).any():
        raise ValueError("its fourth column is no reflectance, or its fifth no ring: say --columns")
    layout = NUSCENES_COLUMNS if width == 5 else KITTI
    read = by_layout(table, layout, f"the order of {'nuScenes' if width == 5 else 'KITTI'}'s sweeps")
    return _with_labels(path, read)


def likelier_width(flat: Array, width: int) -> int | None:
    """Return a number of columns whose values are much more alike within columns than with `width`, or None."""
    if len(flat) < LEAST:
        return None
    scores = {other: _spread(flat, other) for other in range(3, 13)}
    best = next(other for other, score in scores.items() if score <= 1.2 * min(scores.values()))
    return best if scores[best] < _BETTER * scores[width] else None


def _spread(flat: Array, width: int) -> float:
    """Return how much numbers of one column differ in size and kind, averaged over the columns."""
    rows = flat[: len(flat) // width * width].reshape(-1, width)[:20000].astype(np.float64)
    size = np.log10(np.abs(rows) + 1e-3)
    kinds = (size, rows < 0, rows == np.round(rows), (rows >= 0) & (rows <= 1))
    return float(sum(kind.astype(np.float64).var(axis=0).mean() for kind in kinds))


def buffer_of(path: Path) -> str | None:
    """Return the name of the glTF that a `.bin` belongs to: one beside it, or one in the folder above that names it."""
    beside = next(iter(sorted(path.parent.glob("*.gltf"))), None)
    if beside is not None:
        return beside.name
    for above in sorted(path.parent.parent.glob("*.gltf")):
        if path.name in above.read_text(encoding="utf-8", errors="replace"):
            return above.name
    return None


def _with_labels(path: Path, read: Reading) -> Reading:
    beside = path.with_suffix(".label")
    if not beside.is_file() and path.parent.name == "velodyne":
        beside = path.parent.parent / "labels" / beside.name
    if not beside.is_file():
        return read
    labels = np.fromfile(beside, "<u4")
    if len(labels) != len(read.xyz):
        raise ValueError(f"{beside.name} has {len(labels)} labels for its {len(read.xyz)} points")
    part = (labels & 0xFFFF).astype(np.int32)[:, None]  # the upper half is the number of the object
    meaning = Meaning(beside.name, "part", "SemanticKITTI: the lower 16 bits are the class")
    return Reading(read.xyz, read.channels | {"part": part}, (*read.meanings, meaning))


def _word(number: int) -> str:
    words = {3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
    return words.get(number, str(number))
