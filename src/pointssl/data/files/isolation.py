"""A reading process: what foreign parsers do to a damaged file costs one child, and nobody else.

Compiled parsers of other packages may loop for ever, ask for all memory, or end the process. Their kinds of file are
read in a child; what our own readers take, whose counts are compared with the size of the file first, is read at once,
because the way through a child costs a small file a quarter to two thirds of its time. The child reads many files, is
ended where one takes too long, and is started again for the next. It is a plain subprocess, not one of
`multiprocessing`, so a script that opens data needs no `if __name__ == "__main__"`.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, final

from pointssl.data.cloud import Cloud
from pointssl.data.files import readers
from pointssl.errors import DataError, SettingError

_START = "import sys; sys.path[:] = {path!r}; from pointssl.data.files.isolation import serve; serve()"
FOREIGN = frozenset({".laz", ".h5", ".hdf5", ".e57", ".step", ".stp"})
"""Endings of files whose parsers are compiled code of others: lazrs, HDF5, libE57Format, Open CASCADE."""
_AHEAD = 64
"""Files that are asked for together: the child reads on while the last cloud is worked on."""
_MINE = threading.local()
"""The child of this thread, with the process that started it: a fork must not talk to its parent's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the reading of one file may take."""

    seconds: float
    """Until its next cloud is there."""
    memory: int
    """Bytes of the reading process; not kept to where the system has no such limit (Windows, macOS)."""

    @classmethod
    def of(cls, path: Path) -> "Limits":
        """Return what a file of this size may take, unless POINTSSL_READ_SECONDS or POINTSSL_READ_MIB say otherwise.

        A minute and a second per MB; 2 GiB and 32 times the size of the file.
        """
        size = path.stat().st_size if path.is_file() else 0
        seconds, mib = _stated("POINTSSL_READ_SECONDS"), _stated("POINTSSL_READ_MIB")
        return cls(
            seconds=60 + size / 1e6 if seconds is None else seconds,
            memory=2**31 + 32 * size if mib is None else int(mib * 2**20),
        )


class Request(NamedTuple):
    """Some clouds of a file: from place `start` to just before `stop`."""

    path: Path
    start: int
    stop: int


Found = Iterator[tuple[int, int | None, Cloud | DataError]]
"""The number of a request, a place in its file, and the cloud there or why there is none.

An error without a place is one of the whole file: so is one that took more than its `Limits`, or ended the process.
"""


def read_each(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    """Answer requests in their order, those for files of foreign parsers in a process of their own."""
    first = 0
    for foreign, group in groupby(requests, key=lambda one: one.path.suffix.lower() in FOREIGN):
        asked = list(group)
        read = read_apart if foreign else _read_here
        for number, place, cloud in read(asked, points=points, seed=seed, columns=columns):
            yield first + number, place, cloud
        first += len(asked)


def _read_here(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    for number, (path, start, stop) in enumerate(requests):
        try:
            clouds = readers.iterate_clouds(path, points=points, seed=seed, start=start, stop=stop, columns=columns)
            for place, cloud in enumerate(clouds, start=start):
                yield number, place, cloud
        except DataError as error:
            yield number, None, error


def read_apart(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    """Answer requests by the child of this thread."""
    child = _child()
    now, asked, answered = 0, 0, False
    try:
        while now < len(requests):
            if asked < len(requests) and asked - now < _AHEAD // 2:
                ahead = requests[asked : asked + _AHEAD]
                child.ask([(*one, points, seed, columns, Limits.of(one.path).memory) for one in ahead])
                asked += len(ahead)
            answer = child.answer(requests[now].path)
            if isinstance(answer, DataError):  # the child is gone, and with it what it was asked
                yield now, None, answer
                child, now = _child(), now + 1
                asked = now
            elif answer is None:
                now += 1
            else:
                place, cloud = answer
                if isinstance(cloud, Exception) and not isinstance(cloud, DataError):
                    raise cloud  # such as a package that is not installed
                yield now, place, cloud
        answered = True
    finally:  # also where the caller wants no more: what is still to come must not answer the next question
        if not answered:
            child.end()


@final
class _Child:
    """A process that reads; its lines are pickles between two programs of ours, never a user's."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        command = [sys.executable, "-c", _START.format(path=sys.path)]
        pipe = subprocess.PIPE  # a wide one: the child goes on while the parent is at work
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=2**20, pipesize=2**20)
        self._until: float | None = None
        self._late = False
        threading.Thread(target=_watch, args=(weakref.ref(self),), daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, questions: list[tuple[Any, ...]]) -> None:
        """Put questions; they are answered in their order."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # then no answer comes, and that is told
            pickle.dump(questions, self._process.stdin)
            self._process.stdin.flush()

    def answer(self, path: Path) -> Any:
        """Return a place and what is there, None after the last of a file, or an error where the process is gone."""
        limits = Limits.of(path)
        self._until = time.monotonic() + limits.seconds
        try:
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, pickle.UnpicklingError, OSError):
            self.end()
            return DataError(
                f"{path} cannot be read: it took more than {limits.seconds:g} s; POINTSSL_READ_SECONDS=N allows more"
                if self._late
                else f"{path} cannot be read: it ended the process that read it (code {self._process.returncode})"
            )
        finally:
            self._until = None

    def stop_if_late(self) -> bool:
        """End the process where an answer is overdue; tell whether there is anything left to watch."""
        if self._until is not None and time.monotonic() > self._until:
            self._late = True
            self._process.kill()
        return self.alive

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def __del__(self) -> None:
        if os.getpid() == self.owner:
            self.end()


def _watch(child: "weakref.ref[_Child]") -> None:
    while True:
        time.sleep(0.2)
        watched = child()
        if watched is None or not watched.stop_if_late():
            return
        del watched


def _child() -> _Child:
    child: _Child | None = getattr(_MINE, "child", None)
    if child is None or child.owner != os.getpid() or not child.alive:
        child = _MINE.child = _Child()
    return child


def serve() -> None:
    """Answer questions until there are no more; the life of the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides what it means
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints must not stand among the answers
    questions: queue.SimpleQueue[list[tuple[Any, ...]]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    while True:
        for question in questions.get():
            for answer in _answers(*question):
                pickle.dump(answer, out, protocol=5)
                out.flush()


def _answers(
    path: Path, start: int, stop: int, points: int, seed: int, columns: Sequence[str] | None, memory: int
) -> Iterator[tuple[int | None, Cloud | Exception] | None]:
    _limit(memory)
    try:
        clouds = readers.iterate_clouds(path, points=points, seed=seed, start=start, stop=stop, columns=columns)
        yield from enumerate(clouds, start=start)
    except MemoryError:
        wanted = f"reading it takes more than {memory / 2**20:.0f} MiB of memory; POINTSSL_READ_MIB=N allows more"
        yield None, DataError(f"{path} cannot be read: {wanted}")
    except Exception as error:
        yield None, error
    yield None


def _listen(questions: "queue.SimpleQueue[list[tuple[Any, ...]]]") -> None:
    """Take questions; leave, in the middle of a file too, when the parent is gone."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            questions.put(pickle.load(sys.stdin.buffer))
    os._exit(0)


def _limit(memory: int) -> None:
    with suppress(ImportError, ValueError, OSError, AttributeError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


def _stated(name: str) -> float | None:
    text = os.environ.get(name)
    if text is None:
        return None
    with suppress(ValueError):
        value = float(text)
        if 0 < value < 1e9:
            return value
    raise SettingError(f"{name} must be a number above 0, got '{text}'")
