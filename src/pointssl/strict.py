"""JSON files into dataclasses, refusing whatever is missing, unknown or of another kind, in one line with its place.

cattrs does the walking; ours are the refusal of silent conversions (cattrs alone reads 1.5 as the whole number 1) and
errors that name the place.
"""

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from pointssl.errors import UserError, nearest

T = TypeVar("T")


def converter() -> Converter:
    """Return a converter that takes no number for a text, no fraction for a whole number, and no unknown name."""
    made = Converter(forbid_extra_keys=True)
    made.register_structure_hook(int, lambda v, _: _exactly(v, "a whole number", isinstance(v, int)))
    made.register_structure_hook(float, _float)
    made.register_structure_hook(bool, lambda v, _: _exactly(v, "true or false", isinstance(v, bool), bool))
    made.register_structure_hook(str, lambda v, _: _exactly(v, "a text", isinstance(v, str)))
    made.register_structure_hook_func(_is_list, lambda v, t: _structure_list(made, v, t.__args__[0]))
    made.register_structure_hook_func(
        _is_dict, lambda v, t: {name: made.structure(one, t.__args__[1]) for name, one in _object(v).items()}
    )
    made.register_structure_hook_func(lambda t: t is Any, lambda v, _: v)
    return made


def parse(file: Path, error: type[UserError], advice: str) -> Any:
    """Return the JSON value in `file`; an `error` of one line where there is none. `advice` ends the line."""
    try:
        return json.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError as missing:
        raise error(f"{file} is missing; {advice}") from missing
    except (ValueError, RecursionError) as damage:  # UnicodeDecodeError is a ValueError
        raise error(f"{file} is not JSON ({_line(damage)}); {advice}") from damage


def read_object(file: Path, into: type[T], error: type[UserError], advice: str) -> T:
    """Return the JSON object in `file` as the dataclass `into`; an `error` of one line that `advice` ends."""
    return structure(parse(file, error, advice), into, str(file), error, advice)


def structure(value: Any, into: type[T], where: str, error: type[UserError], advice: str) -> T:
    """Return a JSON value as the dataclass `into`; an `error` that `where` begins and `advice` ends."""
    try:
        return converter().structure(_object(value), into)
    except (BaseValidationError, ValueError, TypeError, RecursionError, OverflowError) as fault:
        path, reason = first_fault(fault)
        place = f"{'.'.join(path)}: " if path else ""
        raise error(f"{where}: {place}{reason}; {advice}") from fault


def first_fault(error: BaseException) -> tuple[tuple[str, ...], str]:
    """Return the place of the first fault and what is wrong there."""
    if isinstance(error, ForbiddenExtraKeysError):
        name = sorted(map(str, error.extra_fields))[0]
        known = [f.name for f in fields(error.cl)] if is_dataclass(error.cl) else []
        return (), f"unknown setting '{name}'{nearest(name, known)}"
    if isinstance(error, ClassValidationError):
        noted, plain = error.group_exceptions()
        if noted:
            path, reason = first_fault(noted[0][0])
            return (noted[0][1].name, *path), reason
        return first_fault(plain[0])
    if isinstance(error, IterableValidationError):
        items, bare = error.group_exceptions()
        return first_fault(items[0][0] if items else bare[0])
    if isinstance(error, KeyError):
        return (), f"{error} is missing"
    return (), _line(error)


def _exactly(value: Any, expected: str, fits: bool, kind: type = int) -> Any:
    """Return `value` unchanged, or say what was expected; true and false are not numbers here."""
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"must be {expected}, got {_short(value)}")
    return value


def _float(value: Any, _: Any) -> float:
    _exactly(value, "a number", isinstance(value, int | float) and math.isfinite(value))
    return float(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list, got {_short(value)}")  # noqa: TRY004 (one kind of error for all that JSON can hold)
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object with names, got {_short(value)}")  # noqa: TRY004
    return value


def _structure_list(made: Converter, value: Any, kind: Any) -> list[Any]:
    items = _list(value)
    if kind in (str, int) and all(type(item) is kind for item in items):  # manifests have hundreds of thousands
        return items
    return [made.structure(item, kind) for item in items]


def _is_list(t: Any) -> bool:
    return getattr(t, "__origin__", None) is list


def _is_dict(t: Any) -> bool:
    return getattr(t, "__origin__", None) is dict


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # a number of 5,000 digits has no text
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:400]
