"""A store in the making: a folder with a plan, the shards that are done, and a note of what is in each of them.

A shard counts as done when its note is there. Whoever comes later with the same plan goes on from the notes.
"""

import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.dataset import require_readable
from pointssl.data.files.scan import Failure, Listing
from pointssl.data.store.dataset import shard_name, write_shard
from pointssl.data.store.manifest import Manifest, Shard, Table, is_intact, sealed
from pointssl.data.store.workers import leave_if_unguarded
from pointssl.errors import DataError
from pointssl.files import atomic_folder, lock, sweep, write_json
from pointssl.ops import random_points
from pointssl.progress import say
from pointssl.strict import parse

WORK = ".work"
"""Folder of the plan and the notes, inside the unfinished store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What all shards of one packing share."""

    partial: Path
    root: str
    """Taken off the names of files, so that a store does not depend on where they lay."""
    classes: tuple[str, ...]
    points: int | None
    seed: int
    strict: bool
    columns: Sequence[str] | None = None
    """Names of the columns of tables and arrays, where the user states them."""


Read = Iterator[tuple[str, Cloud | Failure]]
"""Split and cloud of everything that belongs into a shard."""


@contextmanager
def alone(out: Path) -> Iterator[Path]:
    """Yield the folder in which `out` is made, out of which others are kept meanwhile.

    What killed packings have left beside `out`, or within, is removed first. The work of a packing inside a store means
    that it was killed when the store was whole and only its work was left.

    Raises:
        BusyError: another process is making it.
        DataError: there is something at `out`.
    """
    leave_if_unguarded()
    partial = out.with_name(f"{out.name}.partial")
    with lock(partial.with_name(f"{partial.name}.lock"), str(out)):
        sweep(out.parent)
        if (out / WORK).is_dir():
            shutil.rmtree(out / WORK, ignore_errors=True)
        if out.exists():
            raise DataError(f"{out} exists already; delete it or choose another name")
        yield partial


def prepare(partial: Path, plan: Mapping[str, Any]) -> set[int]:
    """Make room for shards and return the numbers of those that an earlier run with the same plan has finished."""
    file = partial / WORK / "plan.json"
    if partial.exists() and _read(file) != plan:
        say(f"source or settings have changed since {partial} was left unfinished; starting over")
        shutil.rmtree(partial)
    if not partial.exists():
        with atomic_folder(partial) as fresh:
            (fresh / WORK).mkdir()
            write_json(fresh / WORK / "plan.json", plan)
    done = set(notes_in(partial))
    kept = {shard_name(number) for number in done} | {WORK}
    for leftover in partial.iterdir():  # a shard without its note, or one that was being written
        if leftover.name not in kept:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return done


def notes_in(partial: Path) -> dict[int, dict[str, Any]]:
    """Return the notes of the finished shards by number; those that are not as they were written count as none."""
    found = {int(file.stem): _read(file) for file in sorted((partial / WORK).glob("[0-9]*.json"))}
    return {number: note for number, note in found.items() if is_intact(note) or _is_of_before(note)}


def _is_of_before(note: Any) -> bool:
    """Tell the notes of before there were checksums in them."""
    return isinstance(note, dict) and "sha256" not in note and {"shard", "name", "failures"} <= set(note)


def write_note(partial: Path, number: int, note: dict[str, Any]) -> None:
    """Say that a shard is done, and what is in it."""
    write_json(partial / WORK / f"{number:05d}.json", sealed(json.loads(json.dumps(note))))


def _read(file: Path) -> Any:
    """Return the JSON in a file of an unfinished store, or None where there is none: it is then made again."""
    try:
        return parse(file, DataError, "it is made again")
    except (DataError, OSError):
        return None


def write_noted_shard(recipe: Recipe, number: int, read: Read) -> None:
    """Write one shard and then its note; only both together count as finished."""
    clouds: list[Cloud] = []
    splits: list[str] = []
    failures: list[Failure] = []
    for split, cloud in read:
        if isinstance(cloud, Failure):
            failures.append(cloud)
            if recipe.strict:
                require_readable(cloud.path, failures, (), strict=True)
        else:
            clouds.append(_reduced(cloud, recipe.points, recipe.seed))
            splits.append(split)
    shard = None
    if clouds:
        folder = recipe.partial / shard_name(number)
        with atomic_folder(folder) as fresh:
            shard = write_shard(fresh, clouds, folder.name)
    note = {
        "shard": None if shard is None else asdict(shard),
        "name": [cloud.name for cloud in clouds],
        "source": [cloud.origin.removeprefix(recipe.root) for cloud in clouds],
        "split": splits,
        "label": [cloud.label for cloud in clouds],
        "failures": [[str(failure.path), failure.reason] for failure in failures],
    }
    write_note(recipe.partial, number, note)


def _reduced(cloud: Cloud, points: int | None, seed: int) -> Cloud:
    """Draw `points` of the points; the draw depends on the seed and the cloud, not on who reads it or when."""
    if points is None or len(cloud.points) <= points:
        return cloud
    generator = np.random.default_rng([seed, zlib.crc32(cloud.points.tobytes())])
    chosen = random_points.subset(len(cloud.points), points, generator)
    return replace(
        cloud,
        points=cloud.points[chosen],
        channels={key: values[chosen] for key, values in cloud.channels.items()},
    )


def assemble(
    recipe: Recipe, name: str, listing: Listing | None, settings: dict[str, Any]
) -> tuple[Manifest, tuple[Failure, ...]]:
    """Put the notes of all shards together."""
    notes = list(notes_in(recipe.partial).values())
    failures = list(() if listing is None else listing.failures)
    failures += [Failure(path=Path(path), reason=reason) for note in notes for path, reason in note["failures"]]

    def gathered(column: str) -> list[Any]:
        return [value for note in notes for value in note[column]]

    labels = gathered("label")
    table = Table(
        name=gathered("name"),
        source=gathered("source"),
        split=gathered("split"),
        label=None if all(label is None for label in labels) else labels,
    )
    manifest = Manifest(
        name=name,
        classes=list(recipe.classes),
        shards=[Shard(**note["shard"]) for note in notes if note["shard"] is not None],
        clouds=table,
        failures=[
            {"file": str(failure.path).removeprefix(recipe.root), "reason": failure.reason} for failure in failures
        ],
        ignored=dict(() if listing is None else listing.ignored),
        settings=settings,
    )
    return manifest, tuple(failures)
