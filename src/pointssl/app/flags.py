"""Flags from signatures: a function's arguments and docstring are its command line, and every complaint is one line."""

import functools
import io
import math
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import tyro

from pointssl.errors import SettingError

T = TypeVar("T")

_COUNTS = ("points", "clouds", "shapes", "batch")
"""Flags of which none would leave nothing to do."""

_FRAME = re.compile(r"^[╭╮╰╯│|+]|[╭╮╰╯│|+]$")
_RULE = re.compile(r"─{3,}|-{8,}")  # tyro draws with ASCII where the terminal knows no more


def call(function: Callable[..., object], words: Sequence[str], prog: str) -> None:
    """Call `function` with the flags in `words`; raises `SettingError` for flags or values that it does not take."""

    @functools.wraps(function)
    def bind(*arguments: Any, **flags: Any) -> Callable[[], object]:
        for name, value in (*flags.items(), *(("the arguments", one) for one in arguments)):
            _require_number(name, value)
        return lambda: function(*arguments, **flags)

    ready = _parse(bind, words, prog, {})
    ready()


def change(settings: T, words: Sequence[str], prog: str) -> T:
    """Return `settings` (a dataclass) with the changes in `words`; raises `SettingError` for what it does not take."""
    return _parse(type(settings), words, prog, {"default": settings})


def _require_number(name: str, value: Any) -> None:
    """Refuse NaN, infinities and numbers below 0: no command's own flag has a use for them, and they fail late."""
    if is_dataclass(value) and not hasattr(value, "__post_init__"):  # flags that several commands share
        for field in fields(value):
            _require_number(field.name, getattr(value, field.name))
    least = 1 if name in _COUNTS else 0
    for one in value if isinstance(value, list | tuple) else (value,):
        if isinstance(one, float) and not math.isfinite(one):
            raise SettingError(f"{name} must be a finite number, got {one}")
        if isinstance(one, int | float) and not isinstance(one, bool) and one < least:
            raise SettingError(f"{name} must be at least {least}, got {one}")


def _parse(target: Callable[..., T], words: Sequence[str], prog: str, settings: dict[str, Any]) -> T:
    said = io.StringIO()
    try:
        # Help goes where the user reads it; a complaint is caught and told as one line.
        with nullcontext() if {"-h", "--help"} & set(words) else redirect_stderr(said):
            result: T = tyro.cli(target, args=list(words), prog=prog, **settings)
    except ValueError as error:  # settings check themselves
        raise SettingError(f"{error}; see `{prog} --help`") from error
    except SystemExit as error:
        if not error.code or not said.getvalue():
            raise
        raise SettingError(f"{complaint(said.getvalue())}; see `{prog} --help`") from None
    return result


def complaint(box: str) -> str:
    """Return what tyro says in a framed box as one line: the fault, and the first flag that it offers instead."""
    lines = [_FRAME.sub("", line.strip()).strip() for line in box.splitlines()[1:]]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if _RULE.search(line):
            paragraphs.append([])
        elif line:
            paragraphs[-1].append(line)
    paragraphs = [
        words for words in paragraphs if words and not words[0].startswith(("For full help", "Argument help"))
    ]
    fault, *hints = [" ".join(words) for words in paragraphs] or ["the command line could not be read"]
    offered = re.search(r"Perhaps you meant: (--[\w.-]+)", " ".join(hints))
    fault = re.sub(r"\s+", " ", re.sub(r"__tyro[-_\w]*__:?", "", fault)).rstrip(".:; ")
    return f"{fault} (did you mean {offered[1]}?)" if offered else fault


def summary(function: Callable[..., None]) -> str:
    """Return the first line of a command's docstring."""
    return (function.__doc__ or "").partition("\n")[0]


def value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return what follows a flag, before all flags are read: what it names decides the defaults of the others."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word.replace("_", "-").split("=")[0] == flag:
            return word.partition("=")[2] if "=" in word else following
    return None
