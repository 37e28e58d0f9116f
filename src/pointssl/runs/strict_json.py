"""Frozen dataclasses to JSON and back, refusing whatever is misspelt, missing or of another type.

cattrs does the walking. Ours are the tags (`{"kind": "parae", ...}` for the settings of a method or a backbone), the
refusal of silent conversions (cattrs alone reads 1.5 as the whole number 1), and errors that name the place and the
nearest known setting.
"""

import math
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

from pointssl.backbones import BACKBONES, BackboneConfig
from pointssl.errors import SettingError, nearest
from pointssl.methods import METHODS, SUPERVISED, MethodConfig

T = TypeVar("T")


def unstructure(settings: Any) -> dict[str, Any]:
    """Return a settings dataclass as JSON values, tuples as lists."""
    return cast(dict[str, Any], _converter().unstructure(settings))


def structure(value: Any, into: type[T], where: str) -> T:
    """Read JSON values into the dataclass `into`; `where` opens the message of the `SettingError` on any fault."""
    if not isinstance(value, dict):
        raise SettingError(f"{where}: expected an object with settings, got {value!r}")
    try:
        return _converter().structure(value, into)
    except BaseValidationError as error:
        path, reason = _first_fault(error)
        raise SettingError(f"{where}: {'.'.join(path)}: {reason}" if path else f"{where}: {reason}") from error


def _converter() -> Converter:
    """Return a converter that knows the methods and backbones of this moment, the user's own included."""
    converter = Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook_func(
        lambda t: isinstance(t, type) and issubclass(t, tuple), lambda v: [converter.unstructure(item) for item in v]
    )
    converter.register_structure_hook(int, lambda v, _: _exactly(v, "a whole number", isinstance(v, int)))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(bool, lambda v, _: _exactly(v, "true or false", isinstance(v, bool), bool))
    converter.register_structure_hook(str, lambda v, _: _exactly(v, "a text", isinstance(v, str)))
    for union, table in ((MethodConfig, METHODS | SUPERVISED), (BackboneConfig, BACKBONES)):
        kinds = {name: settings for name, (settings, _) in cast(dict[str, tuple[type, type]], table).items()}
        _register_tagged(converter, union, kinds)
    return converter


def _register_tagged(converter: Converter, union: Any, kinds: dict[str, type]) -> None:
    """Write the settings of each kind with their name, and read them by it."""
    readers: dict[str, Any] = {
        name: make_dict_structure_fn(settings, converter, _cattrs_forbid_extra_keys=True)
        for name, settings in kinds.items()
    }

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError(f"needs a kind{nearest('', kinds)}")
        kind = value["kind"]
        if kind not in kinds:
            raise ValueError(f"unknown kind '{kind}'{nearest(str(kind), kinds)}")
        return readers[kind]({key: item for key, item in value.items() if key != "kind"}, kinds[kind])

    def write(value: Any) -> dict[str, Any]:
        kind = next(name for name, settings in kinds.items() if settings is type(value))
        return {"kind": kind} | {f.name: converter.unstructure(getattr(value, f.name)) for f in fields(value)}

    converter.register_structure_hook_func(lambda t: t == union or t in kinds.values(), read)
    converter.register_unstructure_hook_func(lambda t: t in kinds.values(), write)


def _exactly(value: Any, expected: str, fits: bool, kind: type = int) -> Any:
    """Return `value` unchanged, or say what was expected; true and false are not numbers here."""
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"must be {expected}, got {value!r}")
    return value


def _structure_float(value: Any, _: Any) -> float:
    _exactly(value, "a number", isinstance(value, int | float) and math.isfinite(value))
    return float(value)


def _first_fault(error: BaseException) -> tuple[tuple[str, ...], str]:
    """Return the place of the first fault and what is wrong there."""
    if isinstance(error, ForbiddenExtraKeysError):
        name = sorted(error.extra_fields)[0]
        known = [f.name for f in fields(error.cl)] if is_dataclass(error.cl) else []
        return (), f"unknown setting '{name}'{nearest(name, known)}"
    if isinstance(error, ClassValidationError):
        noted, plain = error.group_exceptions()
        if noted:
            path, reason = _first_fault(noted[0][0])
            return (noted[0][1].name, *path), reason
        return _first_fault(plain[0])
    if isinstance(error, IterableValidationError):
        items, bare = error.group_exceptions()
        return _first_fault(items[0][0] if items else bare[0])
    return (), str(error)
