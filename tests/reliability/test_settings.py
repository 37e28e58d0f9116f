"""No setting and no flag takes NaN, infinity or a number below what it can be: all are walked, none is listed here."""

import inspect
import math
import pkgutil
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import pointssl
from pointssl.app import cli, data_commands, study_commands
from pointssl.errors import SettingError

BELOW_ZERO = {"elevation"}
"""Settings that may be negative: degrees of latitude."""


def _settings() -> Iterator[Any]:
    """Yield the defaults of all settings dataclasses of the package."""
    for module in pkgutil.walk_packages(pointssl.__path__, "pointssl."):
        for name, kind in vars(import_module(module.name)).items():
            if is_dataclass(kind) and name.endswith("Config") and kind.__module__ == module.name:
                try:
                    yield kind()  # type: ignore[operator]
                except TypeError:
                    continue  # one that has no defaults holds others, which are walked themselves


def _kinds(hint: Any) -> set[type]:
    """Return the plain types that a hint is made of."""
    inner = get_args(hint)
    return set().union(*map(_kinds, inner)) if inner else {hint} if isinstance(hint, type) else set()


def _fields() -> Iterator[Any]:
    """Yield settings, the name of a numeric one, and a value that it must refuse."""
    for settings in _settings():
        hints = get_type_hints(type(settings))
        for field in fields(settings):
            kinds = _kinds(hints[field.name])
            if not kinds & {int, float} or kinds & {str}:
                continue
            bad = [math.nan, math.inf, -math.inf] if float in kinds else []
            bad += [] if field.name in BELOW_ZERO else [-1.0 if float in kinds else -1]
            now = getattr(settings, field.name)
            tuples = "tuple" in str(hints[field.name])
            for value in bad:
                given = (value,) * max(1, len(now or (0, 0))) if tuples else value
                yield pytest.param(settings, field.name, given, id=f"{type(settings).__name__}.{field.name}={value}")


@pytest.mark.case("settings-nan-inf")
@pytest.mark.parametrize(("settings", "name", "value"), list(_fields()))
def test_settings__refuse_what_is_no_number_for_them(settings: Any, name: str, value: Any) -> None:
    with pytest.raises((ValueError, SettingError), match=name) as caught:
        replace(settings, **{name: value})
    assert "\n" not in str(caught.value)


def test_settings__all_families_are_walked() -> None:
    found = {type(one).__name__ for one in _settings()}
    assert {"PretrainConfig", "OptimConfig", "DataConfig", "AugmentConfig", "ParAEConfig", "DGCNNConfig"} <= found
    assert {"ViewConfig", "InteractConfig", "SVMConfig", "ReadConfig", "EncodeConfig", "FewShotConfig"} <= found
    assert len(found) > 20


def _commands() -> dict[str, Any]:
    """Return every command whose signature is its flags, by the words that call it."""
    found: dict[str, Any] = {}
    for name, command in cli.COMMANDS.items():
        module, _, function = command.where.partition(":")
        if function != "run":
            found[name] = getattr(import_module(f"pointssl.app.{module}"), function)
    found |= {f"data {name}": function for name, function in data_commands.COMMANDS.items()}
    return found | {f"study {name}": function for name, function in study_commands.STUDIES.items()}


def _flags() -> Iterator[Any]:
    """Yield a command that could be run, a numeric flag of it, and a value that it must refuse."""
    for words, function in _commands().items():
        hints = get_type_hints(function)
        named: dict[str, Any] = dict(hints)
        for hint in hints.values():  # flags that several commands share
            if is_dataclass(hint):
                named |= get_type_hints(hint)
        for name, hint in named.items():
            kinds = _kinds(hint)
            if name == "return" or not kinds & {int, float} or kinds & {str}:
                continue
            bad = ["nan", "inf"] if float in kinds else []
            for value in (*bad, *([] if name in BELOW_ZERO else ["-1"])):
                flag = f"--{name.replace('_', '-')}"
                given = [flag, value, value] if "tuple[int, int]" in str(hint) else [f"{flag}={value}"]
                yield pytest.param(words, function, name, given, id=f"{words} --{name} {value}")


@pytest.mark.case("settings-nan-inf")
@pytest.mark.parametrize(("words", "function", "name", "flag"), list(_flags()))
def test_flags__refuse_what_is_no_number_for_them(
    words: str,
    function: types.FunctionType,
    name: str,
    flag: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = words.split()
    for one, parameter in inspect.signature(function).parameters.items():
        if parameter.default is inspect.Parameter.empty and not is_dataclass(get_type_hints(function)[one]):
            place = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            given += ["a"] if place else [f"--{one.replace('_', '-')}=a.csv"]
    if words.startswith("study"):
        given += ["--runs", "a", "--data=a", "--out=a"]
    with pytest.raises(SystemExit) as left:
        cli.main([*given, *flag])
    said = capsys.readouterr().err.strip().splitlines()
    assert left.value.code == 2
    assert len(said) == 1
    assert f"{name} must be" in said[0]
    assert list(tmp_path.iterdir()) == []
