"""What views can be made of: meshes by ray casting, clouds by splatting, pictures as they are."""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.files.dataset import FileDataset
from pointssl.data.files.kinds import kind_of
from pointssl.data.files.readers import MESHES
from pointssl.data.names import cloud_groups, cloud_names
from pointssl.data.open import open_dataset
from pointssl.data.views.config import ViewConfig, cameras_of
from pointssl.data.views.images import ImageFolder, has_images
from pointssl.data.views.manifest import MANIFEST, Kind
from pointssl.data.views.meshes import MeshFiles, MeshSet, open_meshes, unit_ball
from pointssl.data.views.raycast import Caster, mesh_picture
from pointssl.errors import DataError
from pointssl.ops.render.cameras import Cameras
from pointssl.ops.render.shading import estimated_normals
from pointssl.ops.render.splat import disc_radius, picture, splat

Source = MeshSet | Dataset | ImageFolder


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
    if (
        not path.exists()
        and isinstance(dataset, FileDataset)
        and all(kind_of(file) in MESHES for file in dataset.paths)
    ):
        return MeshFiles(dataset.paths, dataset.names, cloud_groups(dataset), dataset.name.rpartition("/")[0])
    return dataset


def names_of(source: Source) -> tuple[Sequence[str], Sequence[str]]:
    """Return the name and the class of every object."""
    if isinstance(source, MeshSet | ImageFolder):
        return source.names, source.groups
    return cloud_names(source), cloud_groups(source)


def sort_of(source: Source) -> str:
    """Return meshes, clouds or images."""
    if isinstance(source, ImageFolder):
        return "images"
    return "meshes" if isinstance(source, MeshSet) else "clouds"


def stamp_of(source: Source) -> str:
    """Return what changes when the source does."""
    return source.stamp() if isinstance(source, MeshSet | ImageFolder) else source.fingerprint


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
