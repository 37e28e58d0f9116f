"""A small whole file of every kind that is read, to be damaged; all hold the same points, or the same solid."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float

COUNT = 48
_PCD = (
    "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
    "WIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA "
)
_WRL = (
    "#VRML V2.0 utf8\n"
    "Shape {{ geometry IndexedFaceSet {{ coord Coordinate {{ point [ {0} ] }} coordIndex [ {1} ] }} }}\n"
)
_3MF = (
    '<?xml version="1.0"?><model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
    '<resources><object id="1" type="model"><mesh><vertices>{0}</vertices><triangles>{1}</triangles></mesh></object>'
    '</resources><build><item objectid="1"/></build></model>'
)
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
_RELS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="r" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)


def points() -> Float[np.ndarray, "n 3"]:
    """Return points that text keeps as they are."""
    return np.round(np.random.default_rng(0).normal(size=(COUNT, 3)), 3).astype(np.float32)


def lines(table: Any, between: str = " ") -> str:
    """Return rows of numbers."""
    return "".join(between.join(f"{value:.3f}" for value in row) + "\n" for row in table)


def solid() -> Any:
    """Return a ball of 80 triangles."""
    return trimesh.creation.icosphere(subdivisions=1)


def _ply(mesh: bool, text: bool) -> bytes:
    ball = solid()
    corners = ball.vertices.astype(np.float32) if mesh else points()
    head = f"ply\nformat {'ascii' if text else 'binary_little_endian'} 1.0\nelement vertex {len(corners)}\n"
    head += "property float x\nproperty float y\nproperty float z\n"
    head += f"element face {len(ball.faces)}\nproperty list uchar int vertex_indices\n" * mesh + "end_header\n"
    if text:
        rows = "".join(f"3 {a} {b} {c}\n" for a, b, c in ball.faces) if mesh else ""
        return (head + lines(corners) + rows).encode()
    faces = b"".join(struct.pack("<B3i", 3, *face) for face in ball.faces.tolist()) if mesh else b""
    return head.encode() + corners.tobytes() + faces


def _las(kind: str) -> bytes:
    import laspy

    las = laspy.LasData(laspy.LasHeader(point_format=3, version="1.2"))
    las.header.scales = np.full(3, 0.001)
    las.x, las.y, las.z = points().T.astype(np.float64)
    out = io.BytesIO()
    las.write(out, do_compress=kind == "laz")
    return out.getvalue()


def _e57(folder: Path) -> bytes:
    import pye57

    file = pye57.E57(str(folder / "one.e57"), mode="w")
    file.write_scan_raw({f"cartesian{axis}": points()[:, place].astype(np.float64) for place, axis in enumerate("XYZ")})
    file.close()
    return (folder / "one.e57").read_bytes()


def _h5(folder: Path) -> bytes:
    import h5py

    with h5py.File(folder / "one.h5", "w") as file:
        file["data"] = np.stack([points(), points()[::-1]])
        file["label"] = np.array([0, 1])
    return (folder / "one.h5").read_bytes()


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, points=np.stack([points(), points()[::-1]]), label=np.array([0, 1]))
    return out.getvalue()


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, points())
    return out.getvalue()


def _gltf() -> bytes:
    import base64

    files: Any = solid().export(file_type="gltf")
    told = json.loads(files["model.gltf"])
    for buffer in told["buffers"]:
        data = base64.b64encode(files[buffer["uri"]]).decode()
        buffer["uri"] = f"data:application/octet-stream;base64,{data}"
    return json.dumps(told).encode()


def _threemf() -> bytes:
    corners = "".join(f'<vertex x="{x:.3f}" y="{y:.3f}" z="{z:.3f}"/>' for x, y, z in solid().vertices)
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in solid().faces)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELS)
        archive.writestr("3D/3dmodel.model", _3MF.format(corners, faces))
    return out.getvalue()


def _wrl() -> bytes:
    corners = ", ".join(f"{x:.3f} {y:.3f} {z:.3f}" for x, y, z in solid().vertices)
    return _WRL.format(corners, ", ".join(f"{a}, {b}, {c}, -1" for a, b, c in solid().faces)).encode()


def _exported(kind: str) -> bytes:
    made: Any = solid().export(file_type=kind)
    return made.encode() if isinstance(made, str) else bytes(made)


def files(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return name and content of a file of every kind; `folder` is for writers that need one."""
    cloud, head = points(), _PCD.format(COUNT)
    made: dict[str, tuple[str, bytes]] = {
        "ply mesh": ("a.ply", _ply(mesh=True, text=False)),
        "ply mesh text": ("a.ply", _ply(mesh=True, text=True)),
        "ply cloud": ("a.ply", _ply(mesh=False, text=False)),
        "ply cloud text": ("a.ply", _ply(mesh=False, text=True)),
        "obj": ("a.obj", _exported("obj")),
        "obj.gz": ("a.obj.gz", gzip.compress(_exported("obj"), mtime=0)),
        "off": ("a.off", _exported("off")),
        "stl": ("a.stl", _exported("stl")),
        "stl text": ("a.stl", _exported("stl_ascii")),
        "glb": ("a.glb", _exported("glb")),
        "gltf": ("a.gltf", _gltf()),
        "wrl": ("a.wrl", _wrl()),
        "dae": ("a.dae", _exported("dae")),
        "step": ("a.step", step()),
        "3mf": ("a.3mf", _threemf()),
        "xyz": ("a.xyz", lines(cloud).encode()),
        "csv": ("a.csv", b"x,y,z\n" + lines(cloud, ",").encode()),
        "pts": ("a.pts", f"{COUNT}\n{lines(cloud)}".encode()),
        "ptx": ("a.ptx", _ptx(cloud)),
        "pcd text": ("a.pcd", f"{head}ascii\n{lines(cloud)}".encode()),
        "pcd": ("a.pcd", f"{head}binary\n".encode() + cloud.tobytes()),
        "las": ("a.las", _las("las")),
        "laz": ("a.laz", _las("laz")),
        "e57": ("a.e57", _e57(folder)),
        "npy": ("a.npy", _npy()),
        "npz": ("a.npz", _npz()),
        "h5": ("a.h5", _h5(folder)),
        "bin": ("a.bin", np.column_stack([cloud, np.full(COUNT, 0.5, np.float32)]).tobytes()),
    }
    return made


def _ptx(cloud: Float[np.ndarray, "n 3"]) -> bytes:
    still = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
    return (f"{COUNT}\n1\n{still}" + "".join(f"{x:.3f} {y:.3f} {z:.3f} 0.5\n" for x, y, z in cloud)).encode()


def step() -> bytes:
    """Return a tetrahedron as STEP: planes, lines, and the product that they are the shape of."""
    entities: list[str] = []

    def add(text: str) -> str:
        entities.append(f"#{len(entities) + 1}={text};")
        return f"#{len(entities)}"

    def numbers(values: Any) -> str:
        return f"({','.join(f'{value:.6f}' for value in values)})"

    def point(values: Any) -> str:
        return add(f"CARTESIAN_POINT('',{numbers(values)})")

    def direction(values: Any) -> str:
        return add(f"DIRECTION('',{numbers(values / np.linalg.norm(values))})")

    def axes(origin: Any, along: Any, across: Any) -> str:
        return add(f"AXIS2_PLACEMENT_3D('',{point(origin)},{direction(along)},{direction(across)})")

    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], float)
    ends = [add(f"VERTEX_POINT('',{point(one)})") for one in corners]
    edges: dict[tuple[int, int], str] = {}
    faces = []
    for face in ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)):
        loop = []
        for a, b in zip(face, (*face[1:], face[0]), strict=True):
            if (b, a) in edges:
                loop.append(add(f"ORIENTED_EDGE('',*,*,{edges[b, a]},.F.)"))
                continue
            vector = add(f"VECTOR('',{direction(corners[b] - corners[a])},1.)")
            line = add(f"LINE('',{point(corners[a])},{vector})")
            edges[a, b] = add(f"EDGE_CURVE('',{ends[a]},{ends[b]},{line},.T.)")
            loop.append(add(f"ORIENTED_EDGE('',*,*,{edges[a, b]},.T.)"))
        one, two, three = corners[list(face)]
        plane = add(f"PLANE('',{axes(one, np.cross(two - one, three - one), two - one)})")
        around = add(f"EDGE_LOOP('',({','.join(loop)}))")
        bound = add(f"FACE_OUTER_BOUND('',{around},.T.)")
        faces.append(add(f"ADVANCED_FACE('',({bound}),{plane},.T.)"))
    shell = add(f"CLOSED_SHELL('',({','.join(faces)}))")
    body = add(f"MANIFOLD_SOLID_BREP('',{shell})")
    units = [
        add(f"({kind}()NAMED_UNIT(*){unit})")
        for kind, unit in (
            ("LENGTH_UNIT", "SI_UNIT(.MILLI.,.METRE.)"),
            ("PLANE_ANGLE_UNIT", "SI_UNIT($,.RADIAN.)"),
            ("SOLID_ANGLE_UNIT", "SI_UNIT($,.STERADIAN.)"),
        )
    ]
    context = add(
        "(GEOMETRIC_REPRESENTATION_CONTEXT(3)"
        f"GLOBAL_UNIT_ASSIGNED_CONTEXT(({','.join(units)}))REPRESENTATION_CONTEXT('',''))"
    )
    origin = axes(np.zeros(3), np.array([0.0, 0, 1]), np.array([1.0, 0, 0]))
    shape = add(f"ADVANCED_BREP_SHAPE_REPRESENTATION('',({origin},{body}),{context})")
    application = add("APPLICATION_CONTEXT('automotive design')")
    field = add(f"PRODUCT_CONTEXT('',{application},'mechanical')")
    product = add(f"PRODUCT('a','a','',({field}))")
    formation = add(f"PRODUCT_DEFINITION_FORMATION('','',{product})")
    stage = add(f"PRODUCT_DEFINITION_CONTEXT('part definition',{application},'design')")
    definition = add(f"PRODUCT_DEFINITION('design','',{formation},{stage})")
    whole = add(f"PRODUCT_DEFINITION_SHAPE('','',{definition})")
    add(f"SHAPE_DEFINITION_REPRESENTATION({whole},{shape})")
    head = "FILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\nFILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\n"
    told = "\n".join(entities)
    return f"ISO-10303-21;\nHEADER;\n{head}ENDSEC;\nDATA;\n{told}\nENDSEC;\nEND-ISO-10303-21;\n".encode()


def picture(kind: str) -> bytes:
    """Return a small picture."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(out, kind)
    return out.getvalue()
