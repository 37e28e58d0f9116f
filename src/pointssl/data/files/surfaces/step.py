"""STEP (`.step`, `.stp`): CAD solids, cut into triangles by Open CASCADE; lengths come out in metres.

The reader is cascadio (LGPL), the one packaged way from STEP to triangles without a CAD system. Curves are cut by the
angle (0.5 radians) and in proportion to their length, so that a shape has the same triangles in every size.
"""

import json
import re
from pathlib import Path

from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.gltf import parse_gltf
from pointssl.data.files.surfaces.surface import Surface
from pointssl.errors import UserError

_FACE = re.compile(rb"=\s*ADVANCED_FACE\s*\(")


def read_step(path: Path) -> Surface:
    """Return the surface of all solids in a STEP file.

    Raises:
        UserError: the package that reads it is not there.
        ValueError: damaged, cut short, without solids, or with faces that cannot be cut into triangles.
    """
    try:
        import cascadio
    except ImportError as error:
        raise UserError(f"{path}: reading STEP needs one more package: pip install 'pointssl[step]'") from error
    data = contents(path)
    if b"ISO-10303-21" not in data[:4096]:
        raise ValueError("it does not begin with ISO-10303-21, as STEP does")
    if b"END-ISO-10303-21" not in data[-4096:]:
        raise ValueError("it is cut short: STEP ends with END-ISO-10303-21")
    # A primitive per face, because the package leaves out what it cannot cut, and says nothing.
    found = cascadio.load(
        data, file_type="step", tol_linear=0.01, tol_relative=True, use_parallel=False, merge_primitives=False
    )
    if not found:
        raise ValueError("it holds no solids that can be cut into triangles")
    announced, cut = len(_FACE.findall(data)), _faces(found)
    if cut < announced:
        raise ValueError(f"{announced - cut} of its {announced} faces cannot be cut into triangles: it is damaged")
    return parse_gltf(found, path.parent)


def _faces(glb: bytes) -> int:
    """Return how many faces there are, each a primitive of a mesh."""
    length = int.from_bytes(glb[12:16], "little")
    return sum(len(mesh["primitives"]) for mesh in json.loads(glb[20 : 20 + length])["meshes"])
