"""Views rendered once for all later runs: meshes by ray casting, clouds by splatting, pictures packed as they are.

The objects are divided into shards before anything is rendered. Every shard is written atomically into
`OUT.partial`; a run that was killed is finished by the same command, which keeps the shards that are there. At the end
the folder is renamed to `OUT`. The same source and settings give the same bytes.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pointssl.data.cloud import Oriented
from pointssl.data.store.dataset import shard_name
from pointssl.data.store.manifest import sample, sealed, sha256
from pointssl.data.store.resumable import WORK, alone, notes_in, prepare, write_note
from pointssl.data.store.workers import run_all
from pointssl.data.views.config import ViewConfig
from pointssl.data.views.images import ImageFolder
from pointssl.data.views.manifest import ARRAY, FORMAT, MANIFEST, VERSION, ViewShard
from pointssl.data.views.meshes import MeshSet
from pointssl.data.views.sources import Source, names_of, open_source, renderer, shape_of, sort_of, stamp_of
from pointssl.errors import DataError, Interrupted, UserError
from pointssl.files import atomic_folder, write_json
from pointssl.memory import require
from pointssl.progress import bar

SHARD_BYTES = 8 << 20
"""So much is lost by a kill; large sets have larger shards, so that few hundred files are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSummary:
    """What became of the objects."""

    path: Path
    objects: int
    views: int
    """Pictures of each."""
    rendered_from: str
    """meshes, clouds or images."""
    failures: tuple[tuple[str, str], ...]
    """Objects that were left out, and why."""
    reused: int
    """Shards that an earlier, unfinished run had left."""


def write_views(
    data: Source | str | Path,
    out: str | Path,
    config: ViewConfig | None = None,
    *,
    workers: int = 2,
    strict: bool = False,
    shard_objects: int | None = None,
) -> ViewSummary:
    """Render every object of `data` and write the pictures as a store at `out`.

    Meshes and pictures are read by `workers` processes, data sets of clouds in this one. Objects are moved to the
    centre of their bounding boxes and scaled to radius 1. Those that cannot be rendered are left out and listed in
    the store and the summary. Folders of pictures are packed as they are; `config` is not used for them.

    Raises:
        BusyError: another process is making `out`.
        DataError: `out` exists, nothing to render, more than half of the objects fail, or any does if `strict`.
        DiskFullError: no space left; finished shards stay for the next run.
        Interrupted: Ctrl-C; finished shards stay for the next run.
    """
    out = Path(out)
    with alone(out) as partial:
        return _write(data, out, partial, config or ViewConfig(), workers, strict, shard_objects)


def _write(
    data: Source | str | Path,
    out: Path,
    partial: Path,
    config: ViewConfig,
    workers: int,
    strict: bool,
    shard_objects: int | None,
) -> ViewSummary:
    """Render into a place that is ours alone."""
    source = open_source(data) if isinstance(data, str | Path) else data
    config = replace(config, up=config.up or (source.up if isinstance(source, Oriented) else "y"))
    total = len(source)
    if total == 0:
        raise DataError(f"{out}: the source holds no objects")
    kind, shape = shape_of(source, config)
    require(2 * int(np.prod(shape, dtype=object)), f"one object's pictures of {shape}", "make fewer or smaller ones")
    size = shard_objects or max(16, SHARD_BYTES // int(np.prod(shape)), -(-total // 300))
    told = {"source": sort_of(source), **({} if isinstance(source, ImageFolder) else {"render": asdict(config)})}
    settings = json.loads(json.dumps(told))  # as it will be read back, to be compared with
    done = prepare(partial, {"settings": settings, "shard_objects": size, "source": stamp_of(source)})
    jobs: list[Callable[[], int]] = []
    for number, start in enumerate(range(0, total, size)):
        if number not in done:
            jobs.append(
                bind(_write_shard, source, config, partial, number, range(start, min(start + size, total)), strict)
            )
    label = f"packing {out.name}" if isinstance(source, ImageFolder) else f"rendering {out.name}"
    with bar(label, total, done=min(total, len(done) * size)) as line:
        try:
            for finished in run_all(jobs, workers if isinstance(source, MeshSet | ImageFolder) else 1):
                line.advance(finished)
        except KeyboardInterrupt:
            message = f"stopped; {len(notes_in(partial))} finished shards are kept: run the same command again to go on"
            raise Interrupted(message) from None
        except BrokenExecutor as error:
            message = "a rendering process was ended from outside, perhaps for its memory; finished shards are kept: "
            raise UserError(message + "run the same command again with fewer workers") from error
    notes = list(notes_in(partial).values())
    failures = tuple((name, reason) for note in notes for name, reason in note["failures"])
    if 2 * len(failures) > total:
        raise DataError(f"{out}: {len(failures)} of {total} objects cannot be rendered; the first: {failures[0][1]}")
    held = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "shape": [shape[0], shape[1], shape[2]],
        "settings": settings,
        "shards": [note["shard"] for note in notes if note["shard"] is not None],
        "name": [name for note in notes for name in note["name"]],
        "group": [group for note in notes for group in note["group"]],
        "failures": [list(failure) for failure in failures],
    }
    write_json(partial / MANIFEST, sealed(held))
    partial.replace(out)
    shutil.rmtree(out / WORK)
    return ViewSummary(
        path=out,
        objects=len(held["name"]),
        views=shape[0],
        rendered_from=sort_of(source),
        failures=failures,
        reused=len(done),
    )


def _write_shard(
    source: Source, config: ViewConfig, partial: Path, number: int, places: Sequence[int], strict: bool
) -> int:
    """Write one shard and then its note; only both together count as finished."""
    names, groups = names_of(source)
    render = renderer(source, config)
    made: list[UInt8[np.ndarray, "v c h w"]] = []
    kept: list[int] = []
    failures: list[tuple[str, str]] = []
    for place in places:
        try:
            made.append(render(place, names[place]))
            kept.append(place)
        except DataError as error:
            if strict:
                raise DataError(f"{error} (strict: every object must be rendered)") from error
            failures.append((names[place], str(error)))
    shard: dict[str, Any] | None = None
    if made:
        with atomic_folder(partial / shard_name(number)) as fresh:
            with (fresh / ARRAY).open("wb") as stream:
                np.lib.format.write_array_header_1_0(stream, _npy_header(made))
                for one in made:  # object by object: a whole copy would double the memory
                    stream.write(one.tobytes())
            shard = asdict(
                ViewShard(
                    folder=shard_name(number),
                    objects=len(made),
                    sha256=sha256(fresh / ARRAY),
                    bytes=(fresh / ARRAY).stat().st_size,
                    sample=sample(fresh / ARRAY),
                )
            )
    note = {
        "shard": shard,
        "name": [names[place] for place in kept],
        "group": [groups[place] for place in kept],
        "failures": failures,
    }
    write_note(partial, number, note)
    return len(places)


def _npy_header(made: Sequence[UInt8[np.ndarray, "v c h w"]]) -> dict[str, Any]:
    return {"descr": "|u1", "fortran_order": False, "shape": (len(made), *made[0].shape)}
