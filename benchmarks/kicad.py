"""KiCad's whole library of 3D models (VRML and STEP) through `pointssl data pack`; writes results/kicad.json.

    apt-get download kicad-packages3d && dpkg-deb -x kicad-packages3d_*.deb FOLDER
    python benchmarks/kicad.py FOLDER/usr/share/kicad/3dmodels STORE [--out results/kicad.json]

Every file that was left out stands in the results with its reason. A run that was stopped goes on by the same command;
`--so-far` counts what is finished of one that is not.
"""

import argparse
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pointssl.data.store.manifest import read_manifest
from pointssl.data.store.pack import pack
from pointssl.data.store.resumable import notes_in
from pointssl.files import write_json

KINDS = (".wrl", ".step")


def counted(sources: list[str], left_out: list[dict[str, str]], models: Path, *, whole: bool) -> dict[str, Any]:
    """Return how many files of each kind there are, were packed, and why the others were not."""
    offered = Counter(path.suffix for path in models.rglob("*") if path.suffix in KINDS)
    packed = Counter(Path(source).suffix for source in sources)
    versions = {name: version(name) for name in ("cascadio", "numpy")}
    return {
        "whole": whole,
        "offered": dict(sorted(offered.items())),
        "packed": dict(sorted(packed.items())),
        "left_out": left_out,
        "versions": versions,
    }


def main() -> None:
    """Pack and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--so-far", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/kicad.json"))
    given = parser.parse_args()
    if given.so_far:
        notes = list(notes_in(given.store.with_name(f"{given.store.name}.partial")).values())
        failures = [(path, reason) for note in notes for path, reason in note["failures"]]
        left_out = [{"file": str(Path(path).relative_to(given.models)), "reason": reason} for path, reason in failures]
        sources = [source for note in notes for source in note["source"]]
    else:
        pack(given.models, given.store, workers=1)
        manifest = read_manifest(given.store)
        sources, left_out = manifest.clouds.source, manifest.failures
    results = counted(sources, left_out, given.models, whole=not given.so_far)
    write_json(given.out, results)
    print(results)


if __name__ == "__main__":
    main()
