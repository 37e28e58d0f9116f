"""OBJ, OFF, STL, VRML and STEP: whatever is written is read, in every form that files have."""

import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointssl.data.files import readers
from pointssl.data.files.meshes import read_surface
from pointssl.data.files.surfaces import solids
from pointssl.data.files.surfaces.surface import Surface
from pointssl.errors import DataError
from pointssl.ops.random_points import triangle_normals
from tests.data.solids import cube
from tests.reliability import samples

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
POINT = st.tuples(*[st.integers(-50, 50)] * 3)


def written(path: Path, text: str | bytes) -> Surface:
    """Write a file and read it."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
    return read_surface(path)


def area(surface: Surface) -> float:
    """Return the area of a surface."""
    return float(triangle_normals(surface.vertices, surface.faces)[1].sum())


@QUICK
@given(
    blocks=st.lists(st.tuples(st.lists(POINT, min_size=3, max_size=5), st.booleans()), min_size=1, max_size=5),
    form=st.sampled_from(["{v}", "{v}/{v}", "{v}//{v}", "{v}/{v}/{v}"]),
    end=st.sampled_from(["\n", "\r\n", "  \n"]),
)
def test_obj__blocks_of_vertices_and_faces(
    tmp_path: Path, blocks: list[tuple[list[tuple[int, ...]], bool]], form: str, end: str
) -> None:
    lines, points, triangles = ["# made by a test", "mtllib x.mtl"], [], []
    for block, (rows, relative) in enumerate(blocks):
        lines += [f"g group{block}", *(f"v {x} {y} {z}" for x, y, z in rows), "vn 0 0 1", "s off"]
        points += rows
        last = [len(points) - 3, len(points) - 2, len(points) - 1]
        triangles.append(last)
        lines.append("f " + " ".join(form.format(v=one - len(points) if relative else one + 1) for one in last))
    surface = written(tmp_path / "a.obj", end.join(lines))
    assert surface.vertices.tolist() == [list(map(float, point)) for point in points]
    assert surface.faces.tolist() == triangles


def test_obj__as_trimesh(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    surface = written(tmp_path / "a.obj", mesh.export(file_type="obj"))
    np.testing.assert_allclose(surface.vertices, mesh.vertices, atol=1e-8)
    np.testing.assert_array_equal(surface.faces, mesh.faces)


def test_obj__forms_of_lines(tmp_path: Path) -> None:
    text = "v 0 0 0 # first\n\tv  1 0 0\nv\t1 1 0 1.0\n  v 0 1 \\\n 0\nf 1 2\\\n 3 4\nf 1 2\nl 1 2\np 1\n"
    surface = written(tmp_path / "a.obj", text)
    assert surface.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert surface.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "names vertex 3, but there are only 3"),
        ("v 0 0 0\nf -2 -1 -1\n", "names vertex -1"),
        ("v 0 0 0\nf 0 1 1\n", "names vertex 0, but they are counted from 1"),
        ("v 0 0\nv 1 0\n", "fewer than three coordinates"),
        ("v 0 0 0\nv 1,5 0 0\n", "'1,5' is not a number"),
        ("v 0 0 0\nsurf 0 1 0 1 1 2\n", "curved surfaces"),
    ],
)
def test_obj__damaged(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        written(tmp_path / "a.obj", text)


def test_obj__compressed_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.v1.obj.gz").write_bytes(gzip.compress(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"))
    [cloud] = readers.read_clouds(tmp_path / "a.v1.obj.gz", points=5)
    assert (cloud.name, len(cloud.points)) == ("a.v1", 5)


CORNERS = "0 0 0{a}\n1 0 0{b}\n1 1 0{b}\n0 1 0{a}\n"


@pytest.mark.parametrize(
    ("text", "vertex", "face"),
    [
        ("OFF\n4 1 0\n" + CORNERS.format(a="", b="") + "4 0 1 2 3", None, None),
        ("OFF\n4 1 0\n" + CORNERS.format(a="", b="") + "4 0 1 2 3 255 0 51", None, (1, 0, 0.2)),
        ("OFF\n4 1 0\n" + CORNERS.format(a="", b="") + "4 0 1 2 3 0.5 0 1.0 1.0", None, (0.5, 0, 1)),
        ("OFF\n4 1 0\n" + CORNERS.format(a="", b="") + "4 0 1 2 3 7", None, None),  # a place in a table of colours
        ("COFF 4 1 4 # all\n" + CORNERS.format(a=" 255 0 51 255", b=" 0 0 0 255") + "4 0 1 2 3", (1, 0, 0.2), None),
        ("OFF4 1 0\n" + CORNERS.format(a=" 0.5 0 1", b=" 0 0 0") + "4 0 1 2 3", (0.5, 0, 1), None),
        ("CNOFF\n4 1 0\n" + CORNERS.format(a=" 0 0 1 1 0 0 1", b=" 0 0 1 0 0 0 1") + "4 0 1 2 3", (1, 0, 0), None),
        ("STOFF\r\n4 1 0\r\n" + CORNERS.format(a=" 0 1", b=" 1 1") + "4 0 1 2 3", None, None),
    ],
)  # fmt: skip
def test_off__colours(
    tmp_path: Path, text: str, vertex: tuple[float, ...] | None, face: tuple[float, ...] | None
) -> None:
    surface = written(tmp_path / "a.off", text)
    assert surface.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert surface.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert ("color" in surface.channels) == (vertex is not None)
    if vertex is not None:
        np.testing.assert_allclose(surface.channels["color"][0], vertex, atol=1e-6)
    assert (surface.face_color is None) == (face is None)
    if face is not None:
        np.testing.assert_allclose(
            readers.read_clouds(tmp_path / "a.off", points=4)[0].channels["color"], [face] * 4, atol=1e-6
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("OFF BINARY\n3 1 0\n", "binary or not three-dimensional"),
        ("4OFF\n3 1 0\n", "binary or not three-dimensional"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n4 0 1 2\n", "face 0 announces 4 corners and has 3"),
        ("OFF\n3 1 0\n0 0 0\n1 0\n0 1 0\n3 0 1 2\n", "a vertex has 2 numbers"),
        ("OFF\n999999999 1 0\n0 0 0\n", "cut short: 1 rows where 999999999 vertices"),
    ],
)
def test_off__damaged(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        written(tmp_path / "a.off", text)


def stl_text(triangles: list[list[tuple[int, ...]]], name: str, *, line: str, case: str) -> str:
    """Write one solid in text."""
    words = [f"solid {name}"]
    for corners in triangles:
        words += [
            "facet normal 0 0 1",
            "outer loop",
            *(f"vertex {x}e0 {y} {z}" for x, y, z in corners),
            "endloop",
            "endfacet",
        ]
    words.append(f"endsolid {name}")
    return str(getattr(line.join(words), case)()) + line


@QUICK
@given(
    solids_=st.lists(st.lists(st.lists(POINT, min_size=3, max_size=3), max_size=3), min_size=1, max_size=3),
    name=st.sampled_from(["", "a b", "vertex 1 2 3", "facet", "solid endsolid"]),
    line=st.sampled_from(["\n", "\r\n", "\n\t", " \n\n  ", " "]),
    case=st.sampled_from(["lower", "upper", "title", "__str__"]),
    before=st.sampled_from(["", "\n ", "\ufeff"]),
)
def test_stl__text_in_all_its_forms(
    tmp_path: Path, solids_: list[list[list[tuple[int, ...]]]], name: str, line: str, case: str, before: str
) -> None:
    name = "" if line == " " else name  # on a single line nothing tells a name from the format's words
    text = before + "".join(stl_text(one, name, line=line, case=case) for one in solids_)
    triangles = [corners for one in solids_ for corners in one]
    path = tmp_path / "a.stl"
    path.write_bytes(text.encode())
    if not triangles:
        with pytest.raises(ValueError, match="no triangles"):
            read_surface(path)
        return
    surface = read_surface(path)
    assert surface.vertices[surface.faces].tolist() == [[list(map(float, c)) for c in corners] for corners in triangles]


@QUICK
@given(
    triangles=st.lists(st.lists(POINT, min_size=3, max_size=3), min_size=1, max_size=5),
    head=st.sampled_from([b"", b"solid exported", b"solid facet normal", b"facet normal 0 0 1\nouter loop"]),
)
def test_stl__binary_whatever_its_head(tmp_path: Path, triangles: list[list[tuple[int, ...]]], head: bytes) -> None:
    rows = [struct.pack("<12fH", 0, 0, 0, *(x for corner in one for x in corner), 7) for one in triangles]
    surface = written(tmp_path / "a.stl", head.ljust(80) + struct.pack("<I", len(rows)) + b"".join(rows))
    assert surface.vertices[surface.faces].tolist() == [[list(map(float, c)) for c in corners] for corners in triangles]
    theirs = trimesh.load_mesh(str(tmp_path / "a.stl"), process=False)
    np.testing.assert_allclose(theirs.triangles, surface.vertices[surface.faces])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n", "cut short"),
        ("solid a\nfacet\nvertex 0 0 0\nvertex 1 0 0\nendfacet\nendsolid\n", "2 vertices in 1"),
        (b"x" * 80 + struct.pack("<I", 10**9) + bytes(50), "cut short: 134 bytes"),
        ("solid a\nfacet\nvertex 0 0 0\nvertex 0,5 0 0\nvertex 1 1 1\nendfacet\nendsolid\n", "'0,5' is not a number"),
    ],
)  # fmt: skip
def test_stl__damaged(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        written(tmp_path / "a.stl", text)


POINTS = "Coordinate { point [ 0 0 0, 1 0 0, 1 1 0, 0 1 0 ] }"
QUAD = "IndexedFaceSet { solid FALSE coord %s coordIndex [ 0, 1, 2, 3, -1 ] }"
SHAPE = f"Shape {{ geometry {QUAD % POINTS} }}"
LOOK = "appearance Appearance { material DEF M Material { diffuseColor .1 .2 .3 } }"
TWICE = f"""Group {{ children [
    Shape {{ geometry DEF A {QUAD % f"DEF P {POINTS}"} }}
    Transform {{ translation 0 0 3 children [ Shape {{ geometry USE A }} Shape {{ geometry {QUAD % "USE P"} }} ] }}
] }}"""
CHOICE = f"""DirectionalLight {{ direction 0 0 -1 on TRUE }} WorldInfo {{ title "a # [ {{ b" }} # {{
Switch {{ whichChoice 1 choice [ Shape {{ geometry Sphere {{ }} }} {SHAPE} ] }}
ROUTE A.b TO C.d"""
LINES = "Shape { geometry IndexedLineSet { coord Coordinate { point [ 9 9 9 8 8 8 ] } } }"


@pytest.mark.parametrize(
    ("text", "low", "high", "faces"),
    [
        (SHAPE, (0, 0, 0), (1, 1, 0), 2),
        (f"Transform {{ translation 5 0 0 scale 2 1 1 children [ {SHAPE} ] }}", (5, 0, 0), (7, 1, 0), 2),
        # A quarter turn about z and the centre (1, 1, 0).
        (f"Transform {{ rotation 0 0 2 1.5707963 center 1 1 0 children {SHAPE} }}", (1, 0, 0), (2, 1, 0), 2),
        # Twice as long along the diagonal.
        (f"Transform {{ scale 2 1 1 scaleOrientation 0 0 1 0.78539816 children {SHAPE} }}", (0, 0, 0), (2, 2, 0), 2),
        (TWICE, (0, 0, 0), (1, 1, 3), 6),
        (CHOICE, (0, 0, 0), (1, 1, 0), 2),
        (f"Shape {{ {LOOK} geometry Box {{ size 2 4 6 }} }}", (-1, -2, -3), (1, 2, 3), 12),
        (f"Shape {{ geometry Box {{ }} }} {LINES}", (-1, -1, -1), (1, 1, 1), 12),
    ],
)
def test_vrml__scenes(tmp_path: Path, text: str, low: tuple[float, ...], high: tuple[float, ...], faces: int) -> None:
    for data in (f"#VRML V2.0 utf8\n{text}\n".encode(), gzip.compress(f"#VRML V2.0 utf8\n{text}\n".encode())):
        surface = written(tmp_path / "a.wrl", data)
        np.testing.assert_allclose(surface.vertices[np.unique(surface.faces)].min(axis=0), low, atol=1e-6)
        np.testing.assert_allclose(surface.vertices[np.unique(surface.faces)].max(axis=0), high, atol=1e-6)
        assert len(surface.faces) == faces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sphere { radius 2 }", 4 * np.pi * 4),
        ("Cylinder { radius 2 height 3 }", 2 * np.pi * 2 * 3 + 2 * np.pi * 4),
        ("Cylinder { radius 2 height 3 top FALSE }", 2 * np.pi * 2 * 3 + np.pi * 4),
        ("Cone { bottomRadius 3 height 4 }", np.pi * 3 * 5 + np.pi * 9),
        ("Cone { bottomRadius 3 height 4 side FALSE }", np.pi * 9),
    ],
)
def test_vrml__solids_have_their_area_and_look_outwards(tmp_path: Path, text: str, expected: float) -> None:
    surface = written(tmp_path / "a.wrl", f"#VRML V2.0 utf8\nShape {{ geometry {text} }}")
    assert area(surface) == pytest.approx(expected, rel=3e-3)
    normals, _ = triangle_normals(surface.vertices, surface.faces)
    middle = surface.vertices[surface.faces].mean(axis=1)
    assert (np.einsum("fd,fd->f", normals, middle) >= -1e-9).all()


def test_box__is_the_cube() -> None:
    box = solids.box(np.array([1.0, 1.0, 1.0]))
    assert area(box) == pytest.approx(6)
    assert sorted(map(tuple, box.vertices.tolist())) == sorted(map(tuple, cube(0.5).vertices.tolist()))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#VRML V1.0 ascii\nSeparator { }", "only VRML 2 is read"),
        ("#VRML V2.0 utf8\nShape { geometry Extrusion { } }", "it holds Extrusion, which is not supported"),
        ('#VRML V2.0 utf8\nInline { url "a.wrl" }', "it holds Inline"),
        ("#VRML V2.0 utf8\nPROTO A [ ] { Group { } }", "it holds PROTO"),
        ("#VRML V2.0 utf8\nShape { geometry USE A }", "uses 'A' before it is defined"),
        ("#VRML V2.0 utf8\nGroup { children [ Shape { geometry Box { } }", "cut short"),
        ("#VRML V2.0 utf8\nNavigationInfo { }", "no points"),
        (f"#VRML V2.0 utf8\nShape {{ geometry {QUAD % POINTS.replace(', 0 1 0', '')} }}", "names vertex 3"),
    ],
)
def test_vrml__refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        written(tmp_path / "a.wrl", text)


def test_vrml__nodes_that_use_each_other_without_end(tmp_path: Path) -> None:
    lines = ["#VRML V2.0 utf8", "DEF A0 Group { children [ ] }"]
    lines += [f"DEF A{n} Group {{ children [ USE A{n - 1} USE A{n - 1} ] }}" for n in range(1, 40)]
    with pytest.raises(ValueError, match="more than 200000 nodes"):
        written(tmp_path / "a.wrl", "\n".join(lines))


def test_step__package_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cascadio", None)
    (tmp_path / "a.step").write_text("ISO-10303-21;")
    with pytest.raises(Exception, match=r"pip install 'pointssl\[step\]'"):
        readers.read_clouds(tmp_path / "a.step")


def test_step__whole_and_with_a_face_that_cannot_be_cut(tmp_path: Path) -> None:
    pytest.importorskip("cascadio")
    whole = samples.step().decode()
    (tmp_path / "a.step").write_text(whole)
    surface = readers.read_surface(tmp_path / "a.step")
    assert len(surface.faces) == 4
    np.testing.assert_allclose(surface.vertices.max(axis=0), 0.01, atol=1e-9)  # ten millimetres, in metres
    plane = re.search(r"#\d+=PLANE[^\n]*\n", whole)
    assert plane is not None
    (tmp_path / "a.step").write_text(whole.replace(plane[0], ""))
    with pytest.raises(DataError, match="of its 4 faces cannot be cut into triangles"):
        readers.read_surface(tmp_path / "a.step")


@pytest.mark.parametrize(
    "text", ["hello", "ISO-10303-21;\nHEADER;\nENDSEC;\n", "ISO-10303-21;\nDATA;\n#1=1(;\nENDSEC;\nEND-ISO-10303-21;\n"]
)
def test_step__damaged(tmp_path: Path, text: str) -> None:
    pytest.importorskip("cascadio")
    (tmp_path / "a.stp").write_text(text)
    with pytest.raises(DataError, match=r"a\.stp cannot be read"):
        readers.read_clouds(tmp_path / "a.stp")
