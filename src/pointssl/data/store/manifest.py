"""The manifest of a packed store: what the clouds are, where they come from, and checksums of their shards."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pointssl.errors import DataError
from pointssl.files import write_text
from pointssl.strict import structure

FORMAT = "pointssl-store"
VERSION = 1
MANIFEST = "manifest.json"
_OWN = "sha256"
"""Name of the manifest's checksum of itself; those of before there was one are taken without."""
_PIECE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One folder of arrays."""

    folder: str
    clouds: int
    files: dict[str, str]
    """SHA-256 of every file by its name."""
    sizes: dict[str, int]
    """Bytes of every file; checked on opening, where checksums would take too long."""
    absent: dict[str, list[int]]
    """Channels that some clouds of the shard have and these have not (their rows are zero)."""
    samples: dict[str, str] = field(default_factory=dict)
    """Checksum of a few pieces of every file, looked at on opening as well; stores of before there were any have none.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One entry per cloud, in the order of the shards."""

    name: list[str]
    source: list[str]
    """The file, and the place in it, that each cloud was read from."""
    split: list[str]
    label: Sequence[int | None] | None
    """Places in the manifest's classes, None for a cloud without a label; None for unlabelled data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a store but the points."""

    name: str
    classes: list[str]
    shards: list[Shard]
    clouds: Table
    failures: list[dict[str, str]]
    """File and reason of whatever could not be read."""
    ignored: dict[str, int]
    """Files that are no clouds, by their ending."""
    settings: dict[str, Any]
    """What the store was packed with."""


def whole_labels(path: Path, labels: Sequence[int | None]) -> list[int] | None:
    """Return labels of all clouds, or None where no cloud has one.

    Raises:
        DataError: some have one and some have not.
    """
    known = [label for label in labels if label is not None]
    if known and len(known) < len(labels):
        raise DataError(f"{path}: {len(labels) - len(known)} of {len(labels)} clouds have no label; label all or none")
    return known or None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; the same clouds give the same bytes."""
    value = {"format": FORMAT, "version": VERSION, **asdict(manifest)}
    write_text(folder / MANIFEST, json.dumps(sealed(value), allow_nan=False) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the store at `path`.

    Raises:
        DataError: no store, a half finished one, or one of a later version.
    """
    file = path / MANIFEST
    if not file.is_file():
        half = path if path.name.endswith(".partial") else path.with_name(f"{path.name}.partial")
        if half.exists():
            raise DataError(f"{half} is a store that was not finished; run the same pack command again")
        if not path.exists():
            raise DataError(f"{path} does not exist; check the path")
        raise DataError(
            f"{path} is not a packed store: it has no {MANIFEST}; make one with: pointssl data pack SRC OUT"
        )
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        own = value.pop(_OWN, None)
        told = digest_of(value) if own is not None else None
        kind, version = value.pop("format", None), value.pop("version", 0)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DataError(f"{file} is damaged ({error}); pack the data again") from error
    if kind != FORMAT:
        raise DataError(f"{file} does not belong to a packed store (format '{kind}')")
    if version != VERSION:
        raise DataError(f"{path} has format version {version}, this pointssl reads {VERSION}; pack the data again")
    manifest = structure(value, Manifest, str(file), DataError, "the manifest is damaged; pack the data again")
    fault = _contradiction(manifest) or ("its checksum differs from what it was packed with" if own != told else "")
    if fault:
        raise DataError(f"{file} is damaged ({fault}); pack the data again")
    return manifest


def _contradiction(manifest: Manifest) -> str:
    """Say in what a manifest contradicts itself; nothing where it does not."""
    table, clouds = manifest.clouds, sum(shard.clouds for shard in manifest.shards)
    if any(len(column) != clouds for column in (table.name, table.source, table.split, table.label or table.name)):
        return f"its shards hold {clouds} clouds, and its table another number"
    classes = len(manifest.classes) or 1 << 62  # without names, labels are numbers alone
    if any(label is not None and not 0 <= label < classes for label in table.label or ()):
        return "a label is no place among its classes"
    if any(Path(name).name != name for shard in manifest.shards for name in (shard.folder, *shard.files)):
        return "a name of a folder or file leads elsewhere"
    if any(shard.clouds < 0 or min(shard.sizes.values(), default=0) < 0 for shard in manifest.shards):
        return "a size is below zero"
    return ""


def sha256(file: Path) -> str:
    """Return the hex digest of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sample(file: Path) -> str:
    """Return the hex digest of a file's first, middle and last 4 KiB: what a store of any size can be asked on opening.

    Power losses and copies that broke off leave zeros at an end or in the middle; one flipped bit is mostly missed.
    """
    size, digest = file.stat().st_size, hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        for start in (0, max(0, (size - _PIECE) // 2), max(0, size - _PIECE)):
            stream.seek(start)
            digest.update(stream.read(_PIECE))
    return digest.hexdigest()


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values with a checksum of themselves."""
    return value | {_OWN: digest_of(value)}


def is_intact(value: Any) -> bool:
    """Tell whether JSON values are what `sealed` made of them."""
    return isinstance(value, dict) and value.get(_OWN) == digest_of({k: v for k, v in value.items() if k != _OWN})


def digest_of(value: dict[str, Any]) -> str:
    """Return the hex digest of JSON values, in whatever order their names stand."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
