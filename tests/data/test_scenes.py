"""3MF and COLLADA: parts in their places, components, several members; as other libraries read them."""

import io
import zipfile
from pathlib import Path

import lib3mf
import numpy as np
import pytest
import trimesh

from pointssl.data.files import readers
from pointssl.data.files.meshes import read_surface
from pointssl.data.files.surfaces.surface import Surface
from pointssl.errors import DataError

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
RELS = """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship
Target="/3D/3dmodel.model" Id="r" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>{}</Relationships>"""
TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels"
ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="model"
ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>"""
UNIQUE = 'p:UUID="00000000-0000-4000-8000-{:012d}"'


def tetrahedron(number: int, size: int) -> str:
    """Return an object of one mesh."""
    points = [(0, 0, 0), (size, 0, 0), (0, size, 0), (0, 0, size)]
    vertices = "".join(f'<vertex x="{x}" y="{y}.0" z="{z}e0"/>' for x, y, z in points)
    triangles = "".join(
        f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
    )
    mesh = f"<mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh>"
    return f'<object id="{number}" type="model" {UNIQUE.format(number)}>{mesh}</object>'


def model(resources: str, build: str, required: str = "p", more: str = "") -> str:
    return (
        f'<?xml version="1.0"?><model unit="millimeter" xmlns="{CORE}" xmlns:p="{PRODUCTION}" {more} '
        f'requiredextensions="{required}"><resources>{resources}</resources>'
        f"<build {UNIQUE.format(999)}>{build}</build></model>"
    )


def write_3mf(path: Path, main: str, other: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELS.format(""))
        archive.writestr("3D/3dmodel.model", main)
        if other is not None:
            archive.writestr("3D/Objects/parts.model", other)
            kind = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
            rels = (
                RELS[: RELS.index("<Relationship\n")]
                + f'<Relationship Target="/3D/Objects/parts.model" Id="r" Type="{kind}"/></Relationships>'
            )
            archive.writestr("3D/_rels/3dmodel.model.rels", rels)
    return path


def by_lib3mf(path: Path) -> np.ndarray:
    """Return all triangles (f, 3, 3) that the consortium's library builds."""
    built = lib3mf.get_wrapper().CreateModel()
    built.QueryReader("3mf").ReadFromFile(str(path))
    triangles: list[np.ndarray] = []

    def walk(thing: lib3mf.Object, place: np.ndarray) -> None:
        if thing.IsMeshObject():
            mesh = built.GetMeshObjectByID(thing.GetResourceID())
            points = np.array([list(point.Coordinates) for point in mesh.GetVertices()])
            corners = np.array([list(one.Indices) for one in mesh.GetTriangleIndices()])
            triangles.append((points @ place[:3] + place[3])[corners])
            return
        parts = built.GetComponentsObjectByID(thing.GetResourceID())
        for number in range(parts.GetComponentCount()):
            part = parts.GetComponent(number)
            own = (
                np.array([list(row) for row in part.GetTransform().Fields]) if part.HasTransform() else np.eye(4)[:, :3]
            )
            walk(part.GetObjectResource(), np.concatenate([own[:3] @ place[:3], own[3:] @ place[:3] + place[3:]]))

    items = built.GetBuildItems()
    while items.MoveNext():
        item = items.GetCurrent()
        place = np.array([list(row) for row in item.GetObjectTransform().Fields])
        walk(item.GetObjectResource(), place)
    return np.concatenate(triangles)


def rows(triangles: np.ndarray) -> np.ndarray:
    """Return triangles in an order of their own, each beginning with its least corner."""
    first = np.array([min(range(3), key=lambda corner: tuple(np.round(one[corner], 4))) for one in triangles])
    turned = np.array([np.roll(one, -start, axis=0).reshape(-1) for one, start in zip(triangles, first, strict=True)])
    return turned[np.lexsort(np.round(turned, 4).T)]


def triangles_of(surface: Surface) -> np.ndarray:
    return np.asarray(np.asarray(surface.vertices)[surface.faces])


TURN = "0 1 0 -1 0 0 0 0 1 10 0 0"  # a quarter about z, then 10 along x
FLIP = "-1 0 0 0 1 0 0 0 1 0 0 5"
COMPONENTS = (
    '<object id="3" {}><components><component objectid="1" {}/><component objectid="1" {} transform="{}"/>'
    '<component objectid="2" {} transform="{}"/></components></object>'
)


def nested() -> str:
    uses = (UNIQUE.format(number) for number in range(30, 34))
    own, one, two, three = uses
    return tetrahedron(1, 1) + tetrahedron(2, 4) + COMPONENTS.format(own, one, two, TURN, three, FLIP)


@pytest.mark.parametrize("build", ["2", "1 2", "3", "1 3", "3 3"])
def test_3mf__as_lib3mf(tmp_path: Path, build: str) -> None:
    items = "".join(
        f'<item objectid="{number}" {UNIQUE.format(100 + place)} transform="1 0 0 0 2 0 0 0 1 0 {9 * place} 0"/>'
        for place, number in enumerate(build.split())
    )
    path = write_3mf(tmp_path / "a.3mf", model(nested(), items))
    ours = triangles_of(read_surface(path))
    theirs = by_lib3mf(path)
    assert len(ours) == 4 * sum({"1": 1, "2": 1, "3": 3}[number] for number in build.split())
    mirrored = "3" in build  # the library leaves what is mirrored inside out
    np.testing.assert_allclose(
        np.sort(ours.mean(axis=1), axis=0) if mirrored else rows(ours),
        np.sort(theirs.mean(axis=1), axis=0) if mirrored else rows(theirs),
        atol=1e-4,
    )


def test_3mf__parts_in_another_member_as_slicers_write_them(tmp_path: Path) -> None:
    link = 'p:path="/3D/Objects/parts.model"'
    uses = f'<component objectid="1" {link} {UNIQUE.format(41)}/>'
    uses += f'<component objectid="2" {link} {UNIQUE.format(42)} transform="{TURN}"/>'
    # The number 1 names one thing here and another there.
    main = f'<object id="1" {UNIQUE.format(40)}><components>{uses}</components></object>'
    path = write_3mf(
        tmp_path / "a.3mf",
        model(main, f'<item objectid="1" {UNIQUE.format(43)}/>'),
        model(tetrahedron(1, 1) + tetrahedron(2, 4), ""),
    )
    np.testing.assert_allclose(rows(triangles_of(read_surface(path))), rows(by_lib3mf(path)), atol=1e-4)
    assert len(readers.read_clouds(path, points=20)[0].points) == 20


ENDLESS = '<object id="1"><components><component objectid="1"/></components></object>'


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        (model(tetrahedron(1, 1), '<item objectid="7"/>'), "uses object 7, which is not there"),
        (model("", ""), "no points"),
        (model(tetrahedron(1, 1), "", "b", 'xmlns:b="http://acme.com/beamlattice/2017"'), "requires .*beamlattice"),
        (model(ENDLESS, '<item objectid="1"/>'), "places more"),
        ("<model", "a.3mf cannot be read"),
        (model(tetrahedron(1, 1).replace('v3="3"', 'v3="9"'), '<item objectid="1"/>'), "names vertex 9"),
    ],
)  # fmt: skip
def test_3mf__damaged(tmp_path: Path, main: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        readers.read_clouds(write_3mf(tmp_path / "a.3mf", main))


def test_3mf__unpacks_to_too_much(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more than 200 times"):
        readers.read_clouds(write_3mf(tmp_path / "a.3mf", " " * (1 << 27)))


DAE = """<?xml version="1.0"?><COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit meter="1"/><up_axis>Z_UP</up_axis></asset>
<library_geometries><geometry id="g"><mesh><source id="p">
<float_array id="pa" count="12">0 0 0 1 0 0 1 1 0 0 1 0</float_array>
<technique_common><accessor source="#pa" count="4" stride="3">
<param name="X" type="float"/><param name="Y" type="float"/>
<param name="Z" type="float"/></accessor></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>{primitive}</mesh></geometry></library_geometries>
<library_nodes><node id="twice"><node><instance_geometry url="#g"/></node>
<node><translate>0 0 5</translate><scale>-1 1 1</scale><instance_geometry url="#g"/></node></node></library_nodes>
<library_visual_scenes><visual_scene id="s"><node><translate>10 0 0</translate><rotate>0 0 1 90</rotate>
<instance_node url="#twice"/></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#s"/></scene></COLLADA>"""
INPUT = '<input semantic="VERTEX" source="#v" offset="0"/>'
PRIMITIVES = {
    "triangles": f'<triangles count="2">{INPUT}<p>0 1 2 0 2 3</p></triangles>',
    "polylist": f'<polylist count="1">{INPUT}<vcount>4</vcount><p>0 1 2 3</p></polylist>',
    "polygons": f'<polygons count="1">{INPUT}<p>0 1 2 3</p></polygons>',
    "tristrips": f'<tristrips count="1">{INPUT}<p>0 1 3 2</p></tristrips>',
    "trifans": f'<trifans count="1">{INPUT}<p>0 1 2 3</p></trifans>',
}


@pytest.mark.parametrize("kind", PRIMITIVES)
def test_dae__primitives_in_their_places(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("collada")
    (tmp_path / "a.dae").write_text(DAE.format(primitive=PRIMITIVES[kind]))
    cloud = readers.read_clouds(tmp_path / "a.dae", points=400)[0]
    low, high = (cloud.points[np.isclose(cloud.points[:, 2], height)] for height in (0, 5))
    assert len(low) == len(high) == 200
    # Turned by 90 degrees: x becomes y, y becomes -x; the second is mirrored first.
    np.testing.assert_allclose([low.min(axis=0), low.max(axis=0)], [[9, 0, 0], [10, 1, 0]], atol=0.06)
    np.testing.assert_allclose([high.min(axis=0), high.max(axis=0)], [[9, -1, 5], [10, 0, 5]], atol=0.06)
    np.testing.assert_allclose(cloud.channels["normal"], np.tile([0, 0, 1], (400, 1)), atol=1e-6)


def test_dae__as_trimesh_writes_it(tmp_path: Path) -> None:
    pytest.importorskip("collada")
    mesh = trimesh.creation.icosphere(subdivisions=1)
    data = mesh.export(file_type="dae")
    (tmp_path / "a.dae").write_bytes(data)
    surface = read_surface(tmp_path / "a.dae")
    theirs = trimesh.load_mesh(io.BytesIO(data), file_type="dae", process=False)
    np.testing.assert_allclose(rows(triangles_of(surface)), rows(theirs.triangles), atol=1e-6)
    np.testing.assert_allclose(rows(triangles_of(surface)), rows(mesh.triangles), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DAE.format(primitive=PRIMITIVES["triangles"]).replace('url="#g"', 'url="#h"'), "names the geometry '#h'"),
        (DAE.format(primitive="").replace("<mesh>", "<spline>").replace("</mesh>", "</spline>"), "not understood"),
        (DAE.format(primitive=PRIMITIVES["triangles"].replace("0 2 3", "0 2 9")), "a.dae cannot be read"),
        ("<COLLADA", "a.dae cannot be read"),
    ],
)
def test_dae__damaged(tmp_path: Path, text: str, reason: str) -> None:
    pytest.importorskip("collada")
    (tmp_path / "a.dae").write_text(text)
    with pytest.raises(DataError, match=reason):
        readers.read_clouds(tmp_path / "a.dae")
