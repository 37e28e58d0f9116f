"""Frozen dataclasses to JSON and back, refusing whatever is misspelt, missing or of another type.

`strict` does the walking. Ours are the tags: `{"kind": "parae", ...}` for the settings of a method or a backbone.
"""

from dataclasses import fields
from typing import Any, TypeVar, cast

from cattrs import Converter
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn

from pointssl import strict
from pointssl.backbones import BACKBONES, BackboneConfig
from pointssl.errors import SettingError, nearest
from pointssl.methods import METHODS, SUPERVISED, MethodConfig
from pointssl.runs.passed import Passed

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
        path, reason = strict.first_fault(error)
        raise SettingError(f"{where}: {'.'.join(path)}: {reason}" if path else f"{where}: {reason}") from error


def _converter() -> Converter:
    """Return a converter that knows the methods and backbones of this moment, the user's own included."""
    converter = strict.converter()
    converter.register_unstructure_hook_func(
        lambda t: isinstance(t, type) and issubclass(t, tuple), lambda v: [converter.unstructure(item) for item in v]
    )
    for base, table in ((MethodConfig, METHODS | SUPERVISED), (BackboneConfig, BACKBONES)):
        kinds: dict[str, type] = {"object": Passed}
        kinds |= {name: settings for name, (settings, _) in cast(dict[str, tuple[type, Any]], table).items()}
        _register_tagged(converter, base, kinds)
    return converter


def _register_tagged(converter: Converter, base: type, kinds: dict[str, type]) -> None:
    """Write the settings of each kind with their name, and read them by it."""
    known = [name for name in kinds if name != "object"]  # nothing that a person would write
    readers: dict[str, Any] = {}  # made when first asked for: settings of a kind may hold others of any kind

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError(f"needs a kind{nearest('', known)}")
        kind = value["kind"]
        if kind not in kinds:
            raise ValueError(f"unknown kind '{kind}'{nearest(str(kind), known)}")
        if kind not in readers:
            readers[kind] = make_dict_structure_fn(kinds[kind], converter, _cattrs_forbid_extra_keys=True)
        return readers[kind]({key: item for key, item in value.items() if key != "kind"}, kinds[kind])

    def write(value: Any) -> dict[str, Any]:
        kind = next(name for name, settings in kinds.items() if settings is type(value))
        return {"kind": kind} | {f.name: converter.unstructure(getattr(value, f.name)) for f in fields(value)}

    converter.register_structure_hook_func(lambda t: t is base or t in kinds.values(), read)
    converter.register_unstructure_hook_func(lambda t: t is base or t in kinds.values(), write)
