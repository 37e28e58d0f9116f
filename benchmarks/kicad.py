"""KiCad's whole library of 3D models (VRML and STEP) through `pointssl data pack`; writes results/kicad.json.

    apt-get download kicad-packages3d && dpkg-deb -x kicad-packages3d_*.deb FOLDER
    python benchmarks/kicad.py FOLDER/usr/share/kicad/3dmodels STORE [--out results/kicad.json]

Every file that was left out stands in the results with its reason. A run that was stopped goes on by the same command;
its time is then that of the last run.
"""

import argparse
import resource
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from pointssl.data.store.manifest import read_manifest
from pointssl.data.store.pack import pack
from pointssl.files import write_json


def main() -> None:
    """Pack and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/kicad.json"))
    given = parser.parse_args()
    offered = Counter(path.suffix for path in given.models.rglob("*") if path.suffix in (".wrl", ".step"))
    began = time.monotonic()
    summary = pack(given.models, given.store, workers=given.workers)
    seconds = time.monotonic() - began
    packed = Counter(Path(source).suffix for source in read_manifest(given.store).clouds.source)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    results = {
        "offered": dict(sorted(offered.items())),
        "packed": dict(sorted(packed.items())),
        "left_out": [
            {"file": str(one.path.relative_to(given.models)), "reason": one.reason} for one in summary.failures
        ],
        "not_read": summary.ignored,
        "seconds": round(seconds),
        "processor_seconds": round(sum(one.ru_utime + one.ru_stime for one in used)),
        "shards_of_an_earlier_run": summary.reused,
        "peak_mib": {"own": used[0].ru_maxrss >> 10, "children": used[1].ru_maxrss >> 10},
        "workers": given.workers,
        "versions": {name: version(name) for name in ("cascadio", "numpy")},
    }
    write_json(given.out, results)
    print(results)


if __name__ == "__main__":
    main()
