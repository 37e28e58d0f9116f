"""Time and memory of `pointssl data cut` on a scan of many million points of each kind.

    python benchmarks/large_scans.py [--millions 20] [--kinds las,laz,ply,pcd,e57] [--out results/large-scans.json]

Writes results/large-scans.json. The scan is a slope of 100 points a square metre with intensity and colour, its
coordinates those of a survey. It is written a million points at a time, where the library that writes can do that
(pye57 cannot). Peaks are those of the command and of the child that reads for it, as the system counts them (maximum
resident set): of kinds that are mapped into memory (ply, pcd) what the system keeps of the file is in them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import laspy
import numpy as np

from pointssl.files import write_json

STEP = 1_000_000
FAR = np.array([512000.0, 5412000.0, 200.0])
COLORS = ("red", "green", "blue")
RECORD = [*((axis, "<f8") for axis in "xyz"), *((name, "u1") for name in COLORS), ("intensity", "<f4")]
_CUT = """
import json, resource, sys
from pathlib import Path
from pointssl.data.cut.cut import cut
done = cut(Path(sys.argv[1]), Path(sys.argv[2]), size=20.0, overlap=1.0)
peak = [resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
from pointssl.data.files import child
for one in getattr(child._MINE, "children", []):
    one.end()
peak[1] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print(json.dumps({"points": done.points, "blocks": done.blocks, "peak": peak}))
"""


def piece(number: int) -> np.ndarray[Any, Any]:
    """Return a million points."""
    rng = np.random.default_rng(number)
    table = np.zeros(STEP, RECORD)
    side = 100.0
    x, y = rng.random((2, STEP)) * side
    table["x"] = np.round(x + FAR[0] + side * (number % 10), 3)
    table["y"] = np.round(y + FAR[1] + side * (number // 10), 3)
    table["z"] = np.round(FAR[2] + 0.05 * x + rng.normal(0, 0.02, STEP), 3)
    for name in COLORS:
        table[name] = rng.integers(0, 256, STEP)
    table["intensity"] = rng.random(STEP, dtype=np.float32)
    return table


def write_las(path: Path, pieces: int) -> None:
    """Write LAS or LAZ of format 2."""
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.offsets, header.scales = FAR, np.full(3, 0.001)
    with laspy.open(str(path), mode="w", header=header) as file:
        for number in range(pieces):
            table = piece(number)
            points = laspy.ScaleAwarePointRecord.zeros(STEP, header=header)
            points.x, points.y, points.z = table["x"], table["y"], table["z"]
            for name in COLORS:
                points[name] = table[name].astype(np.uint16) * 257
            points.intensity = (table["intensity"] * 65535).astype(np.uint16)
            file.write_points(points)


def write_ply(path: Path, pieces: int) -> None:
    """Write binary PLY."""
    kinds = {"<f8": "double", "u1": "uchar", "<f4": "float"}
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {pieces * STEP}\n"
    head += "".join(f"property {kinds[kind]} {name}\n" for name, kind in RECORD)
    _write(path, head + "end_header\n", pieces)


def write_pcd(path: Path, pieces: int) -> None:
    """Write binary PCD."""
    count, names = pieces * STEP, " ".join(name for name, _ in RECORD)
    head = f"VERSION 0.7\nFIELDS {names}\nSIZE 8 8 8 1 1 1 4\nTYPE F F F U U U F\nCOUNT 1 1 1 1 1 1 1\n"
    _write(path, head + f"WIDTH {count}\nHEIGHT 1\nPOINTS {count}\nDATA binary\n", pieces)


def _write(path: Path, head: str, pieces: int) -> None:
    with path.open("wb") as file:
        file.write(head.encode())
        for number in range(pieces):
            file.write(piece(number).tobytes())


def write_e57(path: Path, pieces: int) -> None:
    """Write E57 of one scan, its coordinates relative to the scanner's place."""
    import pye57

    table = np.concatenate([piece(number) for number in range(pieces)])
    file = pye57.E57(str(path), mode="w")
    fields = {f"cartesian{axis.upper()}": table[axis] - FAR["xyz".index(axis)] for axis in "xyz"}
    fields |= {f"color{name.title()}": table[name].astype(np.uint8) for name in COLORS}
    fields["intensity"] = table["intensity"].astype(np.float64)
    file.write_scan_raw(fields, rotation=np.array([1.0, 0, 0, 0]), translation=FAR)
    file.close()


KINDS: dict[str, Callable[[Path, int], None]] = {
    "las": write_las,
    "laz": write_las,
    "ply": write_ply,
    "pcd": write_pcd,
    "e57": write_e57,
}


def measure(kind: str, pieces: int, root: Path) -> dict[str, Any]:
    """Write a scan and cut it."""
    file, out = root / f"scan.{kind}", root / "blocks"
    written = subprocess.run(
        [sys.executable, __file__, "--write", kind, "--millions", str(pieces), "--out", str(file)], check=False
    )
    if written.returncode:
        return {"not_written": written.returncode}
    began, used = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, "-c", _CUT, str(file), str(out)], capture_output=True, text=True, check=False
    )
    after = os.times()
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    found = json.loads(done.stdout.splitlines()[-1])
    if found["points"] != pieces * STEP:
        raise RuntimeError(f"{found['points']} points of {pieces * STEP} were cut")
    return {
        "points": found["points"],
        "file_mib": file.stat().st_size >> 20,
        "blocks": found["blocks"],
        "peak_mib": {"own": found["peak"][0], "child": found["peak"][1]},
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(
            after.children_user + after.children_system - used.children_user - used.children_system, 1
        ),
    }


def main() -> None:
    """Measure each kind in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--write", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None, help="for the scans: some 5 GB")
    parser.add_argument("--out", type=Path, default=Path("results/large-scans.json"))
    given = parser.parse_args()
    if given.write:
        KINDS[given.write](given.out, given.millions[0])
        return
    results: dict[str, Any] = json.loads(given.out.read_text())["kinds"] if given.out.is_file() else {}
    for millions in given.millions:
        for kind in given.kinds.split(","):
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                results[f"{kind} {millions}"] = measure(kind, millions, Path(folder))
            print(kind, millions, results[f"{kind} {millions}"], flush=True)
            write_json(given.out, {"python": platform.python_version(), "kinds": results})


if __name__ == "__main__":
    main()
