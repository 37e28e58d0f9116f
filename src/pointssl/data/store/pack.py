"""Packing: many files (or any data set) into a store, in parallel, resumable, the same whatever the number of workers.

The clouds are divided into shards before anything is read. Every shard is written atomically into
`OUT.partial`; a run that was killed is finished by the same command, which keeps the shards that are there. At the end
the folder is renamed to `OUT`. No time, path or machine goes into a store: packing the same files again gives the same
bytes.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path
from typing import Any

from pointssl.data.cloud import Dataset, Up, up_of
from pointssl.data.files.columns import parted, stated_columns
from pointssl.data.files.dataset import read_entries, require_readable
from pointssl.data.files.scan import Entry, Failure, Listing, scan
from pointssl.data.open import Data, open_dataset, splits_of
from pointssl.data.point_labels import part_names
from pointssl.data.store.dataset import PackedDataset, is_store
from pointssl.data.store.manifest import write_manifest
from pointssl.data.store.resumable import (
    WORK,
    Read,
    Recipe,
    alone,
    assemble,
    notes_in,
    prepare,
    write_noted_shard,
)
from pointssl.data.store.workers import run_all
from pointssl.errors import DataError, Interrupted, UserError
from pointssl.progress import bar


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSummary:
    """What became of the files."""

    path: Path
    clouds: int
    classes: tuple[str, ...]
    splits: dict[str, int]
    """Clouds in every split."""
    failures: tuple[Failure, ...]
    """Whatever could not be read, and why."""
    ignored: dict[str, int]
    """Files that are no clouds, by their ending."""
    reused: int
    """Shards that an earlier, unfinished run had left."""


def pack(
    data: Data | Mapping[str, Dataset],
    out: str | Path,
    *,
    points: int | None = 2048,
    workers: int = 2,
    strict: bool = False,
    seed: int = 0,
    list_file: str | Path | None = None,
    columns: Sequence[str] | None = None,
    up: Up | None = None,
    shard_clouds: int | None = None,
) -> PackSummary:
    """Write a folder, a file, any data set, or data sets by the name of their split, as a store at `out`.

    Meshes give `points` points; larger clouds are reduced to as many, drawn at random; smaller ones are kept as they
    are. With `points=None` clouds are kept whole (meshes give 2,048). Files are read by `workers` processes, data sets
    in this one. Unreadable files are left out and listed in the manifest and the summary. `columns` names the columns
    of tables and arrays in their order, where nothing else does, and is kept in the manifest. So is `up`, the axis that
    points up; a data set's own when not given.

    Raises:
        BusyError: another process is making `out`.
        DataError: nothing to pack, `out` exists, most files are unreadable, or any is if `strict`.
        DiskFullError: no space left; finished shards stay for the next run.
        Interrupted: Ctrl-C; finished shards stay for the next run.
    """
    out = Path(out)
    if points is not None and points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    with alone(out) as partial:
        return _pack(
            data,
            out,
            partial,
            points=points,
            workers=workers,
            strict=strict,
            seed=seed,
            list_file=list_file,
            columns=columns,
            up=up,
            shard_clouds=shard_clouds,
        )


def _pack(
    data: Data | Mapping[str, Dataset],
    out: Path,
    partial: Path,
    *,
    points: int | None,
    workers: int,
    strict: bool,
    seed: int,
    list_file: str | Path | None,
    columns: Sequence[str] | None,
    up: Up | None,
    shard_clouds: int | None,
) -> PackSummary:
    """Pack into a place that is ours alone."""
    source: str | Path | Dataset | Mapping[str, Dataset]
    if isinstance(data, tuple):
        source = {split: open_dataset(data, split) for split in splits_of(data)}
    else:
        if isinstance(data, str) and columns is None:
            data, columns = parted(data)
        if isinstance(data, str) and not Path(data).expanduser().exists():
            source = open_dataset(data)
        else:
            source = Path(data).expanduser() if isinstance(data, str) else data
    if isinstance(source, str | Path) and is_store(source):  # packed again, to other points
        packed = PackedDataset(source)
        packed.verify()  # or damage would get checksums of its own
        source = {split: PackedDataset(source, split) for split in packed.splits}
    listing = scan(source, list_file) if isinstance(source, str | Path) else None
    sets = {} if isinstance(source, str | Path) else _sets_of(source)
    classes = listing.classes if listing is not None else _shared_classes(sets)
    total = len(listing.entries) if listing is not None else sum(len(one) for one in sets.values())
    if total == 0:
        raise DataError(f"{source} holds no clouds")
    # Few shards keep few files open; 256 clouds are enough work to share out and little to lose.
    size = shard_clouds or (32 if points is None else max(256, -(-total // 200)))
    settings: dict[str, Any] = {"points": points, "seed": seed}
    if up is not None or sets:
        settings["up"] = up or up_of(next(iter(sets.values())))
    named = part_names(next(iter(sets.values()))) if sets else ()
    if named:
        settings["part_names"] = list(named)
    if columns is not None:
        columns = stated_columns(columns)
        settings["columns"] = list(columns)
    recipe = Recipe(
        partial=partial,
        root="" if listing is None else f"{listing.root}/",
        classes=classes,
        points=points,
        seed=seed,
        strict=strict,
        columns=columns,
    )
    if strict and listing is not None:
        require_readable(listing.root, listing.failures, listing.entries, strict=True)
    plan = {"settings": settings, "shard_clouds": size, "source": _digest(listing, sets)}
    done = prepare(partial, plan)
    jobs: list[Callable[[], int]] = []
    reading = bind(_pack_files, recipe) if listing is not None else bind(_pack_set, recipe)
    items: Sequence[Any] = listing.entries if listing is not None else _places(sets)
    for number, start in enumerate(range(0, total, size)):
        if number not in done:
            jobs.append(bind(reading, number, items[start : start + size]))
    name = listing.name if listing is not None else out.name
    with bar(f"packing {name}", total, done=min(total, len(done) * size)) as line:
        try:
            for finished in run_all(jobs, workers if listing is not None else 1):
                line.advance(finished)
        except KeyboardInterrupt:
            message = f"stopped; {len(notes_in(partial))} finished shards are kept: run the same command again to go on"
            raise Interrupted(message) from None
        except BrokenExecutor as error:
            message = "a packing process was ended from outside, perhaps for its memory; finished shards are kept: "
            raise UserError(message + "run the same command again with fewer workers") from error
    manifest, failures = assemble(recipe, out.name, listing, settings)
    if listing is not None:
        require_readable(listing.root, failures, listing.entries, strict=strict)
    if not manifest.clouds.name:
        raise DataError(f"{source}: no cloud can be read; the first: {failures[0]}")
    write_manifest(partial, manifest)
    partial.replace(out)
    shutil.rmtree(out / WORK)
    return PackSummary(
        path=out,
        clouds=len(manifest.clouds.name),
        classes=classes,
        splits=dict(sorted(Counter(manifest.clouds.split).items())),
        failures=failures,
        ignored=manifest.ignored,
        reused=len(done),
    )


def _sets_of(source: Dataset | Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Return data sets by split; a single one says after the last slash of its name which split it is."""
    if isinstance(source, Mapping):
        return dict(source)
    return {source.name.rpartition("/")[2] if "/" in source.name else "all": source}


def _shared_classes(sets: Mapping[str, Dataset]) -> tuple[str, ...]:
    known = {one.classes for one in sets.values()}
    if len(known) != 1:
        raise DataError(f"the splits {', '.join(sets)} must have the same classes to be packed together")
    return next(iter(known))


def _places(sets: Mapping[str, Dataset]) -> list[tuple[str, Dataset, int]]:
    return [(split, one, index) for split, one in sets.items() for index in range(len(one))]


def _digest(listing: Listing | None, sets: Mapping[str, Dataset]) -> str:
    """Return what changes when the source does: names, sizes and times of files, or the sets' own fingerprints."""
    digest = hashlib.sha256()
    if listing is None:
        digest.update(repr([(split, one.fingerprint, len(one)) for split, one in sets.items()]).encode())
        return digest.hexdigest()
    stamps: dict[Path, tuple[int, int]] = {}
    for entry in listing.entries:
        if entry.path not in stamps:
            stat = entry.path.stat()
            stamps[entry.path] = (stat.st_size, stat.st_mtime_ns)
        digest.update(repr((str(entry.path), entry.place, entry.label, entry.split, stamps[entry.path])).encode())
    return digest.hexdigest()


def _pack_files(recipe: Recipe, number: int, entries: Sequence[Entry]) -> int:
    points = 2048 if recipe.points is None else recipe.points
    read = read_entries(entries, recipe.classes, points=points, seed=recipe.seed, columns=recipe.columns)
    write_noted_shard(recipe, number, ((entry.split, cloud) for entry, cloud in read))
    return len(entries)


def _pack_set(recipe: Recipe, number: int, places: Sequence[tuple[str, Dataset, int]]) -> int:
    def read() -> Read:
        for split, one, index in places:
            try:
                yield split, one[index]
            except DataError as error:
                yield split, Failure(path=Path(f"{one.name}[{index}]"), reason=str(error))

    write_noted_shard(recipe, number, read())
    return len(places)
