"""Started by `test_distributed`: joins and leaves a group several times, and adds something up in each.

Usage: python -m tests.train.several_groups OUT TIMES
"""

import sys
from pathlib import Path

import torch

from pointssl.runs.weights import write_tensors
from pointssl.train.runtime import start


def main(out: Path, times: int) -> None:
    """Write the sums over both processes of rank + time."""
    sums, rank = [], 0
    for time in range(times):
        with start("cpu") as runtime:
            rank = runtime.rank
            sums.append(float(runtime.total(torch.tensor(float(rank + time)))))
    write_tensors(out / f"rank-{rank}.safetensors", {"sums": torch.tensor(sums)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
