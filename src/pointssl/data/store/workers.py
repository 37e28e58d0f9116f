"""Independent jobs on several processes that end well: on an error, on Ctrl-C, and when the parent is killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from typing import TypeVar

from pointssl.errors import UserError

T = TypeVar("T")

_UNGUARDED = 87
"""Exit code of a worker that found itself running the user's script from its beginning."""
GUARD = (
    "this script starts processes, and each of them runs it from its beginning: put what it does under `if __name__ == "
    '"__main__":`, or give workers=1'
)


def run_all(jobs: Sequence[Callable[[], T]], workers: int) -> Iterator[T]:
    """Run every job and yield the results as they come; the first error ends the others and is raised.

    One worker (or one job) means this process. More are started afresh, not forked, because the threads of other
    libraries do not survive a fork; a script that gets here must keep its work under `if __name__ == "__main__"`.
    """
    workers = min(workers, len(jobs))
    if workers <= 1:
        for job in jobs:
            yield job()
        return
    leave_if_unguarded()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        futures = [pool.submit(job) for job in jobs]
        started = list((pool._processes or {}).values())
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenExecutor as error:
            pool.shutdown(wait=True, cancel_futures=True)  # only then they have exit codes
            if any(one.exitcode == _UNGUARDED for one in started):
                raise UserError(GUARD) from error
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def leave_if_unguarded() -> None:
    """End a worker that is still on its way through the user's script: what comes next is the parent's to do.

    Python itself raises an error there, of twenty lines that name neither the script nor the way out.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_UNGUARDED)


def _start_worker() -> None:
    # Ctrl-C reaches all processes of a terminal; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is gone: a pool's workers wait for ever where it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
