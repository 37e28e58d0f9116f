"""Files read per second, beside trimesh, plyfile, laspy, pye57 and Open3D; writes results/reading.json.

    python benchmarks/reading.py [--files 1000] [--only ply-quads,las] [--out results/reading.json]

Each library reads the same files, one after the other on each file (in turn the first), and every reading is compared
with what was written: an array of points, and of triangles where there are some. Seconds are those of the processor,
so that others who use the machine count for little. The factor is our time over that of the fastest other library that
reads the kind right: the median over the files and its 95 % interval (bootstrap over files). A library that reads
something else than was written is named with the error and not counted. Open3D is used where it is installed (it needs
a gigabyte): pip install 'pointssl[bench]'.
"""

import argparse
import io
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import trimesh
from numpy.typing import NDArray

from pointssl.data.files import readers
from pointssl.data.files.surfaces.surface import Surface
from pointssl.files import write_json

Array = NDArray[Any]
Read = Callable[[Path], tuple[Array, Array | None]]
"""From a file to points (n, 3) and triangles (f, 3), or None for a cloud."""

POINTS = 2048
FAR = np.array([512000.0, 5412000.0, 200.0])


def surface(seed: int) -> tuple[Array, Array]:
    """Return corners and quads of a bumpy sheet: 1,089 corners and 1,024 quads."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(33) / 32, np.arange(33) / 32, indexing="ij")
    points = np.stack([x, y, rng.normal(0, 0.002, x.shape)], axis=2).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(32)[:, None] * 33 + np.arange(32)).reshape(-1)
    return points, np.stack([corner, corner + 33, corner + 34, corner + 1], axis=1)


def halves(quads: Array) -> Array:
    """Return two triangles for each quad, from its first corner."""
    return np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)


def write_ply(path: Path, points: Array, faces: Array | None, *, text: bool = False) -> None:
    """Write a PLY of polygons of one size, or of points."""
    head = f"ply\nformat {'ascii' if text else 'binary_little_endian'} 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property {'double' if points.dtype == np.float64 else 'float'} {axis}\n" for axis in "xyz")
    if faces is not None:
        head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    body = points.tobytes()
    if text:
        body = b"".join(b"%.9g %.9g %.9g\n" % tuple(row) for row in points)
    if faces is not None and text:
        body += "".join(f"{len(row)} {' '.join(map(str, row))}\n" for row in faces.tolist()).encode()
    elif faces is not None:
        table = np.zeros(len(faces), [("n", "u1"), ("corners", "<i4", faces.shape[1])])
        table["n"], table["corners"] = faces.shape[1], faces
        body += table.tobytes()
    path.write_bytes(head.encode() + b"end_header\n" + body)


def write_obj(path: Path, points: Array, faces: Array) -> None:
    """Write an OBJ."""
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in points]
    lines += ["f " + " ".join(f"{corner + 1}/{corner + 1}" for corner in row) for row in faces.tolist()]
    path.write_text("\n".join(lines) + "\n")


def write_mesh(path: Path, points: Array, faces: Array, kind: str) -> None:
    """Write a mesh as trimesh does."""
    data = trimesh.Trimesh(points, faces, process=False).export(file_type=kind)
    path.write_bytes(data if isinstance(data, bytes) else str(data).encode())


def write_stl_text(path: Path, points: Array, faces: Array) -> None:
    """Write a text STL, numbers as the format's description prints them."""
    lines = ["solid sheet"]
    for corners in points[faces].tolist():
        lines += ["facet normal 0.000000e+00 0.000000e+00 1.000000e+00", "outer loop"]
        lines += [f"vertex {x:.6e} {y:.6e} {z:.6e}" for x, y, z in corners]
        lines += ["endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid sheet", ""]))


def write_las(path: Path, points: Array) -> None:
    """Write a LAS or LAZ of millimetres."""
    las = laspy.LasData(laspy.LasHeader(point_format=3, version="1.4"))
    las.header.offsets, las.header.scales = FAR, np.full(3, 0.001)
    las.x, las.y, las.z = points.T
    las.write(str(path))


def write_pcd(path: Path, points: Array) -> None:
    """Write a binary PCD."""
    head = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {0}\nHEIGHT 1\nPOINTS {0}\nDATA binary\n"
    path.write_bytes(b"VERSION 0.7\n" + head.format(len(points)).encode() + points.tobytes())


def write_e57(path: Path, points: Array) -> None:
    """Write an E57 of one scan."""
    import pye57

    file = pye57.E57(str(path), mode="w")
    file.write_scan_raw({f"cartesian{axis}": points[:, place].astype(np.float64) for place, axis in enumerate("XYZ")})
    file.close()


def cloud(seed: int, dtype: Any = np.float32) -> Array:
    """Return points in a cube of ten."""
    return (np.random.default_rng(seed).random((POINTS, 3)) * 10).astype(dtype)


def far_cloud(seed: int) -> Array:
    """Return survey coordinates in whole millimetres."""
    return np.asarray(np.round(cloud(seed, np.float64), 3) + FAR)


def ours(path: Path) -> Any:
    """Read with this library: a surface or a cloud."""
    return readers.read_surface(path) if path.name.startswith("mesh") else readers.read_clouds(path)[0]


def arrays(one: Any) -> tuple[Array, Array | None]:
    """Return the triangles of a surface of ours, or the points of a cloud where they were in the file; not timed."""
    if isinstance(one, Surface):
        return one.vertices, one.faces
    shift = one.origin.rpartition(" minus (")[2].rstrip(")") if " minus (" in one.origin else "0, 0, 0"
    return one.points + np.array([float(number) for number in shift.split(",")]), None


def by_trimesh(path: Path) -> tuple[Array, Array | None]:
    """Read with trimesh, nothing merged."""
    more: dict[str, Any] = {"skip_materials": True} if path.suffix == ".obj" else {}
    found: Any = trimesh.load(str(path), process=False, **more)
    if isinstance(found, trimesh.Scene):
        found = found.to_mesh()
    return found.vertices, found.faces if isinstance(found, trimesh.Trimesh) else None


def by_plyfile(path: Path) -> tuple[Array, Array | None]:
    """Read with plyfile; where all polygons are as large it is told so, which is its fast way."""
    import plyfile

    known = {"face": {"vertex_indices": 3 if "triangles" in path.name else 4}} if path.name.startswith("mesh") else {}
    found = plyfile.PlyData.read(str(path), known_list_len=known if "ascii" not in path.name else {})
    points = np.stack([found["vertex"][axis] for axis in "xyz"], axis=1)
    if not known:
        return points, None
    faces = np.stack(found["face"]["vertex_indices"])
    return points, halves(faces) if faces.shape[1] == 4 else faces


def by_laspy(path: Path) -> tuple[Array, Array | None]:
    """Read with laspy."""
    return laspy.read(str(path)).xyz, None


def by_pye57(path: Path) -> tuple[Array, Array | None]:
    """Read with pye57."""
    import pye57

    file = pye57.E57(str(path))
    table = file.read_scan(0, ignore_missing_fields=True)
    file.close()
    return np.stack([table[f"cartesian{axis}"] for axis in "XYZ"], axis=1), None


def by_open3d(path: Path) -> tuple[Array, Array | None]:
    """Read with Open3D."""
    import open3d

    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    if not path.name.startswith("mesh"):
        return np.asarray(open3d.io.read_point_cloud(str(path)).points), None
    found = open3d.io.read_triangle_mesh(str(path))
    return np.asarray(found.vertices), np.asarray(found.triangles)


PLY, SCAN = {"trimesh": by_trimesh, "plyfile": by_plyfile, "open3d": by_open3d}, {"open3d": by_open3d}
MESH = {"trimesh": by_trimesh, "open3d": by_open3d}
KINDS: dict[str, tuple[str, Callable[[Path, int], tuple[Array, Array | None]], Mapping[str, Read]]] = {}
"""Ending, what writes file number i and says what it wrote, and who else reads it."""


def mesh_kind(
    name: str, ending: str, write: Callable[[Path, Array, Array], None], others: Mapping[str, Read], *, quads: bool
) -> None:
    """Add a kind of mesh."""

    def make(path: Path, seed: int) -> tuple[Array, Array | None]:
        points, faces = surface(seed)
        write(path, points, faces if quads else halves(faces))
        return points, halves(faces)

    KINDS[name] = (ending, make, others)


def cloud_kind(
    name: str,
    ending: str,
    write: Callable[[Path, Array], None],
    points: Callable[[int], Array],
    others: Mapping[str, Read],
) -> None:
    """Add a kind of cloud."""

    def make(path: Path, seed: int) -> tuple[Array, Array | None]:
        wanted = points(seed)
        write(path, wanted)
        return wanted, None

    KINDS[name] = (ending, make, others)


mesh_kind("mesh-ply-triangles", "ply", write_ply, PLY, quads=False)
mesh_kind("mesh-ply-quads", "ply", write_ply, PLY, quads=True)
mesh_kind("mesh-ply-ascii-quads", "ply", lambda p, v, f: write_ply(p, v, f, text=True), PLY, quads=True)
mesh_kind("mesh-obj-triangles", "obj", write_obj, MESH, quads=False)
mesh_kind("mesh-obj-quads", "obj", write_obj, MESH, quads=True)
mesh_kind("mesh-off", "off", lambda p, v, f: write_mesh(p, v, f, "off"), MESH, quads=False)
mesh_kind("mesh-stl", "stl", lambda p, v, f: write_mesh(p, v, f, "stl"), MESH, quads=False)
mesh_kind("mesh-stl-ascii", "stl", write_stl_text, MESH, quads=False)
mesh_kind("mesh-glb", "glb", lambda p, v, f: write_mesh(p, v, f, "glb"), MESH, quads=False)
cloud_kind("cloud-ply", "ply", lambda p, v: write_ply(p, v, None), cloud, PLY)
cloud_kind("cloud-ply-ascii", "ply", lambda p, v: write_ply(p, v, None, text=True), cloud, PLY)
cloud_kind("cloud-ply-far", "ply", lambda p, v: write_ply(p, v, None), far_cloud, PLY)
cloud_kind("cloud-pcd", "pcd", write_pcd, cloud, SCAN)
cloud_kind("cloud-las", "las", write_las, far_cloud, {"laspy": by_laspy})
cloud_kind("cloud-laz", "laz", write_las, far_cloud, {"laspy": by_laspy})
cloud_kind("cloud-e57", "e57", write_e57, cloud, {"pye57": by_pye57})


def problem(found: tuple[Array, Array | None], wanted: tuple[Array, Array | None]) -> str:
    """Say what is wrong with what was read; nothing where it is what was written."""
    (points, faces), (own, triangles) = found, wanted
    if triangles is not None:
        if faces is None:
            return "no triangles"
        if faces.shape != triangles.shape:
            return f"{len(faces)} triangles of {faces.shape[1]} corners, written were {len(triangles)}"
        points, own = np.asarray(points)[faces].reshape(-1, 3), own[triangles].reshape(-1, 3)
    if points.shape != own.shape:
        return f"{len(points)} points, written were {len(own)}"
    error = float(np.abs(points - own).max())
    return "" if error < 1e-5 else f"points are off by {error:.2g}"


def interval(factors: Array) -> list[float]:
    """Return the median and its 95 % interval."""
    rng = np.random.default_rng(0)
    medians = np.median(factors[rng.integers(0, len(factors), (1000, len(factors)))], axis=1)
    return [float(np.median(factors)), *np.quantile(medians, [0.025, 0.975]).tolist()]


def measure(kind: str, files: int, root: Path) -> dict[str, Any]:
    """Read the files of one kind with every library."""
    ending, make, others = KINDS[kind]
    libraries: dict[str, Read] = {"pointssl": ours, **{k: v for k, v in others.items() if find_spec(k) is not None}}
    written = [(root / f"{kind}-{number}.{ending}", number) for number in range(files)]
    wrong: dict[str, str] = {}
    seconds: dict[str, list[float]] = {name: [] for name in libraries}
    for number, (path, seed) in enumerate(written):
        wanted = make(path, seed)
        names = list(libraries)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.process_time()
            try:
                found = libraries[name](path)
            except Exception as error:
                wrong.setdefault(name, f"{type(error).__name__}: {error}"[:120])
                continue
            seconds[name].append(time.process_time() - start)
            bad = problem(arrays(found) if name == "pointssl" else found, wanted)
            if bad:
                wrong.setdefault(name, bad)
        path.unlink()
    right = {name: np.array(taken) for name, taken in seconds.items() if name not in wrong}
    result: dict[str, Any] = {
        "files": files,
        "milliseconds": {name: round(1000 * float(np.median(taken)), 3) for name, taken in right.items()},
        "wrong": wrong,
    }
    rivals = {name: taken for name, taken in right.items() if name != "pointssl"}
    if "pointssl" in right and rivals:
        best = min(rivals, key=lambda name: float(np.median(rivals[name])))
        middle, low, high = interval(right["pointssl"] / np.maximum(rivals[best], 1e-9))
        result |= {"best_other": best, "factor": {"median": middle, "low": low, "high": high}}
    return result


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("results/reading.json"))
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if not arguments.only or kind in arguments.only.split(",")]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            measure(kind, 3, Path(folder))  # imports and caches
            results[kind] = measure(kind, arguments.files, Path(folder))
            said = io.StringIO()
            print(kind, results[kind], file=said)
            print(said.getvalue(), end="", flush=True)
    packages = ["numpy", "trimesh", "laspy", "pye57", *(one for one in ("plyfile", "open3d") if find_spec(one))]
    about = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    write_json(arguments.out, {"settings": {"files": arguments.files}, "versions": about, "kinds": results})


if __name__ == "__main__":
    main()
