"""Where the clouds of a cut store come from."""

from dataclasses import dataclass
from pathlib import Path

from pointssl.data.store.manifest import read_manifest
from pointssl.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where a cloud of the store lay."""

    file: str
    """Relative to the folder that was cut."""
    scan: int
    """Which of the scans in the file."""
    sha256: str
    """Of the file, to tell whether it is still the same."""
    corner: tuple[float, float, float]
    """To be added to the block's coordinates."""


def blocks_of(store: str | Path) -> list[Block]:
    """Return where each cloud of a store that `cut` wrote comes from, in the order of the clouds.

    Raises:
        DataError: no store, or one that was not cut.
    """
    settings = read_manifest(Path(store)).settings
    if "blocks" not in settings:
        raise DataError(f"{store} was not cut from scans; make such a store with: pointssl data cut SRC OUT")
    sources = settings["sources"]
    return [Block(**sources[number], corner=tuple(corner)) for number, corner in settings["blocks"]]
