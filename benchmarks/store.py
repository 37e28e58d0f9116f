"""Random reads per second from the packed store, beside h5py and an archive held in memory; writes results/store.json.

    python benchmarks/store.py [--clouds 4000] [--reads 20000]

Every way reads the same clouds in the same random order and hands over an array of its own; all must agree.
Generated clouds of 2,048 points are written into a temporary folder first. The page cache is warm, as in training
after the first epoch.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pointssl.data.cloud import Cloud
from pointssl.data.store.dataset import PackedDataset, write_store
from pointssl.files import write_json

POINTS = 2048
ROUNDS = 3
"""The fastest of these counts: others use the machine too."""

Read = Callable[[int], NDArray[np.float32]]


def reads_per_second(read: Read, order: list[int]) -> tuple[float, float]:
    """Return the best speed over the rounds, and the sum of one value of every read."""
    best, total = float("inf"), 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        total = 0.0
        for index in order:
            total += float(read(index)[index % POINTS, 1])
        best = min(best, time.perf_counter() - start)
    return len(order) / best, total


def main() -> None:
    """Write the same clouds in three ways, read them, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clouds", type=int, default=4000)
    parser.add_argument("--reads", type=int, default=20_000)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    points = generator.random((arguments.clouds, POINTS, 3), dtype=np.float32)
    order = generator.integers(0, arguments.clouds, arguments.reads).tolist()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_store(root / "store", (Cloud(points=one, name=str(place)) for place, one in enumerate(points)))
        with h5py.File(root / "clouds.h5", "w") as file:
            file.create_dataset("data", data=points, chunks=(1, POINTS, 3))
        np.savez(root / "clouds.npz", points=points)
        packed = PackedDataset(root / "store")
        with h5py.File(root / "clouds.h5", "r") as file, np.load(root / "clouds.npz") as archive:
            stored, held = file["data"], archive["points"]
            ways: dict[str, Read] = {
                "packed store": packed.xyz,
                "h5py, a chunk per cloud": lambda index: stored[index],
                "npz held in memory": lambda index: held[index].copy(),
            }
            speeds, sums = {}, {}
            for way, read in ways.items():
                speeds[way], sums[way] = reads_per_second(read, order)
            same = all(np.array_equal(packed.xyz(index), stored[index]) for index in order[:500])
    if not same or len(set(sums.values())) != 1:
        raise SystemExit(f"the ways do not agree: {sums}")
    print(f"random reads of {POINTS} x 3 float32, {arguments.clouds} clouds, best of {ROUNDS} rounds, values agree")
    for way, speed in speeds.items():
        print(f"  {way:<26}{speed:>12,.0f} clouds/s")
    result = {
        "what": "random reads per second, one process, warm page cache",
        "clouds": arguments.clouds,
        "points": POINTS,
        "reads": arguments.reads,
        "clouds_per_second": {way: round(speed) for way, speed in speeds.items()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("pointssl", "numpy", "h5py")},
    }
    write_json(Path(__file__).parents[1] / "results/store.json", result)


if __name__ == "__main__":
    main()
