"""Ctrl-C and a polite kill, noticed between two steps instead of in the middle of one.

A closed terminal (SIGHUP) and a scheduler's warning that the time is up (SIGUSR1, as SLURM's `--signal=USR1@60` sends)
count as such: whatever says that the process is about to end saves its state. Windows knows neither.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

from pointssl.progress import console

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")


@final
class StopSignal:
    """Remembers that the run was asked to stop; the second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take the signal: what `signal.signal` calls."""
        if self.received:
            if number in (signal.SIGINT, signal.SIGTERM):  # the others may come in a row, and are no impatience
                raise KeyboardInterrupt
            return
        self.received = True
        console.print("stopping after this step, once its checkpoint is written; again to stop at once")


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Take the signals for a while; outside the main thread, where Python cannot, nothing is taken.

    A hangup that the caller ignores, as under `nohup`, stays ignored.
    """
    asked = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    taken = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    taken = [one for one in taken if signal.getsignal(one) is not signal.SIG_IGN or one == signal.SIGINT]
    before = {number: signal.signal(number, asked) for number in taken}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
