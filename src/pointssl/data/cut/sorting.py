"""The points of a scan sorted into blocks through files, because neither the scan nor its blocks may fit into memory.

First all points are counted block by block, and the blocks are shared out to shards of bounded size. Then each point is
appended to the file of its shard. Last, each shard is read and sorted.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointssl.data.cut.grid import Grid, pack
from pointssl.data.files.chunks import Chunk, Scan
from pointssl.data.files.columns import channels_by_name
from pointssl.data.files.isolation import stream

SHARD_POINTS = 1 << 21
"""Points of a shard, unless a single block has more: some 100 MB while it is written."""

_COLORS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a first reading finds out about a scan."""

    blocks: dict[int, int]
    """Points in each block, by its number, in rising order."""
    points: int
    floor: float
    """The lowest z."""
    bright: float
    """The largest value of a colour: it tells 8 bits from 16, of the whole file as of each block."""
    empty: list[str]
    """Columns that are zero throughout."""


def survey(scan: Scan, grid: Grid, told: Callable[[int], None]) -> Survey:
    """Read a scan once and count."""
    counts: Counter[int] = Counter()
    floor, bright = np.inf, 0.0
    points, filled = 0, set[str]()
    names: dict[str, None] = {}
    for chunk in stream(Scan.chunks, scan.path, scan):
        keys, found = np.unique(pack(grid.members(_plane(chunk))[1]), return_counts=True)
        counts.update(dict(zip(keys.tolist(), found.tolist(), strict=True)))
        names |= dict.fromkeys(chunk.columns)
        filled |= {name for name, values in chunk.columns.items() if values.any()}
        if len(chunk.rows):
            floor = min(floor, float(chunk.columns["z"].min()))
            bright = max([bright, *(float(chunk.columns[name].max()) for name in _COLORS if name in chunk.columns)])
        points += len(chunk.rows)
        told(len(chunk.rows))
    if points == 0:
        raise ValueError("it holds no points")
    blocks = dict(sorted(counts.items()))
    empty = sorted(set(names) - filled - {"x", "y", "z"})
    return Survey(blocks=blocks, points=points, floor=floor, bright=bright, empty=empty)


def share_out(blocks: dict[int, int]) -> list[list[int]]:
    """Return the blocks of each shard, in their order."""
    shards: list[list[int]] = []
    held = SHARD_POINTS
    for key, count in blocks.items():
        if held + count > SHARD_POINTS:
            shards.append([])
            held = 0
        shards[-1].append(key)
        held += count
    return shards


def spill(
    scan: Scan, grid: Grid, found: Survey, shards: dict[Path, list[int]], form: Path, told: Callable[[int], None]
) -> None:
    """Append every point to the files of the shards that its blocks belong to; `form` says how their rows are made."""
    files = list(shards)
    owner = {key: place for place, keys in enumerate(shards.values()) for key in keys}
    known = np.array(sorted(owner), dtype=np.int64)
    of = np.array([owner[key] for key in known.tolist()], dtype=np.int64)
    for file in (*files, form):
        file.unlink(missing_ok=True)
    for chunk in stream(Scan.chunks, scan.path, scan):
        table = _table(chunk, found)
        if not form.exists():
            np.save(form, table[:0], allow_pickle=False)
        rows, cells = grid.members(_plane(chunk))
        keys = pack(cells)
        place = np.searchsorted(known, keys)
        mine = (place < len(known)) & (known[np.minimum(place, len(known) - 1)] == keys)
        rows, keys, shard = rows[mine], keys[mine], of[place[mine]]
        for number in np.unique(shard).tolist():
            own = shard == number
            block = table[rows[own]]
            block["block"] = keys[own]
            with files[number].open("ab") as out:
                out.write(block.tobytes())
        told(len(chunk.rows))


def blocks_in(file: Path, form: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the blocks of a shard's file with the rows of their points, which keep the order of the scan."""
    table = np.fromfile(file, np.load(form, allow_pickle=False).dtype)
    table = table[np.lexsort((table["row"], table["block"]))]
    keys, starts = np.unique(table["block"], return_index=True)
    yield from zip(keys.tolist(), np.split(table, starts[1:]), strict=True)


def _plane(chunk: Chunk) -> NDArray[np.float64]:
    return np.stack([chunk.columns["x"], chunk.columns["y"]], axis=1).astype(np.float64)


def _table(chunk: Chunk, found: Survey) -> NDArray[Any]:
    """Return one row per point: its block (yet to be filled in), its place in the file, and what it was taken for."""
    columns = {name: values for name, values in chunk.columns.items() if name not in found.empty}
    columns |= {name: columns[name] / _brightest(columns[name], found) for name in _COLORS if name in columns}
    xyz, channels = channels_by_name(columns)
    kinds = {key: np.int32 if key == "part" else np.float32 for key in channels}
    form: list[Any] = [("block", np.int64), ("row", np.int64), ("xyz", np.float64, 3)]
    form += [(key, kinds[key], values.shape[1:]) for key, values in channels.items()]
    table = np.zeros(len(chunk.rows), form)
    table["row"], table["xyz"] = chunk.rows, xyz
    for key, values in channels.items():
        table[key] = values
    return table


def _brightest(values: NDArray[Any], found: Survey) -> np.float32:
    """Return what full brightness is stored as."""
    if values.dtype.kind == "f" and found.bright <= 1:
        return np.float32(1)
    return np.float32(255 if found.bright <= 255 else 65535)
