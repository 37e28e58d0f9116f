"""3MF, the printers' format: a zip of XML; what its build places, as often as it does, components and other parts too.

Ours, because trimesh 5.2 doubles meshes that are used twice and mixes up the objects of files whose parts lie in
several members (as slicers write them), and the consortium's lib3mf 2.5, with which all tests agree, hands out every
vertex as a Python object.
Source: 3MF Consortium, "3MF Core Specification" 1.3 and "Production Extension" 1.1.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64

from pointssl.data.files.surfaces.numbers import flat
from pointssl.data.files.surfaces.surface import Surface, as_indices, joined, moved, no_faces

_CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
_PATH = "{http://schemas.microsoft.com/3dmanufacturing/production/2015/06}path"
_HARMLESS = ("/production/", "/material/")
"""Extensions that do not change the triangles."""
_MODEL = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
_MOST = 200
"""XML of coordinates shrinks to a tenth or so."""
_MOST_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class _Use:
    """An object in its place."""

    part: str
    number: str
    matrix: Float64[np.ndarray, "4 4"]


@dataclass(slots=True)
class _Model:
    """What one member of the archive holds."""

    meshes: dict[str, Surface] = field(default_factory=dict)
    components: dict[str, list[_Use]] = field(default_factory=dict)
    build: list[_Use] = field(default_factory=list)


def read_3mf(path: Path) -> Surface:
    """Return everything that a 3MF builds as one surface.

    Raises:
        ValueError: damaged, or requiring an extension that is not known.
    """
    models: dict[str, _Model] = {}
    with zipfile.ZipFile(path) as archive:

        def model(part: str) -> _Model:
            if part not in models:
                models[part] = _read_part(archive, part)
            return models[part]

        def parts() -> Iterator[Surface]:
            waiting = model(_root(archive)).build[::-1]
            for _ in range(_MOST_PARTS):
                if not waiting:
                    return
                use = waiting.pop()
                found = model(use.part)
                if use.number in found.meshes:
                    yield moved(found.meshes[use.number], use.matrix)
                elif use.number not in found.components:
                    raise ValueError(f"it uses object {use.number}, which is not there")
                for one in reversed(found.components.get(use.number, [])):
                    waiting.append(_Use(one.part, one.number, use.matrix @ one.matrix))
            raise ValueError(f"it places more than {_MOST_PARTS} objects")

        return joined(parts())


def _root(archive: zipfile.ZipFile) -> str:
    """Return the member that the archive says is the model."""
    with _opened(archive, "_rels/.rels") as file:
        for element in ElementTree.parse(file).iter():
            if element.get("Type") == _MODEL:
                return element.attrib["Target"].lstrip("/")
    raise ValueError("it names no 3D model")


def _opened(archive: zipfile.ZipFile, part: str) -> zipfile.ZipExtFile:
    """Open a member, in whatever case its name is written."""
    names = {name.lower(): name for name in archive.namelist()}
    if part.lower() not in names:
        raise ValueError(f"its part '{part}' is not there")
    info = archive.getinfo(names[part.lower()])
    if info.file_size > (1 << 24) + _MOST * info.compress_size:
        raise ValueError(f"its part '{part}' unpacks to more than {_MOST} times its size")
    return archive.open(info)  # type: ignore[return-value]


def _read_part(archive: zipfile.ZipFile, part: str) -> _Model:
    model = _Model()
    prefixes: dict[str, str] = {}
    with _opened(archive, part) as file:
        for event, found in ElementTree.iterparse(file, events=("start-ns", "start", "end")):
            if event == "start-ns":
                prefixes[found[0]] = found[1]
            elif event == "start" and found.tag == f"{_CORE}model":
                _check(found.get("requiredextensions", "").split(), prefixes)
            elif event == "end" and found.tag == f"{_CORE}object":
                number = found.attrib["id"]
                if (mesh := found.find(f"{_CORE}mesh")) is not None:
                    model.meshes[number] = _mesh(mesh)
                else:
                    model.components[number] = list(_uses(found, "component", part))
                found.clear()
            elif event == "end" and found.tag == f"{_CORE}build":
                model.build = list(_uses(found, "item", part))
    return model


def _check(required: list[str], prefixes: dict[str, str]) -> None:
    for prefix in required:
        name = prefixes.get(prefix, prefix)
        if not any(word in name for word in _HARMLESS):
            raise ValueError(f"it requires {name}, which is not supported")


def _mesh(mesh: ElementTree.Element) -> Surface:
    points = flat(" ".join(" ".join(v.get(a, "?") for a in "xyz") for v in mesh.iter(f"{_CORE}vertex")).encode())
    corners = " ".join(
        " ".join(one.get(corner, "?") for corner in ("v1", "v2", "v3")) for one in mesh.iter(f"{_CORE}triangle")
    )
    faces = as_indices(flat(corners.encode())).reshape(-1, 3) if corners else no_faces()
    return Surface(vertices=points.reshape(-1, 3), faces=faces)


def _uses(element: ElementTree.Element, name: str, part: str) -> Iterator[_Use]:
    for one in element.iter(f"{_CORE}{name}"):
        yield _Use(one.get(_PATH, part).lstrip("/"), one.attrib["objectid"], _matrix(one.get("transform", "")))


def _matrix(text: str) -> Float64[np.ndarray, "4 4"]:
    """Return a place: twelve numbers, row after row of a matrix that is multiplied from the right."""
    matrix = np.eye(4)
    if text:
        matrix[:3] = flat(text.encode()).reshape(4, 3).T
    return matrix
