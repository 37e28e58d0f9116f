"""A process that reads files for this one, and may be ended by what it meets there.

It answers many questions, each by the limits of a file, is ended where an answer takes too long, and is started again
for the next. It is a plain subprocess, not one of `multiprocessing`, so a script that opens data needs no
`if __name__ == "__main__"`.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from pointssl.errors import DataError, SettingError, UserError

_START = "import sys; sys.path[:] = {path!r}; from pointssl.data.files.child import serve; serve()"
_AHEAD = 64
"""Files that are asked for together: the child reads on while the last cloud is worked on."""
_MINE = threading.local()
"""The children of this thread, with the process that started each: a fork must not talk to its parent's."""


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


class Question(NamedTuple):
    """What the child is asked: to go through `read(*arguments)`, by the limits of a file."""

    path: Path
    read: Callable[..., Iterator[Any]]
    """A function of a module: its name is what is sent."""
    arguments: tuple[Any, ...]


class Failed(NamedTuple):
    """An answer that is none."""

    error: Exception


def answered(questions: Sequence[Question]) -> Iterator[tuple[int, Any]]:
    """Put questions to a child; yield the number of each and one of its answers, `Failed` for what went wrong."""
    child = _free_child()
    child.busy = True
    now, asked, whole = 0, 0, False
    try:
        while now < len(questions):
            if asked < len(questions) and asked - now < _AHEAD // 2:
                ahead = questions[asked : asked + _AHEAD]
                child.ask([(one.read, one.arguments, Limits.of(one.path).memory) for one in ahead])
                asked += len(ahead)
            answer = child.answer(questions[now].path)
            if isinstance(answer, DataError):  # the child is gone, and with it what it was asked
                yield now, Failed(answer)
                child, now = _free_child(), now + 1
                child.busy, asked = True, now
            elif answer is None:
                now += 1
            else:
                yield now, answer[0]
        whole = True
    finally:  # also where the caller wants no more: what is still to come must not answer the next question
        child.busy = False
        if not whole:
            child.end()


@final
class _Child:
    """A process that reads; its lines are pickles between two programs of ours, never a user's."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.busy = False
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


def _free_child() -> _Child:
    """Return a child of this thread that nobody waits for: a reading may be left open while another begins."""
    children: list[_Child] = [one for one in getattr(_MINE, "children", []) if one.owner == os.getpid() and one.alive]
    free = next((one for one in children if not one.busy), None)
    if free is None:
        free = _Child()
        children.append(free)
    _MINE.children = children
    return free


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
    read: Callable[..., Iterator[Any]], arguments: tuple[Any, ...], memory: int
) -> Iterator[tuple[Any] | None]:
    """Yield each answer in a tuple, and None behind the last."""
    _limit(memory)
    try:
        for found in read(*arguments):
            yield (found,)
    except MemoryError:
        wanted = f"reading it takes more than {memory / 2**20:.0f} MiB of memory; POINTSSL_READ_MIB=N allows more"
        yield (Failed(ValueError(wanted)),)
    except UserError as error:
        yield (Failed(error),)
    except Exception as error:  # of a class that may not survive the way
        yield (Failed(ValueError((str(error).strip() or type(error).__name__).splitlines()[0])),)
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
