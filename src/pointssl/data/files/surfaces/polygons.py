"""Polygons, strips and fans as triangles.

Convex polygons are fans from their first corner. The others are cut ear by ear, because a fan would cover what lies
outside of them.
Source: G. H. Meisters, "Polygons have ears", American Mathematical Monthly 1975.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64, Num

Corners = Int64[np.ndarray, " c"]
Triangles = Int64[np.ndarray, "f 3"]
_MOST_CORNERS = 5000
"""Of a polygon that is not convex: some ten seconds."""


def triangulate(
    vertices: Num[np.ndarray, "v 3"], counts: Int64[np.ndarray, " p"], corners: Corners
) -> tuple[Triangles, Int64[np.ndarray, " f"]]:
    """Return the triangles of polygons whose `counts` corners stand end to end, and the polygon of each.

    Polygons of fewer than three corners have no area and no triangles.

    Raises:
        ValueError: a corner that is not there.
    """
    if len(corners) and (corners.min() < 0 or corners.max() >= len(vertices)):
        wrong = corners.min() if corners.min() < 0 else corners.max()
        raise ValueError(f"a face names vertex {wrong}, but there are only {len(vertices)}")
    if len(counts) == 0 or (counts == 3).all():
        return corners.reshape(-1, 3), np.arange(len(counts))
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sizes = np.maximum(counts - 2, 0)
    owner = np.repeat(np.arange(len(counts)), sizes)
    start = np.repeat(first, sizes)
    ahead = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    faces = corners[np.stack([start, start + ahead, start + ahead + 1], axis=1)]
    place = np.cumsum(sizes) - sizes
    for polygon in np.flatnonzero(_concave(vertices, counts, first, corners)):
        own = corners[first[polygon] : first[polygon] + counts[polygon]]
        faces[place[polygon] : place[polygon] + sizes[polygon]] = own[_ears(np.asarray(vertices[own], np.float64))]
    return faces, owner


def strip(corners: Corners) -> Triangles:
    """Return the triangles of a strip, every second one turned so that all look to one side; -1 begins a new strip."""
    faces = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    breaks = np.flatnonzero(corners < 0)
    start = np.zeros(len(corners), dtype=np.int64)
    start[breaks] = breaks + 1
    odd = (np.arange(len(faces)) - np.maximum.accumulate(start)[: len(faces)]) % 2 == 1
    faces[odd, :2] = faces[odd, 1::-1]
    return faces[(faces >= 0).all(axis=1)]


def fan(corners: Corners) -> Triangles:
    """Return the triangles between the first corner and each following pair."""
    count = max(len(corners) - 2, 0)
    return np.stack(
        [np.full(count, corners[0] if count else 0), corners[1 : 1 + count], corners[2 : 2 + count]], axis=1
    )


def _concave(
    vertices: Num[np.ndarray, "v 3"], counts: Int64[np.ndarray, " p"], first: Int64[np.ndarray, " p"], corners: Corners
) -> Bool[np.ndarray, " p"]:
    """Tell which polygons turn the other way at one of their corners."""
    found = np.zeros(len(counts), dtype=bool)
    for size in np.unique(counts[counts > 3]).tolist():
        mine = np.flatnonzero(counts == size)
        here = np.asarray(vertices[corners[first[mine][:, None] + np.arange(size)]], dtype=np.float64)
        here = (here - here[:, :1]).transpose(2, 1, 0)  # far from zero the products would lose their digits
        after = np.roll(here, -1, axis=1)
        with np.errstate(invalid="ignore", over="ignore"):
            normal = _cross(here, after).sum(axis=1)
            edge = after - here
            turn = _cross(np.roll(edge, 1, axis=1), edge)
            towards = (turn * normal[:, None]).sum(axis=0)
            # Rounding must not send thousands of flat polygons on the slow way.
            slack = 1e-6 * np.sqrt((turn**2).sum(axis=0) * (normal**2).sum(axis=0))
        found[mine] = (towards < -slack).any(axis=0)
    return found


def _cross(a: Float64[np.ndarray, "3 c p"], b: Float64[np.ndarray, "3 c p"]) -> Float64[np.ndarray, "3 c p"]:
    """Return cross products, several times faster than NumPy's where the axes come first."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _ears(corners: Float64[np.ndarray, "c 3"]) -> Int64[np.ndarray, "f 3"]:
    """Cut ear after ear off one polygon, seen along its normal; what cannot be cut (it crosses itself) stays a fan.

    Raises:
        ValueError: so many corners that the search, which is of their square, would take minutes.
    """
    if len(corners) > _MOST_CORNERS:
        raise ValueError(f"a polygon of {len(corners)} corners is not convex; cut it into triangles")
    moved = corners - corners[0]
    normal = np.cross(moved, np.roll(moved, -1, axis=0)).sum(axis=0)
    drop = int(np.abs(normal).argmax())
    flat = np.delete(moved, drop, axis=1)
    if (normal[drop] < 0) != (drop == 1):  # seen from the other side, or with swapped axes
        flat = flat[:, ::-1]
    points = [complex(x, y) for x, y in flat.tolist()]
    left = list(range(len(points)))
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        size = len(left)
        ear = next((place for place in range(size) if _is_ear(points, left, place)), None)
        if ear is None:
            break
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % size]))
        del left[ear]
    triangles += [(left[0], left[place], left[place + 1]) for place in range(1, len(left) - 1)]
    return np.array(triangles, dtype=np.int64)


def _is_ear(points: list[complex], left: list[int], place: int) -> bool:
    a, b, c = (left[(place + step) % len(left)] for step in (-1, 0, 1))
    pa, pb, pc = points[a], points[b], points[c]
    if _area(pa, pb, pc) <= 0:
        return False
    return not any(
        _area(pa, pb, point) >= 0 and _area(pb, pc, point) >= 0 and _area(pc, pa, point) >= 0
        for point in (points[other] for other in left if other not in (a, b, c))
        if point not in (pa, pb, pc)
    )


def _area(a: complex, b: complex, c: complex) -> float:
    return ((b - a).conjugate() * (c - a)).imag
