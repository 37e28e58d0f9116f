"""The door for files whose parsers are compiled code of others: what they do to a damaged file costs one child.

Such parsers may loop for ever, ask for all memory, or end the process. Their kinds of file are read in a child; what
our own readers take, whose counts are compared with the size of the file first, is read at once, because the way
through a child costs a small file a quarter to two thirds of its time.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from pointssl.data.cloud import Cloud
from pointssl.data.files import readers
from pointssl.data.files.child import Failed, Question, answered
from pointssl.data.files.kinds import kind_of
from pointssl.errors import DataError

T = TypeVar("T")
P = ParamSpec("P")

FOREIGN = frozenset({".laz", ".h5", ".hdf5", ".e57", ".step", ".stp", ".dae"})
"""Kinds of files whose parsers are compiled code of others: lazrs, HDF5, libE57Format, Open CASCADE, libxml2."""


class Request(NamedTuple):
    """Some clouds of a file: from place `start` to just before `stop`."""

    path: Path
    start: int
    stop: int


Found = Iterator[tuple[int, int | None, Cloud | DataError]]
"""The number of a request, a place in its file, and the cloud there or why there is none.

An error without a place is one of the whole file: so is one that took more than its `Limits`, or ended the process.
"""


def apart(read: Callable[Concatenate[Path, P], T], path: str | Path, *arguments: P.args, **named: P.kwargs) -> T:
    """Return what `read(path, ...)` does, in a child where files of this kind have a foreign parser.

    Raises:
        DataError: as `read`, or where the file took more than its `Limits` or ended the process.
    """
    path = Path(path)
    if not is_foreign(path):
        return read(path, *arguments, **named)
    [found] = stream(_once, path, partial(read, path, *arguments, **named))
    return cast(T, found)


def stream(read: Callable[..., Iterator[Any]], path: Path, *arguments: Any) -> Iterator[Any]:
    """Yield what `read(*arguments)` does, in a child where files of the kind of `path` have a foreign parser."""
    if not is_foreign(path):
        yield from read(*arguments)
        return
    for _, found in answered([Question(path, read, arguments)]):
        if isinstance(found, Failed):
            raise found.error
        yield found


def is_foreign(path: Path) -> bool:
    """Tell whether a file is read by a compiled parser of others."""
    return kind_of(path) in FOREIGN


def read_each(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    """Answer requests in their order, those for files of foreign parsers in a process of their own."""
    first = 0
    for foreign, group in groupby(requests, key=lambda one: is_foreign(one.path)):
        asked = list(group)
        read = read_apart if foreign else _read_here
        for number, place, cloud in read(asked, points=points, seed=seed, columns=columns):
            yield first + number, place, cloud
        first += len(asked)


def _read_here(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    for number, request in enumerate(requests):
        try:
            for place, cloud in _clouds(*request, points, seed, columns):
                yield number, place, cloud
        except DataError as error:
            yield number, None, error


def read_apart(requests: Sequence[Request], *, points: int, seed: int, columns: Sequence[str] | None) -> Found:
    """Answer requests by a child."""
    questions = [Question(one.path, _clouds, (*one, points, seed, columns)) for one in requests]
    for number, found in answered(questions):
        if not isinstance(found, Failed):
            yield number, *found
        elif isinstance(found.error, DataError):
            yield number, None, found.error
        else:
            raise found.error  # such as a package that is not installed


def _clouds(
    path: Path, start: int, stop: int, points: int, seed: int, columns: Sequence[str] | None
) -> Iterator[tuple[int, Cloud | DataError]]:
    clouds = readers.iterate_clouds(path, points=points, seed=seed, start=start, stop=stop, columns=columns)
    yield from enumerate(clouds, start=start)


def _once(read: Callable[[], T]) -> Iterator[T]:
    yield read()
