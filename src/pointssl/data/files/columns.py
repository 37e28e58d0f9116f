"""What the named columns of a table of points mean: one list of names for ply, pcd, text tables and their headers."""

from collections.abc import Mapping

import numpy as np

from pointssl.data.files.cloud import Array, as_color

XYZ = (("x", "y", "z"), ("px", "py", "pz"), ("pos_x", "pos_y", "pos_z"))
NORMAL = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
COLOR = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("rf", "gf", "bf"),
)
INTENSITY = ("intensity", "i", "reflectance", "reflectivity", "scalar_intensity", "scalar_scalar_intensity")
PART = ("part", "part_label", "label", "scalar_label", "class", "classification", "segment", "seg", "pid")


def channels_by_name(columns: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Return the coordinates (n, 3) and every channel that the names of `columns` give away; the rest is left out.

    Raises:
        ValueError: no three columns are called x, y, z.
    """
    known = {name.strip().lstrip("/#").lower(): values for name, values in columns.items()}
    xyz = _stack(known, XYZ)
    if xyz is None:
        raise ValueError(f"it has no x, y, z, only {', '.join(columns)}")
    channels: dict[str, Array] = {}
    normal, color = _stack(known, NORMAL), _stack(known, COLOR)
    if normal is not None:
        channels["normal"] = normal
    if color is not None:
        channels["color"] = as_color(color)
    for channel, names in (("intensity", INTENSITY), ("part", PART)):
        found = next((known[name] for name in names if name in known), None)
        if found is not None:
            channels[channel] = found[:, None]
    return xyz, channels


def _stack(columns: Mapping[str, Array], choices: tuple[tuple[str, str, str], ...]) -> Array | None:
    for names in choices:
        if all(name in columns for name in names):
            return np.stack([columns[name] for name in names], axis=1)
    return None
