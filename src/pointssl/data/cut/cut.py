"""`data cut`: large scans become a packed store of blocks that know where each of their points comes from.

Resumable as packing is: the unfinished store keeps what was counted and which shards are done. Memory holds a piece of
a scan or the points of a shard, never a scan. Each block is moved to its own corner in float64; its channel `index`
(n, 1) is the place of every point in its file, so that what a network finds out can be written back.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.cut.grid import Grid, unpack
from pointssl.data.cut.sorting import Survey, blocks_in, share_out, spill, survey
from pointssl.data.files.chunks import SCANS, Scan, open_scans
from pointssl.data.files.cloud import Array
from pointssl.data.files.isolation import apart
from pointssl.data.files.kinds import kind_of, name_of
from pointssl.data.files.scan import Failure
from pointssl.data.store.manifest import sha256, write_manifest
from pointssl.data.store.resumable import WORK, Recipe, alone, assemble, notes_in, prepare, write_noted_shard
from pointssl.errors import DataError, Interrupted, SettingError, UserError
from pointssl.files import explain_full_disk, write_json
from pointssl.progress import bar


@dataclass(frozen=True, slots=True, kw_only=True)
class CutSummary:
    """What came out."""

    path: Path
    scans: int
    points: int
    """Of all scans, those without an echo left out."""
    blocks: int
    failures: tuple[Failure, ...]


def cut(source: str | Path, out: str | Path, *, size: float = 2.0, overlap: float = 0.5) -> CutSummary:
    """Cut the scans in a file or folder into square columns of `size` that share `overlap`, both in the scans' units.

    Raises:
        SettingError: blocks of no size, or none that would move on.
        DataError: nothing to cut, `out` exists, or no scan can be read.
        Interrupted: Ctrl-C; what is finished stays for the next run.
    """
    source, out = Path(source), Path(out)
    if not (np.isfinite(size) and np.isfinite(overlap) and 0 <= overlap < size):
        raise SettingError(f"overlap must be at least 0 and less than size, got size {size:g} and overlap {overlap:g}")
    root, files = _files(source)
    stamps = [(str(file.relative_to(root)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    plan = {"cut": {"size": size, "overlap": overlap}, "source": [list(stamp) for stamp in stamps]}
    with alone(out) as partial:
        done = prepare(partial, plan)
        try:
            return _cut(root, files, partial, out, Grid(size, overlap), done)
        except KeyboardInterrupt:
            message = f"stopped; {len(notes_in(partial))} finished shards are kept: run the same command again to go on"
            raise Interrupted(message) from None


def _files(source: Path) -> tuple[Path, list[Path]]:
    if not source.exists():
        raise DataError(f"{source} does not exist; check the path")
    if source.is_file():
        if kind_of(source) not in SCANS:
            raise DataError(f"{source} is of a kind that is not cut; known are {' '.join(SCANS)}")
        return source.parent, [source]
    found = sorted(
        file
        for file in source.rglob("*")
        if kind_of(file) in SCANS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(source).parts)
    )
    if not found:
        raise DataError(f"{source} holds no scans to cut; known are {' '.join(SCANS)}")
    return source, found


def _cut(root: Path, files: list[Path], partial: Path, out: Path, grid: Grid, done: set[int]) -> CutSummary:
    scans, failures = _open(files)
    with bar(f"counting the points of {len(scans)} scans", sum(scan.count for scan in scans)) as line:
        found: list[tuple[Scan, Survey, str]] = []
        for number, scan in enumerate(scans):
            try:
                found.append((scan, *_surveyed(partial / WORK / f"survey-{number:05d}.json", scan, grid, line.advance)))
            except Exception as error:
                failures.append(_failure(scan.path, error))
    if not found:
        raise DataError(f"{root}: no scan can be read; the first: {failures[0]}")
    recipe = Recipe(partial=partial, root=f"{root}/", classes=(), points=None, seed=0, strict=False)
    shards = [(place, keys) for place, (_, survey_, _) in enumerate(found) for keys in share_out(survey_.blocks)]
    with bar(
        f"cutting into {sum(len(keys) for _, keys in shards)} blocks", sum(scan.count for scan, *_ in found)
    ) as line:
        for place, (scan, seen, _) in enumerate(found):
            mine = {number: keys for number, (owner, keys) in enumerate(shards) if owner == place}
            left = {number: keys for number, keys in mine.items() if number not in done}
            _write(recipe, scan, grid, seen, left, line.advance)
    settings = {
        "cut": {"size": grid.size, "overlap": grid.overlap},
        "sources": [
            {"file": scan.path.relative_to(root).as_posix(), "scan": scan.place, "sha256": digest}
            for scan, _, digest in found
        ],
        "blocks": [[place, list(_corner(grid, key, found[place][1]))] for place, keys in shards for key in keys],
    }
    manifest, _ = assemble(recipe, out.name, None, settings)
    left_out = [{"file": str(one.path).removeprefix(recipe.root), "reason": one.reason} for one in failures]
    write_manifest(partial, replace(manifest, failures=left_out))
    partial.replace(out)
    shutil.rmtree(out / WORK)
    points = sum(seen.points for _, seen, _ in found)
    return CutSummary(
        path=out, scans=len(found), points=points, blocks=len(manifest.clouds.name), failures=tuple(failures)
    )


def _open(files: list[Path]) -> tuple[list[Scan], list[Failure]]:
    scans: list[Scan] = []
    failures: list[Failure] = []
    for file in files:
        try:
            scans += apart(open_scans, file)
        except Exception as error:
            failures.append(_failure(file, error))
    return scans, failures


def _surveyed(note: Path, scan: Scan, grid: Grid, told: Callable[[int], None]) -> tuple[Survey, str]:
    """Return what is in a scan, and the digest of its file; from the note of an earlier run where there is one."""
    if note.is_file():
        known = json.loads(note.read_text(encoding="utf-8"))
        told(scan.count)
        blocks = dict(known["survey"].pop("blocks"))
        return Survey(blocks=blocks, **known["survey"]), known["sha256"]
    seen, digest = survey(scan, grid, told), sha256(scan.path)
    write_json(note, {"survey": {**asdict(seen), "blocks": list(seen.blocks.items())}, "sha256": digest})
    return seen, digest


def _write(
    recipe: Recipe, scan: Scan, grid: Grid, seen: Survey, shards: dict[int, list[int]], told: Callable[[int], None]
) -> None:
    """Write the shards of one scan that are not there yet."""
    if not shards:
        told(scan.count)
        return
    folder = recipe.partial / WORK
    form = folder / "form.npy"
    files = {folder / f"points-{number:05d}": keys for number, keys in shards.items()}
    with explain_full_disk(folder):
        spill(scan, grid, seen, files, form, told)
    for number, file in zip(shards, files, strict=True):
        clouds = (_cloud(scan, grid, seen, key, rows, recipe.root) for key, rows in blocks_in(file, form))
        write_noted_shard(recipe, number, (("all", cloud) for cloud in clouds))
        file.unlink()


def _cloud(scan: Scan, grid: Grid, seen: Survey, key: int, rows: Array, root: str) -> Cloud:
    corner = _corner(grid, key, seen)
    cell = ",".join(map(str, unpack(key)))
    place = f"[{scan.place}]" if scan.several else ""
    name = str(scan.path.parent / name_of(scan.path)).removeprefix(root)
    return Cloud(
        points=(rows["xyz"] - np.array(corner)).astype(np.float32),
        channels={
            **{
                key: np.ascontiguousarray(rows[key])
                for key in rows.dtype.names or ()
                if key not in ("block", "row", "xyz")
            },
            "index": rows["row"][:, None].astype(np.int64),
        },
        name=f"{name}{place}({cell})",
        origin=f"{scan.path}{place} block ({cell}) minus ({', '.join(f'{value:.15g}' for value in corner)})",
    )


def _corner(grid: Grid, key: int, seen: Survey) -> tuple[float, float, float]:
    """Return where a block begins; in height, at the lowest whole `size` of its scan."""
    return (*grid.corner(unpack(key)), float(np.floor(seen.floor / grid.size) * grid.size))


def _failure(path: Path, error: Exception) -> Failure:
    if isinstance(error, DataError):
        return Failure.of(path, error)
    if isinstance(error, UserError):
        raise error
    return Failure(path=path, reason=f"cannot be read: {(str(error).strip() or type(error).__name__).splitlines()[0]}")
