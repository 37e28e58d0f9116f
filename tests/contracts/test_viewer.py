"""The bundled viewer is made from the sources that stand beside it."""

import hashlib
import re
from pathlib import Path

from pointssl.show.page import viewer

FOLDER = Path(__file__).parents[2] / "viewer"


def test_viewer__is_built_from_these_sources() -> None:
    names = ["build.mjs", "package-lock.json", "tsconfig.json", *(f"src/{p.name}" for p in (FOLDER / "src").iterdir())]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0".encode() + (FOLDER / name).read_bytes() + b"\0")
    stated = re.search(r"sources sha256 ([0-9a-f]{64})", viewer.script())
    assert stated is not None
    assert stated[1] == digest.hexdigest(), "viewer/ has changed; run: make viewer"
