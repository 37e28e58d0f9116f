"""The manifest of stored views: names of the objects, how they were rendered, and checksums of their pictures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pointssl.data.store.manifest import digest_of
from pointssl.errors import DataError
from pointssl.strict import structure

FORMAT, VERSION, MANIFEST, ARRAY = "pointssl-views", 1, "views.json", "views.npy"
Kind = Literal["color", "shaded", "depth", "normal"]
"""What pixels show; the last three are rendered here, colours come from pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewShard:
    """One file of pictures."""

    folder: str
    objects: int
    sha256: str
    bytes: int
    sample: str = ""
    """Checksum of a few pieces, looked at on opening; empty in stores of before there were any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewManifest:
    """What `views.json` says."""

    format: str
    version: int
    kind: Kind
    shape: list[int]
    """Of the pictures of one object: views, channels, size."""
    settings: dict[str, Any]
    shards: list[ViewShard]
    name: list[str]
    group: list[str]
    failures: list[list[str]]
    """Objects that were left out, and why."""


def read_manifest(path: Path) -> ViewManifest:
    """Return the content of a store's `views.json`.

    Raises:
        DataError: no store, a half finished one, or one of a later version.
    """
    file = path / MANIFEST
    if not file.is_file():
        half = path.with_name(f"{path.name}.partial")
        if path.name.endswith(".partial") or (half.exists() and not path.exists()):
            raise DataError(f"the views at {path} were not finished; run the same `pointssl data views` command again")
        raise DataError(
            f"{path} holds no rendered views: it has no {MANIFEST}; make them with: pointssl data views SRC OUT"
        )
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        kind, version = held["format"], held["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file} is damaged ({error}); render the views again") from error
    if kind != FORMAT:
        raise DataError(f"{file} does not belong to rendered views (format '{kind}')")
    if version != VERSION:
        raise DataError(f"{path} has format version {version}, this pointssl reads {VERSION}; render the views again")
    own = held.pop("sha256", "")  # of all the rest; stores of before have none
    advice = "the manifest is damaged; render the views again"
    manifest = structure(held, ViewManifest, str(file), DataError, advice)
    objects = sum(shard.objects for shard in manifest.shards)
    if not objects == len(manifest.name) == len(manifest.group) or any(one.objects < 1 for one in manifest.shards):
        raise DataError(f"{file}: its shards hold {objects} objects, and it names another number; {advice}")
    if own and own != digest_of(held):
        raise DataError(f"{file}: its checksum differs from what it was rendered with; {advice}")
    if len(manifest.shape) < 3 or any(Path(one.folder).name != one.folder for one in manifest.shards):
        raise DataError(f"{file}: a shape or folder is none; {advice}")
    return manifest
