"""Checksums beside what they are of: a checkpoint tells by itself whether a single bit of it has changed.

Sizes are looked at whenever a checkpoint is listed, checksums when it is about to be used. Those of before there were
checksums are taken by their sizes.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointssl.data.store.manifest import digest_of, sha256
from pointssl.errors import RunError
from pointssl.files import write_json
from pointssl.strict import read_object


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a checkpoint says of itself, in its `state.json`."""

    step: int
    watch: dict[str, float] = field(default_factory=dict)
    """Figures of the watch over the loss."""
    files: dict[str, int] = field(default_factory=dict)
    """Bytes of every other file."""
    sha256: dict[str, str] = field(default_factory=dict)
    """Checksum of every other file."""
    own: str = ""
    """Checksum of all the above."""


def write(file: Path, said: dict[str, Any]) -> None:
    """Write `said` with sizes and checksums of all files beside `file`."""
    files = [one for one in sorted(file.parent.iterdir()) if one != file]
    value = said | {"files": {one.name: one.stat().st_size for one in files}}
    value |= {"sha256": {one.name: sha256(one) for one in files}}
    write_json(file, value | {"own": digest_of(value)})


def read(file: Path) -> Seal:
    """Read what `write` wrote; raises `RunError` where it is missing or damaged."""
    return read_object(file, Seal, RunError, "the checkpoint is damaged or half copied")


def check(file: Path) -> None:
    """Raise `RunError`, naming the file, where anything beside `file` is not what it was when it was written."""
    held = read(file)
    value = json.loads(file.read_text(encoding="utf-8"))
    if held.own and digest_of({key: item for key, item in value.items() if key != "own"}) != held.own:
        raise RunError(f"{file} has changed since it was written (its checksum differs)")
    for name, size in held.files.items():
        one = file.parent / name
        if not one.is_file() or one.stat().st_size != size:
            raise RunError(f"{one} is missing or cut short")
        if name in held.sha256 and sha256(one) != held.sha256[name]:
            raise RunError(f"{one} has changed since it was written (its checksum differs)")
