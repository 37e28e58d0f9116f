"""Progress with an estimate of the time left, on a terminal and in a log file alike."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pointssl.formatting import visible

T = TypeVar("T")

WIDTH = 120
"""Columns of tables in files and pipes, which have no width of their own."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that does not squeeze tables into the 80 columns that a file is thought to have.

    Brackets and colons are never markup: what is printed are names of files, classes and runs as well.
    """
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = WIDTH
    return made


console = make_console(stderr=True)
"""Where progress and warnings go; standard output is kept for results."""


def say(text: str, to: Console = console) -> None:
    """Print a line as it is: brackets are no markup, and paths are not broken."""
    to.print(visible(text), markup=False, soft_wrap=True)


class Bar:
    """One line of progress: call `advance()` after each unit of work; `note` is shown behind it."""

    def __init__(self, label: str, total: int, done: int = 0) -> None:
        self._label, self._total, self._done, self._first = label, total, done, done
        self._start = self._last = time.monotonic()
        self._rich: Progress | None = None
        if console.is_terminal:
            names, notes = (TextColumn(f"{{task.{what}}}", markup=False) for what in ("description", "fields[note]"))
            columns = (names, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
            self._rich = Progress(*columns, TimeRemainingColumn(), notes, console=console)
            self._task = self._rich.add_task(label, total=total, completed=done, note="")
            self._rich.start()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Count `amount` more units as done."""
        self._done += amount
        if self._rich is not None:
            self._rich.update(self._task, advance=amount, note=note)
            return
        now = time.monotonic()
        # A log file gets a line every ten seconds and one at the end, not thousands.
        if now - self._last >= 10 or self._done >= self._total:
            self._last = now
            left = (now - self._start) / max(1, self._done - self._first) * (self._total - self._done)
            print(f"{self._label} {self._done}/{self._total}, {left:.0f} s left {note}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the moving parts; safe to call twice."""
        if self._rich is not None:
            self._rich.stop()


@contextmanager
def bar(label: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Open a `Bar` for a block of work; `done` units were finished in an earlier run."""
    made = Bar(label, total, done)
    try:
        yield made
    finally:
        made.close()


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield `items` unchanged and show how far the caller has come."""
    with bar(label, total) as line:
        for item in items:
            yield item
            line.advance()
