"""What a run says of every point of a large scan, written back into a copy of the file.

The scan is cut into blocks (`data/cut`), each block is given to the network, and what it says of a point is averaged
over the blocks that hold it. Beside the file that is written a folder `OUT.work` holds the blocks and what was found in
each shard of them; a command that was stopped goes on from there. Memory holds a shard or a piece of the scan.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from pointssl.data.cloud import Points
from pointssl.data.cut.cut import cut
from pointssl.data.files.annotated import annotate, check_target
from pointssl.data.files.chunks import SCANS, open_scans
from pointssl.data.files.kinds import kind_of
from pointssl.data.store.dataset import PackedDataset
from pointssl.errors import DataError, Interrupted, RunError, SettingError
from pointssl.files import atomic_file, explain_full_disk, lock, write_json
from pointssl.ops.whitening import fit_whitening
from pointssl.progress import bar
from pointssl.runs.device import choose_device
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.train.point_scores import of_every_point, probabilities

NAMES = ("label", "confidence")
FITTED_BLOCKS, FITTED_POINTS = 64, 1024
"""Blocks, and points of each, that the axes of features are found on."""

Found = Callable[[Points, int], Float32[np.ndarray, "n k"]]
"""From the points of a block and its number to a row for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What was written."""

    path: Path
    points: int
    blocks: int
    parts: dict[str, int]
    """Points of every part."""


def segment(
    run: Run | Path | str,
    scan: Path | str,
    out: Path | str,
    *,
    size: float = 1.0,
    overlap: float = 0.0,
    centre: bool = True,
    votes: int = 1,
    device: str | None = None,
) -> Labelled:
    """Write a copy of a scan in which every point has its `label` and `confidence`, the probability of that label.

    Args:
        run: a run of `pointssl train` that tells points apart.
        scan: a las, laz, ply, pcd or e57 file of one scan.
        out: las or laz (of one of those) or ply; must not exist.
        size: side of the square blocks that the network is given, in the scan's units.
        overlap: what neighbouring blocks share; probabilities are averaged there.
        centre: count x and y from the middle of a block, as in rooms that were cut for S3DIS's protocol.
        votes: passes over every block.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.

    Raises:
        SettingError: an ending that cannot be written, a run that is told the class of every cloud, blocks of no size.
        DataError: no such scan, `out` exists, or a scan that is damaged.
        RunError: a run that tells no points apart, or predictions that are not finite.
        Interrupted: Ctrl-C; what is done stays for the next run.
    """
    run, scan, out = Run.open(run), Path(scan), Path(out)
    network, reading = run.segmenter(), run.reading
    if network.categories:
        raise SettingError(
            f"{run.folder} is told the class of every cloud, which a scan of many things does not have; train a run "
            "with --method.categories 0"
        )
    if len(network.parts) > 256:
        raise SettingError(f"labels are written in 8 bits, but {run.folder} has {len(network.parts)} parts")
    if votes < 1:
        raise SettingError(f"votes must be at least 1, got {votes}")
    check_source(scan, out, NAMES)
    chosen = choose_device(device)
    network.to(chosen)

    def found(xyz: Points, cloud: int) -> Float32[np.ndarray, "n k"]:
        return probabilities(network, xyz, reading, votes=votes, cloud=cloud, device=chosen)

    plan = {
        "weights": digest(network.backbone) + digest(network.head),
        "cut": [size, overlap, centre],
        "read": [reading.points, reading.normalise, votes],
    }
    counts = np.zeros(len(network.parts), dtype=np.int64)

    def columns(rows: Float32[np.ndarray, "m k"]) -> dict[str, np.ndarray]:
        best = rows.argmax(axis=1)
        counts[:] += np.bincount(best, minlength=len(counts))
        return {"label": best.astype(np.uint8), "confidence": rows.max(axis=1).astype(np.float32)}

    blocks = write_back(
        scan, out, lambda _: found, columns, len(network.parts), plan, size=size, overlap=overlap, centre=centre
    )
    named = {name: int(count) for name, count in zip(network.parts, counts, strict=True)}
    return Labelled(path=out, points=int(counts.sum()), blocks=blocks, parts=named)


def embed_points(
    run: Run | Path | str,
    scan: Path | str,
    out: Path | str,
    *,
    axes: int = 16,
    size: float = 1.0,
    overlap: float = 0.0,
    centre: bool = True,
    device: str | None = None,
) -> int:
    """Write a copy of a scan in which every point has its feature, `feature_0` and so on; return how many columns.

    The encoder's point features are standardised and turned onto their longest `axes`, found on points of up to
    `FITTED_BLOCKS` blocks that are spread evenly over the scan. Otherwise as `segment`, and raises the same.
    """
    run, scan, out = Run.open(run), Path(scan), Path(out)
    if axes < 1:
        raise SettingError(f"axes must be at least 1, got {axes}")
    encoder, reading, chosen = run.encoder(), run.reading, choose_device(device)
    width = min(axes, encoder.point_dim)
    names = tuple(f"feature_{axis}" for axis in range(width))
    check_source(scan, out, names)
    encoder.to(chosen)
    middle = size / 2 if centre else 0.0

    def say(batch: Float[Tensor, "g n 3"]) -> Float[Tensor, "g n d"]:
        made: Tensor = encoder(batch).points
        if not made.isfinite().all():
            raise RunError("the encoder's point features are NaN or infinite; its weights or these points are damaged")
        return made

    def raw(xyz: Points, cloud: int) -> Float32[np.ndarray, "n d"]:
        return of_every_point(say, xyz, reading, cloud=cloud, device=chosen)

    def prepared(store: PackedDataset) -> Found:
        some = np.unique(np.linspace(0, len(store) - 1, FITTED_BLOCKS).astype(int)).tolist()
        blocks = [from_middle(store.xyz(cloud), middle) for cloud in some]
        rows = [raw(xyz[:: max(1, len(xyz) // FITTED_POINTS)], cloud) for xyz, cloud in zip(blocks, some, strict=True)]
        try:
            turned = fit_whitening(np.concatenate(rows), axes=width, power=0.0)
        except ValueError as error:
            raise RunError(f"the encoder says the same of all points of {scan}, so there are no axes") from error
        short = width - turned.turn.shape[1]
        return lambda xyz, cloud: np.pad(turned(raw(xyz, cloud)), ((0, 0), (0, short)))

    def columns(rows: Float32[np.ndarray, "m k"]) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(rows[:, axis]) for axis, name in enumerate(names)}

    plan = {
        "weights": digest(encoder),
        "cut": [size, overlap, centre],
        "read": [reading.points, reading.normalise, width],
    }
    write_back(scan, out, prepared, columns, width, plan, size=size, overlap=overlap, centre=centre)
    return width


def from_middle(xyz: Points, middle: float) -> Points:
    """Return a block counted from its middle in x and y, which lies at `middle`."""
    return xyz - np.array([middle, middle, 0], dtype=np.float32)


def check_source(scan: Path, out: Path, names: tuple[str, ...]) -> None:
    """Refuse what cannot be read or written, before any work."""
    if not scan.is_file():
        raise DataError(f"{scan} is no file; give one scan")
    if kind_of(scan) not in SCANS:
        raise DataError(f"{scan} is of a kind that is not read as a scan; known are {' '.join(SCANS)}")
    if out.exists():
        raise DataError(f"{out} exists already; delete it or choose another name")
    check_target(scan, out, names)


def write_back(
    scan: Path,
    out: Path,
    prepared: Callable[[PackedDataset], Found],
    columns: Callable[[Float32[np.ndarray, "m k"]], dict[str, np.ndarray]],
    width: int,
    plan: Mapping[str, object],
    *,
    size: float,
    overlap: float,
    centre: bool,
) -> int:
    """Give every block of a scan to what `prepared` makes of all blocks, and write `columns` of the mean of its rows.

    Returns how many blocks there were.
    """
    work = out.with_name(f"{out.name}.work")
    try:
        scans = open_scans(scan)
    except ValueError as error:
        raise DataError(f"{scan}: {error}") from error
    if len(scans) != 1:
        raise DataError(f"{scan} holds {len(scans)} scans; give a file of one")
    with lock(out.with_name(f"{out.name}.lock"), str(out)), explain_full_disk(out.parent):
        stamp = [scan.name, scan.stat().st_size, scan.stat().st_mtime_ns]
        _prepare(work, {**plan, "scan": stamp}, out)
        try:
            if not (work / "blocks").exists():
                cut(scan, work / "blocks", size=size, overlap=overlap)
            store = PackedDataset(work / "blocks")
            files = _find(work, store, prepared, size / 2 if centre else 0.0)
            with bar(f"writing {out.name}", scans[0].count) as line, atomic_file(out) as partial:
                annotate(scans[0], partial, lambda rows: columns(_mean(files, rows, width)), line.advance)
        except KeyboardInterrupt:
            raise Interrupted("stopped; run the same command again to go on from the blocks that are done") from None
    shutil.rmtree(work)
    return len(store)


def _prepare(work: Path, plan: Mapping[str, object], out: Path) -> None:
    """Make the folder of the work, or check that what lies there is of the same work."""
    note = work / "plan.json"
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) != json.loads(json.dumps(plan)):
            raise DataError(
                f"{work} was begun by another run, scan or setting than {out} is now; delete it to start over"
            )
        return
    work.mkdir(parents=True, exist_ok=True)
    write_json(note, plan)


def _find(
    work: Path, store: PackedDataset, prepared: Callable[[PackedDataset], Found], middle: float
) -> list[tuple[Path, Path]]:
    """Give every block that is not done to the network; return the files of places and of values of each shard."""
    files, start = [], 0
    found: Found | None = None
    with bar("blocks", len(store)) as line:
        for number, shard in enumerate(store.manifest.shards):
            index, values = work / f"index-{number:05d}.npy", work / f"values-{number:05d}.npy"
            files.append((index, values))
            if not index.is_file():  # written last
                found = found or prepared(store)
                places, rows = [], []
                for cloud in range(start, start + shard.clouds):
                    block = store[cloud]
                    rows.append(found(from_middle(block.points, middle), cloud).astype(np.float16))
                    places.append(block.channels["index"][:, 0])
                    line.advance()
                order = np.argsort(np.concatenate(places), kind="stable")
                for file, array in ((values, np.concatenate(rows)), (index, np.concatenate(places))):
                    with atomic_file(file) as partial:
                        np.save(partial, array[order], allow_pickle=False)
            else:
                line.advance(shard.clouds)
            start += shard.clouds
    return files


def _mean(files: list[tuple[Path, Path]], rows: Int64[np.ndarray, " m"], width: int) -> Float32[np.ndarray, "m k"]:
    """Return the mean of what was found at some places of the scan, which rise."""
    if not len(rows):
        return np.zeros((0, width), dtype=np.float32)
    low, high = int(rows[0]), int(rows[-1]) + 1
    total, seen = np.zeros((high - low, width), dtype=np.float32), np.zeros(high - low, dtype=np.float32)
    for index, values in files:
        places = np.load(index, mmap_mode="r", allow_pickle=False)
        first, last = np.searchsorted(places, [low, high])
        if first < last:
            here = np.asarray(places[first:last]) - low
            np.add.at(total, here, np.load(values, mmap_mode="r", allow_pickle=False)[first:last].astype(np.float32))
            np.add.at(seen, here, 1)
    mean: Float32[np.ndarray, "m k"] = total[rows - low] / seen[rows - low][:, None]
    return mean
