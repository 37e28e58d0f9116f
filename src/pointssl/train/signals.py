"""Ctrl-C and a polite kill, noticed between two steps instead of in the middle of one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

from pointssl.progress import console


@final
class StopSignal:
    """Remembers that the run was asked to stop; the second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take the signal: what `signal.signal` calls."""
        if self.received:
            raise KeyboardInterrupt
        self.received = True
        console.print("stopping after this step, once its checkpoint is written; again to stop at once")


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """Take SIGINT and SIGTERM for a while; outside the main thread, where Python cannot, nothing is taken."""
    asked = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
