"""What the columns of a cloud mean: by their names, by the order that the user states, or by what is certain of them.

Every reader hands its columns to one of three functions and gets back the coordinates, the channels, and a line for
each column that says what it was taken for and by which rule. Nothing is guessed: a column whose meaning is not certain
is kept under the name `extra` where it has no name of its own, and left out where its name says nothing here.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pointssl.data.files.cloud import Array, as_color, as_normal, as_part
from pointssl.errors import SettingError, nearest


class Meaning(NamedTuple):
    """One column of a file, what it was taken for, and why."""

    found: str
    taken: str
    rule: str


class Reading(NamedTuple):
    """The columns of one cloud, understood."""

    xyz: Array
    """(n, 3), in the file's own type: what is not float32 is still to be moved towards zero."""
    channels: dict[str, Array]
    meanings: tuple[Meaning, ...]


HEIGHT = ("z", "height", "elevation", "elev", "altitude", "alt", "h", "up", "hohe", "hoehe")
XYZ = (
    ("x", "y", "z"),
    *(tuple(pattern.format(axis) for axis in "xyz") for pattern in ("p{}", "pos_{}", "position_{}", "coord_{}")),
    *(tuple(pattern.format(axis) for axis in "xyz") for pattern in ("{}_coord", "{}_coordinate", "coordinate_{}")),
    *(tuple(pattern.format(axis) for axis in "xyz") for pattern in ("coord{}", "point_{}", "cartesian_{}")),
    ("points_0", "points_1", "points_2"),  # ParaView
    *((east, north, height) for east, north in (("easting", "northing"), ("east", "north")) for height in HEIGHT),
    *((east, north, height) for east, north in (("rechtswert", "hochwert"), ("e", "n")) for height in HEIGHT),
    *(("x", "y", height) for height in HEIGHT[1:]),
)
NORMAL = (
    *(tuple(pattern.format(axis) for axis in "xyz") for pattern in ("n{}", "normal_{}", "normal{}", "n_{}")),
    ("normals_0", "normals_1", "normals_2"),
)
COLOR = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("color_red", "color_green", "color_blue"),
    ("color_r", "color_g", "color_b"),
    ("colorr", "colorg", "colorb"),
    ("rf", "gf", "bf"),
    ("rgb_0", "rgb_1", "rgb_2"),
)
INTENSITY = ("intensity", "i", "reflectance", "reflectivity", "scalar_intensity", "scalar_scalar_intensity")
PART = ("part", "part_label", "label", "labels", "scalar_label", "class", "classification", "scalar_classification",
        "segment", "seg", "pid", "semantic_label", "class_id", "sem_label", "sem_class", "semantic", "semantics",
        "scalar_semantic", "label_id", "class_label", "category")  # fmt: skip

CHANNELS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "normal": NORMAL,
    "color": COLOR,
    "intensity": tuple((name,) for name in INTENSITY),
    "part": tuple((name,) for name in PART),
}
"""Names of the columns of every channel, in order of preference."""

KNOWN = frozenset(name for choices in (XYZ, *CHANNELS.values()) for names in choices for name in names)
"""Every plain name that means something."""

_CONVERT: Mapping[str, Callable[[Array], Array]] = {
    "normal": as_normal, "color": as_color, "intensity": np.asarray, "part": as_part
}  # fmt: skip

STATED = ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "r", "g", "b", "intensity", "label", "part", "_")
"""Words that `--columns` may hold; `_` is a column to leave out."""

COLUMNS = ":columns="
"""Stands between a path and its columns, so that both go wherever a data set is named."""

_UNIT = re.compile(r"\s*[\[(][^\])]*[\])]")
_UNIT_WORD = re.compile(r"_(?:m|mm|cm|km|ft|us_ft|metres?|meters?|feet)$")
_UNIT_NAMED = re.compile(r"[\[(_]\s*(?:m|mm|cm|km|ft|us[ _]ft|metres?|meters?|feet)\s*[\])]?$", re.IGNORECASE)


@lru_cache(maxsize=4096)  # thousands of files have the same few columns
def plain(name: str) -> str:
    """Return a column's name without case, accents, quotes, units and marks: `X [m]` is x, `//Coord. Y` is coord_y."""
    letters = unicodedata.normalize("NFKD", _UNIT.sub("", name.strip())).encode("ascii", "ignore").decode().lower()
    return _UNIT_WORD.sub("", re.sub(r"[^a-z0-9]+", "_", letters).strip("_"))


def coordinates(names: Sequence[str]) -> tuple[str, ...] | None:
    """Return which of `names` (plain) are x, y and z, or None."""
    return next((three for three in XYZ if set(three) <= set(names)), None)


def by_name(columns: Sequence[tuple[str, Array]]) -> Reading:
    """Return what the names of the columns (n,) give away; the others are left out.

    Raises:
        ValueError: no three columns that are known as coordinates, or two of one name.
    """
    known: dict[str, Array] = {}
    for name, values in columns:
        if plain(name) in known and plain(name) in KNOWN:
            raise ValueError(f"two of its columns are called {plain(name)}")
        if values.ndim == 1:
            known[plain(name)] = values
    three = coordinates(tuple(known))
    if three is None:
        raise ValueError(_no_coordinates([name for name, _ in columns]))
    _require_one_unit([name for name, _ in columns if plain(name) in three])
    taken = {name: (axis, "by its name") for name, axis in zip(three, "xyz", strict=True)}
    channels: dict[str, Array] = {}
    for channel, choices in CHANNELS.items():
        names = next((names for names in choices if set(names) <= known.keys() - taken.keys()), None)
        if names is None:
            continue
        values = np.stack([known[name] for name in names], axis=1)
        wrong = _unfit(channel, values)
        if not wrong:
            channels[channel] = _CONVERT[channel](values)
        taken |= dict.fromkeys(names, ("-", wrong) if wrong else (channel, "by its name"))
    unknown = ("-", "left out: its name says nothing here")
    meanings = tuple(Meaning(name or "(no name)", *taken.get(plain(name), unknown)) for name, _ in columns)
    return Reading(np.stack([known[name] for name in three], axis=1), channels, meanings)


def channels_by_name(columns: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Return the coordinates (n, 3) and the channels of named columns; raises as `by_name`."""
    read = by_name(list(columns.items()))
    return read.xyz, read.channels


def by_order(table: Array, columns: Sequence[str]) -> Reading:
    """Return the columns of a table (n, c) under the names that the user states, in their order.

    Raises:
        ValueError: another number of columns.
    """
    if table.shape[1] != len(columns):
        raise ValueError(f"it has {table.shape[1]} columns, and --columns names {len(columns)}: {','.join(columns)}")
    read = by_name([(name, table[:, place]) for place, name in enumerate(columns) if name != "_"])
    taken = {meaning.found: meaning.taken for meaning in read.meanings}
    meanings = tuple(
        Meaning(f"column {place + 1}", taken.get(name, "-"), f"--columns: {name}") for place, name in enumerate(columns)
    )
    return read._replace(meanings=meanings)


def by_values(table: Array, *, names: Sequence[str] = ()) -> Reading:
    """Return the first three columns as x, y, z and of the others what can be one thing only, by their values.

    Three whole numbers from 0 to 255 are a colour; three numbers of length one with some below zero are a normal;
    behind a normal, a whole number is a part; before a colour, a number that is no part of it is an intensity. All else
    is ambiguous (a normal of (1, 0, 0) is red, a single number may be a label) and is kept together as `extra`.
    """
    require_rows(table.shape)
    rest = table[:, 3:]
    channels, rule = _certain(rest)
    called = names or [f"column {place + 1}" for place in range(table.shape[1])]
    meanings = [Meaning(called[place], axis, "the first three") for place, axis in enumerate("xyz")]
    order = [key for key, values in channels.items() for _ in range(values.shape[1])]
    meanings += [Meaning(called[3 + place], key, rule) for place, key in enumerate(order)]
    return Reading(table[:, :3], channels, tuple(meanings))


def by_layout(table: Array, layout: Sequence[str], rule: str) -> Reading:
    """Return a table whose kind of file says what its columns are."""
    read = by_order(table, layout)
    return read._replace(
        meanings=tuple(
            Meaning(meaning.found if name == "_" else name, meaning.taken, rule)
            for name, meaning in zip(layout, read.meanings, strict=True)
        )
    )


def require_rows(shape: tuple[int, ...]) -> None:
    """Raise `ValueError` unless the last two axes are points and their (three or more) columns."""
    if len(shape) < 2 or shape[-1] < 3:
        raise ValueError(f"points need at least three columns (x, y, z), got an array of shape {shape}")
    if shape[-1] > shape[-2] and (shape[-1] > 16 or (shape[-2] == 3 and shape[-1] > 9)):
        raise ValueError(f"an array of shape {shape} looks transposed: points are rows (n, 3), so give its transpose")


def stated_columns(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the column names in `x,y,z,_,red,green,blue,label`.

    Raises:
        SettingError: a word that names no column, or no x, y, z.
    """
    words = tuple(word.strip().lower() for word in (text.split(",") if isinstance(text, str) else text))
    for word in words:
        if word not in STATED:
            raise SettingError(f"columns must name {', '.join(STATED)}, got '{word}'{nearest(word, STATED)}")
    doubled = {word for word in words if word != "_" and words.count(word) > 1}
    if doubled or not {"x", "y", "z"} <= set(words):
        raise SettingError(f"columns must name x, y and z and nothing twice, got {','.join(words)}")
    return words


def with_columns(word: str, columns: str | None) -> str:
    """Return the word for a data set with its columns behind it; raises `SettingError` as `stated_columns`."""
    return word if columns is None else f"{word}{COLUMNS}{','.join(stated_columns(columns))}"


def parted(word: str) -> tuple[str, tuple[str, ...] | None]:
    """Return the path and the columns in `clouds/:columns=x,y,z,_`; a word without columns as it is.

    Raises:
        SettingError: as `stated_columns`.
    """
    path, mark, columns = word.rpartition(COLUMNS)
    return (path, stated_columns(columns)) if mark else (word, None)


def _certain(rest: Array) -> tuple[dict[str, Array], str]:
    """Return the channels that columns (n, c) without names can only be, and why."""
    count = rest.shape[1]
    if count == 0:
        return {}, ""
    if count == 3 and _only_color(rest):
        return {"color": as_color(rest)}, "whole numbers from 0 to 255"
    if count == 3 and _only_normal(rest):
        return {"normal": as_normal(rest)}, "length one, some below zero"
    if count == 4 and _only_normal(rest[:, :3]) and _whole(rest[:, 3]):
        return {"normal": as_normal(rest[:, :3]), "part": rest[:, 3:]}, "length one, some below zero; a whole number"
    if count == 4 and _only_color(rest[:, 1:]) and not _may_be_color(rest[:, :1]):
        return {"intensity": rest[:, :1], "color": as_color(rest[:, 1:])}, "three whole numbers from 0 to 255"
    for first, second in ((slice(0, 3), slice(3, 6)), (slice(3, 6), slice(0, 3))):
        if count == 6 and _only_normal(rest[:, first]) and _only_color(rest[:, second]):
            both = {"normal": as_normal(rest[:, first]), "color": as_color(rest[:, second])}
            return dict(both if first.start == 0 else reversed(both.items())), "length one; whole numbers to 255"
    return {"extra": rest}, "not certain: say what they are with --columns"


def _whole(values: Array) -> bool:
    return bool((np.isfinite(values) & (values >= 0) & (values == np.round(values))).all())


def _may_be_color(values: Array) -> bool:
    return _whole(values) and bool(values.max(initial=0) <= 255)


def _only_color(values: Array) -> bool:
    return _may_be_color(values) and bool(values.max(initial=0) > 1)


def _only_normal(values: Array) -> bool:
    """Tell unit vectors; files round them, and a few are zero where a surface had no direction."""
    length = np.linalg.norm(values.astype(np.float64), axis=1)
    return bool((np.abs(length - 1) < 0.02).mean() > 0.9 and (values < 0).any())


def _unfit(channel: str, values: Array) -> str:
    """Say why a column of the right name is not what its name says, if so."""
    if values.dtype.kind not in "fiub":
        return "left out: not numbers"
    if values.dtype.kind == "f":
        known = values[np.isfinite(values)]
        if len(known) == 0 and len(values):
            return "left out: no numbers"
        if channel == "part" and (known != np.round(known)).any():
            return "left out: not whole numbers"
    return ""


def _require_one_unit(names: Sequence[str]) -> None:
    """Refuse X [m] beside Z [mm]: the cloud would be a thousand times too high."""
    found = [unit.group() for name in names if (unit := _UNIT_NAMED.search(name.strip()))]
    units = {unit.strip(" _[]()").lower() for unit in found}
    if len(units) > 1:
        raise ValueError(f"its coordinates are in different units ({', '.join(names)}); write all in one")


def _no_coordinates(found: Sequence[str]) -> str:
    names = ", ".join(name or "(no name)" for name in found)
    if {"lat", "latitude", "lon", "long", "longitude"} & {plain(name) for name in found}:
        return f"its columns are {names}: degrees are no lengths, project them first (to UTM, for example)"
    return f"none of its columns is known as x, y, z: {names}; say what they are with --columns"
