"""What adding something touches is what CONTRIBUTING says: counted here, by who names what.

A method, a backbone, a protocol and a command are each known by their own file and by one list. Whoever else names one
of them is a place that the next one would have to be added to as well; the few that name one of them for good are told
here with their reason.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pointssl.app.cli import COMMANDS
from pointssl.backbones import BACKBONES
from pointssl.evaluation.protocols import PROTOCOLS
from pointssl.evaluation.published import PRESETS
from pointssl.methods import METHODS

SOURCE = Path(__file__).parents[2] / "src" / "pointssl"
DEFAULTS = {"runs/config.py"}
"""The settings that hold where nothing is said."""
RECIPES = {"app/recipes.py", "train/recipes.py"}
PUBLISHED = {"runs/public_weights.py"}
"""Files of weights that others have published name the network that they hold."""
NAMED_FOR_GOOD = {
    "parae": {
        "app/demo.py",
        "evaluation/partition.py",
        "methods/mix.py",
    },  # the demo shows it; partitions are its alone
    "mm-point": {"methods/crosspoint.py"},
    "contrast": {"methods/mix.py"},  # a mix of these two stands where no tasks are named
    "crosspoint": set(),
}
OF_PATCHES = {"methods/point_mae.py", "methods/point_jepa.py"}
"""Methods that hide patches name the one network that cuts them."""
PROTOCOLS_NAMED_FOR_GOOD = {
    "app/demo.py",  # chooses those that take seconds
    "study/downstream.py",  # the probe that a study follows along
    "train/recipes.py",  # the recipe of the same name
    "app/evaluate_commands.py",  # whose flag names that recipe
}


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the names that a module imports from others."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names)


@cache
def constants(file: Path) -> frozenset[str]:
    """Return the strings of a module, docstrings and texts among them, each whole."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def places(found: set[Path]) -> set[str]:
    """Name files by their place in the package."""
    return {file.relative_to(SOURCE).as_posix() for file in found}


def importers(*classes: Any) -> set[str]:
    """Return the modules that import one of some classes."""
    names = {one.__name__ for one in classes}
    return places({file for file in SOURCE.rglob("*.py") if names & imported(file)})


@pytest.mark.parametrize("name", METHODS)
def test_method__is_named_by_its_list_and_its_recipes_alone(name: str) -> None:
    allowed = {"methods/__init__.py"} | RECIPES | DEFAULTS | NAMED_FOR_GOOD.get(name, set())
    assert importers(*METHODS[name]) - allowed == set()


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone__is_named_by_its_list_and_its_recipes_alone(name: str) -> None:
    allowed = {"backbones/__init__.py"} | RECIPES | DEFAULTS | PUBLISHED | OF_PATCHES
    assert importers(*BACKBONES[name]) - allowed == set()


def test_pages__name_no_method_and_no_backbone() -> None:
    listed: list[tuple[Any, Any]] = [*METHODS.values(), *BACKBONES.values()]
    named = set.union(*(importers(*one) for one in listed))
    assert {place for place in named if place.startswith("show/")} == set()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocol__is_named_by_one_file_of_the_measuring_layer(name: str) -> None:
    named = places({file for file in SOURCE.rglob("*.py") if name in constants(file)})
    allowed = PROTOCOLS_NAMED_FOR_GOOD
    if name in PRESETS:  # called after a paper, whose method and weights have its name as well
        allowed = {"methods/__init__.py", "runs/public_weights.py"} | OF_PATCHES
    assert ("evaluation/published.py" if name in PRESETS else "evaluation/protocols.py") in named
    assert {place for place in named if not place.startswith("evaluation/")} - allowed == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_command__is_one_entry_and_one_function(name: str) -> None:
    module, _, function = COMMANDS[name].where.partition(":")
    file = SOURCE / "app" / f"{module}.py"
    defined = [
        node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    assert defined.count(function) == 1
