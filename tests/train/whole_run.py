"""Started in a process of its own by the tests that kill a run: trains the tiny run, and may kill itself on the way.

Usage: python -m tests.train.whole_run OUT MODE, where MODE is
    plain    train, or go on where a run is there
    cut      kill -9 itself halfway through writing the second checkpoint
    lose     under torchrun: the second process kills itself at the third step of the first attempt
    slow     take a tenth of a second per step, so that a signal finds it at work
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch

from pointssl.data.cloud import Points
from pointssl.errors import UserError
from pointssl.runs.weights import write_tensors
from pointssl.train import monitor, state
from pointssl.train.loop import Step
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config


def _kill_within_checkpoint() -> None:
    """Make the second checkpoint's optimiser file end in the middle, and the process with it."""
    write, seen = write_tensors, []

    def cut(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        write(path, tensors)
        seen.append(path.name)
        if seen.count("optimizer.safetensors") == 2:
            path.write_bytes(path.read_bytes()[:50])
            os.kill(os.getpid(), signal.SIGKILL)

    vars(state)["write_tensors"] = cut


def _lose_a_process() -> None:
    """Kill the second of the first attempt's processes at its third step."""
    if os.environ["RANK"] != "1" or os.environ["TORCHELASTIC_RESTART_COUNT"] != "0":
        return
    fault = monitor.LossWatch.fault

    def dying(self: monitor.LossWatch, step: Step) -> str | None:
        if step.index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return fault(self, step)

    monitor.LossWatch.fault = dying  # type: ignore[method-assign]


class _Slow(ToyClouds):
    """Clouds that take their time."""

    def xyz(self, index: int) -> Points:
        time.sleep(0.05)
        return super().xyz(index)


def main(out: Path, mode: str) -> None:
    """Run to the end, or to the planned accident."""
    if mode == "cut":
        _kill_within_checkpoint()
    if mode == "lose":
        _lose_a_process()
    slow = mode == "slow"
    config = tiny_config(steps=200, checkpoint_every=1000) if slow else tiny_config()
    try:
        pretrain(config, out, data=_Slow() if slow else ToyClouds(), resume=out.exists(), device="cpu")
    except UserError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
