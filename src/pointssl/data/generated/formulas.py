"""Every formula by its name, and the words in which one is asked for: `generated:unions:seed=3:n=1000`."""

from collections.abc import Callable
from dataclasses import fields

from pointssl.data.generated.dataset import Formula, GeneratedClouds
from pointssl.data.generated.fractals import Fractals
from pointssl.data.generated.superquadrics import Superquadrics
from pointssl.data.generated.unions import Unions
from pointssl.errors import SettingError, nearest

FORMULAS: dict[str, Callable[..., Formula]] = {
    "fractals": Fractals,
    "superquadrics": Superquadrics,
    "unions": Unions,
}
"""Name to formula: a frozen dataclass whose fields can be set after the name."""

_SET = {"seed": 0, "n": 1, "points": 16}
"""Whole numbers that every formula takes, and the least that each may be."""


def open_generated(spec: str, split: str = "all") -> GeneratedClouds:
    """Open `generated:KIND[:NAME=VALUE]...`; raises `SettingError` for what does not exist or makes no sense."""
    kind, given = _read(spec)
    formula = FORMULAS[kind]
    own = {name: value for name, value in given.items() if name not in _SET}
    try:
        made = formula(**own)
    except ValueError as error:
        raise SettingError(f"{spec}: {error}") from error
    sizes = {name: int(value) for name, value in given.items() if name in _SET}
    return GeneratedClouds(kind, made, split=split, spec=spec, **sizes)


def is_stated(spec: str) -> bool:
    """Tell whether `spec` says how many clouds there are."""
    return _read(spec)[1].get("n", 0) > 2


def _read(spec: str) -> tuple[str, dict[str, int | float]]:
    """Return the formula and its parameters as numbers."""
    kind, *words = spec.split(":")[1:] or [""]
    if kind not in FORMULAS:
        raise SettingError(f"'{spec}' must read generated:KIND, such as generated:unions{nearest(kind, FORMULAS)}")
    own = {field.name: field.type for field in fields(FORMULAS[kind])}  # type: ignore[arg-type]
    given: dict[str, int | float] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in own and name not in _SET:
            raise SettingError(f"{spec}: there is no parameter '{name}'{nearest(name, (*_SET, *own))}")
        try:
            given[name] = int(text) if name in _SET or own[name] in (int, "int") else float(text)
        except ValueError:
            raise SettingError(f"{spec}: {name} must be a number, such as {name}=3, got '{text}'") from None
        if given[name] < _SET.get(name, given[name]):
            raise SettingError(f"{spec}: {name} must be at least {_SET[name]}, got {given[name]}")
    return kind, given
