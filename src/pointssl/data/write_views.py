"""Views rendered once for all later runs: meshes by ray casting, clouds by splatting, pictures packed as they are.

The objects are divided into shards before anything is rendered. Every shard is written whole or not at all into
`OUT.partial`; a run that was killed is finished by the same command, which keeps the shards that are there. At the end
the folder is renamed to `OUT`. The same source and settings give the same bytes.
"""

import json
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.formats import MESHES
from pointssl.data.listed import ListedDataset
from pointssl.data.manifest import sha256
from pointssl.data.meshes import MeshFiles, MeshSet, open_meshes, unit_ball
from pointssl.data.names import cloud_groups, cloud_names
from pointssl.data.open import open_dataset
from pointssl.data.raycast import Caster, mesh_picture
from pointssl.data.store import shard_name
from pointssl.data.unfinished import WORK, notes_in, prepare
from pointssl.data.view_config import ViewConfig, cameras_of
from pointssl.data.view_images import ImageFolder, has_images
from pointssl.data.views import ARRAY, FORMAT, MANIFEST, VERSION, Kind, ViewShard
from pointssl.data.workers import run_all
from pointssl.errors import DataError, Interrupted, UserError
from pointssl.files import atomic_folder, write_json
from pointssl.ops.cameras import Cameras
from pointssl.ops.shading import estimated_normals
from pointssl.ops.splat import disc_radius, picture, splat
from pointssl.progress import bar

Source = MeshSet | Dataset | ImageFolder
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


def open_source(source: str | Path) -> Source:
    """Return the meshes, pictures or clouds that a path or a word such as `modelnet40:PATH` stands for.

    Raises:
        DataError, SettingError: nothing there, or something else there.
    """
    path = Path(source).expanduser()
    if path.exists():
        if (path / MANIFEST).is_file():
            raise DataError(f"{path} holds rendered views already")
        try:
            meshes = open_meshes(path)
        except DataError:
            if path.is_dir() and has_images(path):
                return ImageFolder(path)
            raise
        if meshes is not None:
            return meshes
    dataset = open_dataset(str(source))
    if isinstance(dataset, ListedDataset) and all(file.suffix.lower() in MESHES for file in dataset.paths):
        return MeshFiles(dataset.paths, dataset.names, cloud_groups(dataset), dataset.name.rpartition("/")[0])
    return dataset


def write_views(
    source: Source | str | Path,
    out: str | Path,
    config: ViewConfig | None = None,
    *,
    workers: int = 2,
    strict: bool = False,
    shard_objects: int | None = None,
) -> ViewSummary:
    """Render every object of `source` and write the pictures as a store at `out`.

    Meshes and pictures are read by `workers` processes, data sets of clouds in this one. Objects are moved to the
    centre of their bounding boxes and scaled to radius 1. Those that cannot be rendered are left out and listed in
    the store and the summary. Folders of pictures are packed as they are; `config` is not used for them.

    Raises:
        DataError: `out` exists, nothing to render, more than half of the objects fail, or any does if `strict`.
        DiskFullError: no space left; finished shards stay for the next run.
        Interrupted: Ctrl-C; finished shards stay for the next run.
    """
    out, config = Path(out), config or ViewConfig()
    if out.exists():
        raise DataError(f"{out} exists already; delete it or choose another name")
    source = open_source(source) if isinstance(source, str | Path) else source
    total = len(source)
    if total == 0:
        raise DataError(f"{out}: the source holds no objects")
    kind, shape = shape_of(source, config)
    size = shard_objects or max(16, SHARD_BYTES // int(np.prod(shape)), -(-total // 300))
    told = {"source": _sort_of(source), **({} if isinstance(source, ImageFolder) else {"render": asdict(config)})}
    settings = json.loads(json.dumps(told))  # as it will be read back, to be compared with
    partial = out.with_name(f"{out.name}.partial")
    done = prepare(partial, {"settings": settings, "shard_objects": size, "source": _stamp(source)})
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
    notes = [json.loads(file.read_text(encoding="utf-8")) for file in notes_in(partial).values()]
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
    write_json(partial / MANIFEST, held)
    partial.replace(out)
    shutil.rmtree(out / WORK)
    return ViewSummary(
        path=out,
        objects=len(held["name"]),
        views=shape[0],
        rendered_from=_sort_of(source),
        failures=failures,
        reused=len(done),
    )


def shape_of(source: Source, config: ViewConfig) -> tuple[Kind, tuple[int, int, int, int]]:
    """Return what pictures show, and views, channels, rows and columns of each object's."""
    if isinstance(source, ImageFolder):
        return source.kind, (source.count, source.channels, source.size, source.size)
    return config.kind, (config.views, config.channels, config.size, config.size)


Render = Callable[[int, str], UInt8[np.ndarray, "v c h w"]]
"""From the place and the name of an object to its pictures; raises `DataError` where it cannot be read or rendered."""


def renderer(source: Source, config: ViewConfig) -> Render:
    """Return the function that renders the objects of `source`."""
    if isinstance(source, ImageFolder):
        return lambda index, _: _whole_images(source, index)
    if isinstance(source, MeshSet):
        caster = Caster(cameras_of(config, ""), config.size) if config.cameras == "ring" else None
        return lambda index, name: _cast(source, index, name, config, caster)
    return lambda index, name: _as_bytes(splat_cloud(source[index], cameras_of(config, name), config))


def _whole_images(source: ImageFolder, index: int) -> UInt8[np.ndarray, "v c h w"]:
    source.require_whole(np.array([index]))
    return source.views(index, np.arange(source.count))


def _cast(
    source: MeshSet, index: int, name: str, config: ViewConfig, caster: Caster | None
) -> UInt8[np.ndarray, "v c h w"]:
    """Cast rays at one mesh; those of a ring are the same for all, random ones are its own."""
    vertices, faces = source.mesh(index)
    caster = caster or Caster(cameras_of(config, name), config.size)
    seen = caster(unit_ball(vertices), faces, smooth=config.smooth)
    return _as_bytes(mesh_picture(seen, caster.cameras, config.kind))


def splat_cloud(cloud: Cloud, cameras: Cameras, config: ViewConfig) -> Tensor:
    """Return pictures (v, c, h, w) in [0, 1] of a cloud, shaded by its own normals where it has some.

    Raises:
        DataError: no points, or coordinates that are NaN or infinite.
    """
    points = cloud.points
    if len(points) == 0 or not np.isfinite(points).all():
        what = "no points" if len(points) == 0 else "coordinates that are NaN or infinite"
        raise DataError(f"the cloud {cloud.name} has {what}; repair it or leave it out")
    chosen = np.arange(len(points))
    if len(points) > config.points:
        generator = np.random.default_rng([config.seed, zlib.crc32(points.tobytes())])
        chosen = np.sort(generator.choice(len(points), config.points, replace=False))
    xyz = torch.from_numpy(unit_ball(points)[chosen])[None]
    normals = None
    if config.kind != "depth":
        own = cloud.channels.get("normal")
        given = None if own is None else torch.from_numpy(np.asarray(own[chosen], dtype=np.float32))[None]
        normals = estimated_normals(xyz) if given is None or not given.isfinite().all() else given
    radius = disc_radius(config.size, len(chosen)) if config.radius is None else config.radius
    return picture(splat(xyz, cameras, config.size, radius), cameras, normals, config.kind)[0]


def _as_bytes(pictures: Tensor) -> UInt8[np.ndarray, "v c h w"]:
    return (pictures * 255).round().to(torch.uint8).numpy()


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
                )
            )
    note = {
        "shard": shard,
        "name": [names[place] for place in kept],
        "group": [groups[place] for place in kept],
        "failures": failures,
    }
    write_json(partial / WORK / f"{number:05d}.json", note)
    return len(places)


def _npy_header(made: Sequence[UInt8[np.ndarray, "v c h w"]]) -> dict[str, Any]:
    return {"descr": "|u1", "fortran_order": False, "shape": (len(made), *made[0].shape)}


def names_of(source: Source) -> tuple[Sequence[str], Sequence[str]]:
    """Return the name and the class of every object."""
    if isinstance(source, MeshSet | ImageFolder):
        return source.names, source.groups
    return cloud_names(source), cloud_groups(source)


def _sort_of(source: Source) -> str:
    if isinstance(source, ImageFolder):
        return "images"
    return "meshes" if isinstance(source, MeshSet) else "clouds"


def _stamp(source: Source) -> str:
    """Return what changes when the source does."""
    return source.stamp() if isinstance(source, MeshSet | ImageFolder) else source.fingerprint
