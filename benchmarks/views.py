"""Pictures per second of both renderers, each beside the textbook way; writes results/views.json.

    python benchmarks/views.py [--threads 2] [--rounds 7] [--device cpu]

Ray casting: 24 views of a torus of 5,000 faces at 96 pixels, per processor second of one thread, scene included.
Splatting: 8 views of each of 32 clouds of 1,024 points at 64 pixels. Textbook ways of splatting are two passes (nearest
depth, then which points have it) and a loop over pictures; of ray casting, all rays of whole pictures through trimesh.
Every way must show the same, and both renderers must agree on the depth of a dense cloud of the torus; otherwise
nothing is written.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor

from pointssl.data.views.meshes import open_meshes, unit_ball
from pointssl.data.views.raycast import Caster
from pointssl.files import write_json
from pointssl.ops import random_points
from pointssl.ops.batch_rng import Draws
from pointssl.ops.render import cameras as views
from pointssl.ops.render.cameras import Cameras, project, random_cameras, ring
from pointssl.ops.render.shading import estimated_normals
from pointssl.ops.render.splat import Splats, disc_radius, render_clouds, splat

CAST_SIZE, CAST_VIEWS = 96, 24
SIZE, POINTS, CLOUDS, VIEWS = 64, 1024, 32, 8


def best(
    work: Callable[[], object], rounds: int, device: str = "cpu", clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the seconds of the fastest round: others use the machine too."""
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times)


def two_passes(xyz: Tensor, cameras: Cameras, size: int, radius: int) -> Splats:
    """The nearest depth of every pixel first, then the first point that has it."""
    seen = project(xyz, cameras)
    b, v, n = seen.depth.shape
    column, row = ((seen.right + 1) * size / 2).floor(), ((1 - seen.top) * size / 2).floor()
    inside = (seen.depth > 0) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    wide = size + 2 * radius
    cell = torch.where(inside, (row + radius) * wide + column + radius, 0.0).long()
    step = torch.arange(-radius, radius + 1, device=xyz.device)
    offset = (step[:, None] * wide + step)[step[:, None] ** 2 + step**2 <= radius**2]
    place = torch.where(inside[:, :, None], cell[:, :, None] + offset[:, None], 0).reshape(b * v, -1)
    depth = seen.depth.masked_fill(~inside, torch.inf)[:, :, None].expand(-1, -1, len(offset), -1).reshape(b * v, -1)
    nearest = torch.full((b * v, wide * wide), torch.inf, device=xyz.device).scatter_reduce_(1, place, depth, "amin")
    number = torch.arange(n, device=xyz.device).expand(b * v, len(offset), n).reshape(b * v, -1)
    number = torch.where((depth == nearest.gather(1, place)) & depth.isfinite(), number, n)
    winner = torch.full((b * v, wide * wide), n, device=xyz.device).scatter_reduce_(1, place, number, "amin")
    cut = (slice(None), slice(None), slice(radius, radius + size), slice(radius, radius + size))
    point = winner.view(b, v, wide, wide)[cut]
    return Splats(nearest.view(b, v, wide, wide)[cut], torch.where(point == n, -1, point))


def picture_by_picture(xyz: Tensor, cameras: Cameras, size: int, radius: int) -> Splats:
    """The same splat in a loop over clouds and views."""
    made = []
    for b in range(len(xyz)):
        for v in range(len(cameras)):
            eye, target, up = (part[b : b + 1, v : v + 1] for part in (cameras.eye, cameras.target, cameras.up))
            made.append(splat(xyz[b : b + 1], Cameras(eye, target, up, cameras.extent), size, radius))
    shape = (len(xyz), len(cameras), size, size)
    return Splats(*(torch.cat([one[part] for one in made]).view(shape) for part in (0, 1)))


def same(ours: Splats, theirs: Splats) -> bool:
    """Tell whether two ways show the same; pictures of one batch and of one alone may round a point elsewhere."""
    return bool((ours.point == theirs.point).float().mean() > 0.999)


def casting(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return pictures per second of ways to render a mesh, and how well the renderers agree on depth."""
    torus = trimesh.creation.torus(0.7, 0.25, major_sections=50, minor_sections=50)
    vertices, faces = unit_ball(np.array(torus.vertices, np.float32)), np.array(torus.faces)
    cameras = ring(CAST_VIEWS)
    caster = Caster(cameras, CAST_SIZE)
    plain = trimesh.Trimesh(vertices, faces, process=False)
    origin, direction = (part.reshape(-1, 3).numpy() for part in views.rays(cameras, CAST_SIZE))

    def textbook() -> np.ndarray:
        engine = trimesh.ray.ray_pyembree.RayMeshIntersector(plain)
        hit: np.ndarray = engine.intersects_first(origin, direction).reshape(CAST_VIEWS, CAST_SIZE, CAST_SIZE)
        return hit

    seen = caster(vertices, faces)
    # At a pixel's corner, rays that lie a hundred-thousandth apart may meet two triangles.
    if (seen.face.numpy() == textbook()).mean() < 0.999:
        raise SystemExit("ray casting does not see the triangles that trimesh sees")
    points = random_points.surface(vertices, faces, 300_000, np.random.default_rng(0)).points
    small = Caster(cameras, 8 * 32)(vertices, faces).depth
    cast = -torch.nn.functional.max_pool2d(-small, 8)  # the nearest of 64 rays a pixel: what dense points show
    spread = splat(torch.from_numpy(points.astype(np.float32))[None], cameras, 32, 0).depth[0]
    both = cast.isfinite() & spread.isfinite()
    agreement = {
        "median_depth_difference_in_radii": round(float((cast - spread)[both].abs().median()), 5),
        "overlap_of_outlines": round(float(both.sum() / (cast.isfinite() | spread.isfinite()).sum()), 4),
    }
    if agreement["median_depth_difference_in_radii"] > 0.01 or agreement["overlap_of_outlines"] < 0.95:
        raise SystemExit(f"the renderers do not agree: {agreement}")
    ways: dict[str, Callable[[], object]] = {
        "depth, normals, faces": lambda: caster(vertices, faces),
        "and shading": lambda: caster(vertices, faces).shaded,
        "and smooth normals": lambda: caster(vertices, faces, smooth=True).shaded,
        "trimesh, faces alone": textbook,
    }
    # Seconds of the processor, because one thread's wait for its turn says nothing about the renderer.
    times = {way: best(work, rounds, clock=time.process_time) for way, work in ways.items()}
    return {way: CAST_VIEWS / seconds for way, seconds in times.items()}, agreement


def real_meshes(rounds: int) -> dict[str, float]:
    """Return shaded pictures per second of real meshes of about 5,000 faces, where POINTSSL_DATA names some."""
    folder = os.environ.get("POINTSSL_DATA")
    if not folder:
        return {}
    meshes = open_meshes(Path(folder) / "psb-shrec12")
    assert meshes is not None
    made = [meshes.mesh(index) for index in range(len(meshes))]
    near = [mesh for mesh in made if 4500 <= len(mesh.faces) <= 5500][:40]
    caster = Caster(ring(CAST_VIEWS, (15.0, 30.0, 45.0)), CAST_SIZE)

    def render() -> None:
        for mesh in near:
            _ = caster(mesh.vertices, mesh.faces).shaded

    seconds = best(render, rounds, clock=time.process_time)
    return {f"{len(near)} meshes of psb-shrec12 of 4,500 to 5,500 faces, shaded": CAST_VIEWS * len(near) / seconds}


def splatting(rounds: int, device: str) -> dict[str, float]:
    """Return pictures per second of ways to splat clouds; all must show the same."""
    generator = torch.Generator().manual_seed(0)
    xyz = torch.nn.functional.normalize(torch.randn(CLOUDS, POINTS, 3, generator=generator), dim=-1).to(device)
    cameras = random_cameras(Draws(generator, CLOUDS), VIEWS).to(device)
    radius = disc_radius(SIZE, POINTS)
    ours = splat(xyz, cameras, SIZE, radius)
    for name, other in (("two passes", two_passes), ("a picture at a time", picture_by_picture)):
        if not same(ours, other(xyz, cameras, SIZE, radius)):
            raise SystemExit(f"the splat does not show what {name} shows")

    def draws() -> Draws:
        return Draws(torch.Generator(device).manual_seed(0), CLOUDS)

    ways: dict[str, Callable[[], object]] = {
        "depth and points": lambda: splat(xyz, cameras, SIZE, radius),
        "two passes": lambda: two_passes(xyz, cameras, SIZE, radius),
        "a picture at a time": lambda: picture_by_picture(xyz, cameras, SIZE, radius),
        "in training, depth": lambda: render_clouds(xyz, VIEWS, SIZE, draws()),
        "in training, shaded": lambda: render_clouds(xyz, VIEWS, SIZE, draws(), channels="shaded"),
    }
    speeds = {way: CLOUDS * VIEWS / best(work, rounds, device) for way, work in ways.items()}
    speeds["clouds whose normals are estimated"] = CLOUDS / best(lambda: estimated_normals(xyz), rounds, device)
    return speeds


def main() -> None:
    """Measure, compare, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of splatting; ray casting has one")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="of splatting")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results/views.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cast, agreement = casting(arguments.rounds)
    cast |= real_meshes(min(3, arguments.rounds))
    torch.set_num_threads(arguments.threads)
    spread = splatting(arguments.rounds, arguments.device)
    for title, speeds in (("ray casting", cast), (f"splatting on {arguments.device}", spread)):
        print(f"{title}, per second, best of {arguments.rounds} rounds")
        for way, speed in speeds.items():
            print(f"  {way:<36}{speed:>12,.0f}")
    print(f"both renderers: {agreement}")
    device = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{arguments.threads} threads"
    result = {
        "what": "pictures per second, best of rounds; of the processor for ray casting, by the clock for splatting",
        "ray_casting": {
            "faces": 5000,
            "pixels": CAST_SIZE,
            "views": CAST_VIEWS,
            "threads": 1,
            "per_second": {way: round(speed) for way, speed in cast.items()},
        },
        "splatting": {
            "points": POINTS,
            "pixels": SIZE,
            "clouds": CLOUDS,
            "views": VIEWS,
            "device": device,
            "per_second": {way: round(speed) for way, speed in spread.items()},
        },
        "agreement": agreement,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in ("pointssl", "torch", "numpy", "embreex")},
    }
    write_json(arguments.out, result)


if __name__ == "__main__":
    main()
