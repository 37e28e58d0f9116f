"""Stored views: a few pictures of every object, found by the object's name, read in microseconds.

    OUT/views.json               format and version; settings and cameras; name and class of every object; per shard its
                                 SHA-256 and size; what could not be rendered, with reasons
    OUT/shard-00000/views.npy    uint8 (objects, views, channels, rows, columns), mapped into memory

`write_views` makes such a store out of meshes, clouds or pictures. Clouds and views are matched by `Cloud.name`, so one
store serves every split, and clouds drawn from the same meshes in another way.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Int64, UInt8

from pointssl.data.cloud import Dataset
from pointssl.data.names import cloud_groups, cloud_names
from pointssl.data.store.manifest import sample, sha256
from pointssl.data.views.config import ViewConfig, cameras_of
from pointssl.data.views.images import ImageFolder, has_images
from pointssl.data.views.manifest import ARRAY, MANIFEST, Kind, read_manifest
from pointssl.errors import DataError, SettingError
from pointssl.ops.render.cameras import Cameras


@final
class ViewStore:
    """A packed store of views; nothing is in memory but the manifest until pictures are asked for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        held = read_manifest(self.path)
        self.names, self.groups = tuple(held.name), tuple(held.group)
        self.settings: dict[str, Any] = held.settings
        self.kind: Kind = held.kind
        self.count, self.channels, self.size = held.shape[:3]
        self.shards = held.shards
        for shard in self.shards:
            file = self.path / shard.folder / ARRAY
            found = file.stat().st_size if file.is_file() else None
            if found != shard.bytes:
                what = "is missing" if found is None else f"has {found} of {shard.bytes} bytes"
                raise DataError(f"{file} {what}: the store is damaged; render the views again")
            if shard.sample not in ("", sample(file)):
                raise DataError(f"{self.path} is damaged: {file} changed since rendering; render it again")
        self._places = [(number, local) for number, one in enumerate(self.shards) for local in range(one.objects)]
        self._arrays: list[UInt8[np.ndarray, "o v c h w"] | None] = [None] * len(self.shards)

    @property
    def fingerprint(self) -> str:
        """Digest of the checksums of all shards, the names and what pixels show."""
        told = [self.kind, self.names, self.groups, [shard.sha256 for shard in self.shards]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def views(self, row: int, which: Int64[np.ndarray, " v"]) -> UInt8[np.ndarray, "v c h w"]:
        """Return a copy of pictures `which` of object `row`."""
        number, local = self._places[row]
        array = self._arrays[number]
        if array is None:
            file = self.path / self.shards[number].folder / ARRAY
            # As a plain array: numpy's memmap class costs microseconds at every access.
            array = self._arrays[number] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        chosen: UInt8[np.ndarray, "v c h w"] = array[local][which]
        return chosen

    def cameras(self, row: int) -> Cameras | None:
        """Return where the pictures of an object were taken from, or None where pictures were packed as they came."""
        if self.settings.get("source") == "images":
            return None
        settings = {**self.settings["render"], "elevation": tuple(self.settings["render"]["elevation"])}
        return cameras_of(ViewConfig(**settings), self.names[row])

    def require_whole(self, rows: Int64[np.ndarray, " b"]) -> None:
        """Do nothing: a store that opens has all pictures of all its objects."""

    def verify(self) -> None:
        """Compare every file with its checksum; reads the whole store.

        Raises:
            DataError: naming the files that have changed.
        """
        files = {self.path / shard.folder / ARRAY: shard.sha256 for shard in self.shards}
        damaged = [str(file) for file, digest in files.items() if sha256(file) != digest]
        if damaged:
            raise DataError(
                f"{self.path} is damaged: {', '.join(damaged[:5])} changed since rendering; render it again"
            )

    def __reduce__(self) -> tuple[type["ViewStore"], tuple[Path]]:
        """Travel to other processes as a path: pickled maps would carry all pictures along."""
        return ViewStore, (self.path,)


StoredViews = ViewStore | ImageFolder
"""Pictures on the disk, whichever way they lie there: the same words on both."""


def open_views(path: str | Path) -> StoredViews:
    """Open a store that `write_views` made, or a folder of pictures: `<class>/<object>/rendering/*.png` and the like.

    Raises:
        DataError: nothing there, something else there, or damaged.
    """
    path = Path(path).expanduser()
    if path.is_dir() and not (path / MANIFEST).is_file() and has_images(path):
        return ImageFolder(path)
    if not path.exists() and not path.with_name(f"{path.name}.partial").exists():
        raise DataError(f"{path} does not exist; check the path, or render views with: pointssl data views SRC OUT")
    return ViewStore(path)


def rows_of(views: StoredViews, dataset: Dataset) -> Int64[np.ndarray, " b"]:
    """Return for every cloud of `dataset` which object of `views` has its name.

    Names that occur more than once are told apart by class (`chair/7`); those of a `<class>/<object>` folder are also
    found as `<class>-<object>`, as ShapeNet's clouds are called.

    Raises:
        DataError: clouds without views, or names that say too little; the first few are named.
    """
    names, groups = cloud_names(dataset), cloud_groups(dataset)
    known = _aliases(views.names, views.groups)
    repeated = len(set(names)) < len(names)
    rows = [
        known.get(f"{group}/{name}", None if repeated else known.get(name))
        for name, group in zip(names, groups, strict=True)
    ]
    lost = [place for place, row in enumerate(rows) if row is None]
    missing = [f"{groups[place]}/{names[place]}" if repeated else names[place] for place in lost]
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"{len(missing)} of {len(names)} clouds of {dataset.name} have no views in {views.path}, or share a name "
            f"with another object: {some}; render those objects, or leave out the clouds"
        )
    return np.array(rows, dtype=np.int64)


def _aliases(names: Sequence[str], groups: Sequence[str]) -> dict[str, int]:
    """Return what each object may be called; names that mean several objects are left out."""
    found: dict[str, int] = {}
    ambiguous = set()
    for row, (name, group) in enumerate(zip(names, groups, strict=True)):
        for alias in {name, f"{group}/{name}", f"{group}-{name}"}:
            if found.setdefault(alias, row) != row:
                ambiguous.add(alias)
    return {alias: row for alias, row in found.items() if alias not in ambiguous}


def check_views(views: StoredViews, dataset: Dataset, m: int, *, kind: str | None = None) -> Int64[np.ndarray, " b"]:
    """Refuse views that a training on `dataset` with `m` views per step would stumble over; return `rows_of`.

    Raises:
        SettingError: more views asked for than each object has, or pictures of another kind than `kind`.
        DataError: clouds without views; objects with missing, unreadable or differently sized pictures.
    """
    if m < 1:
        raise ValueError(f"m must be at least 1 view, got {m}")
    if m > views.count:
        raise SettingError(
            f"views must be at most {views.count}, the pictures of each object in {views.path}, got {m}; "
            "use fewer, or render more"
        )
    if kind is not None and kind != views.kind:
        raise SettingError(
            f"{views.path} holds pictures of kind {views.kind} ({views.channels} channels), but the method is set to "
            f"{kind}; change the method's pictures.kind, or render the views again"
        )
    rows = rows_of(views, dataset)
    views.require_whole(np.unique(rows))
    return rows
