"""Vehicles: bodies drawn out of rounded rings, with wheels, wings, fins, masts. The front looks along -y or -x."""

import numpy as np
from numpy.random import Generator

from pointssl.data.synthetic.mesh import (
    Mesh,
    Number,
    box,
    cylinder,
    disc,
    ellipsoid,
    hoop,
    lathe,
    loft,
    moved,
    plate,
    rod,
    turned,
)
from pointssl.data.synthetic.pieces import Pieces, chance, circle, pick, within


def hull(stations: list[tuple[Number, Number, Number, Number]], squareness: Number) -> Mesh:
    """Return a body along x through (x, half width, half height, height of the centre) rings."""
    outline = circle(16, squareness=squareness)
    rings = np.empty((len(stations), len(outline), 3))
    for ring, (x, wide, tall, z) in zip(rings, stations, strict=True):
        ring[:, 0], ring[:, 1], ring[:, 2] = x, outline[:, 0] * wide, z + outline[:, 1] * tall
    return loft(rings)


def wing(root: Number, tip: Number, span: Number, sweep: Number, thick: Number, *, axis: int = 2) -> Mesh:
    """Return a trapezium from x in (0, `root`), reaching `span` to one side, its tip moved back by `sweep`."""
    corners = np.array([(0.0, 0.0), (root, 0.0), (sweep + tip, span), (sweep, span)])
    return plate(corners if axis == 2 else corners[::-1, ::-1], thick, axis=axis)


def mirrored(mesh: Mesh) -> Mesh:
    """Return the mirror image in y, faces still turned outwards."""
    return Mesh(mesh.vertices * (1, -1, 1), mesh.faces[:, ::-1])


def wheels(rng: Generator, places: list[Number], track: Number, radius: Number) -> Pieces:
    """A pair of wheels on an axle at each place along x."""
    wide = within(rng, 0.1, 0.22)
    return [("wheel", disc(radius, wide, (x, side * track / 2, radius))) for x in places for side in (-1, 1)]


def car(rng: Generator) -> Pieces:
    """A saloon, estate, hatchback, van or pick-up: one lower body, one cabin, four wheels."""
    length, width = within(rng, 3.2, 5.0), within(rng, 1.5, 1.95)
    radius, ground = within(rng, 0.26, 0.42), within(rng, 0.18, 0.4)
    waist = within(rng, 0.5, 0.75)
    low = ground + waist / 2
    nose, tail = within(rng, 0.5, 1.0), within(rng, 0.7, 1.0)
    stations = [
        (-length / 2, width * 0.42, waist * 0.3 * nose, low - 0.05),
        (-length * 0.4, width / 2, waist * 0.42 * nose, low),
        (-length * 0.1, width / 2, waist / 2, low),
        (length * 0.35, width / 2, waist / 2, low),
        (length / 2, width * 0.45, waist * 0.42 * tail, low),
    ]
    pieces: Pieces = [("body", hull(stations, within(rng, 3, 8)))]
    kind = pick(rng, ("saloon", "saloon", "estate", "van", "pickup", "open"))
    front, rear = {
        "saloon": (-0.2, 0.32),
        "estate": (-0.2, 0.48),
        "van": (-0.42, 0.49),
        "pickup": (-0.25, 0.08),
        "open": (-0.12, 0.12),
    }[kind]
    roof = within(rng, 0.45, 0.65) * (1.5 if kind == "van" else 1.0)
    top, slope = ground + waist, within(rng, 0.05, 0.12)
    cabin = np.array([(front, 0), (rear, 0), (rear - slope * 0.5, roof), (front + slope, roof)]) * (length, 1.0)
    sides = np.stack([cabin[:, 1], cabin[:, 0]], -1)[::-1]  # plate around y takes (z, x)
    pieces.append(("cabin", plate(sides, width * within(rng, 0.75, 0.92), axis=1, centre=(0, 0, top - 0.02))))
    if kind == "pickup":
        pieces += [
            ("side", box((length * 0.38, 0.05, 0.3), (length * 0.3, s * width * 0.46, top + 0.1))) for s in (-1, 1)
        ]
    if chance(rng, 0.9):
        pieces += wheels(rng, [-length * within(rng, 0.28, 0.36), length * within(rng, 0.26, 0.34)], width, radius)
    if chance(rng, 0.15):
        pieces.append(("wing", box((0.25, width * 0.9, 0.04), (length * 0.46, 0, top + 0.2))))
    return pieces


def truck(rng: Generator) -> Pieces:
    """A cab before a box, a tank or an open bed, on two to five axles; or a bus, all in one."""
    length, width, radius = within(rng, 5.0, 9.5), within(rng, 1.9, 2.5), within(rng, 0.38, 0.55)
    floor = radius * within(rng, 1.0, 1.7)
    tall = within(rng, 1.6, 2.7)
    kind = pick(rng, ("box", "box", "tank", "bed", "bus"))
    pieces: Pieces = []
    if kind == "bus":
        pieces.append(("body", box((length, width, tall), (0, 0, floor + tall / 2))))
    else:
        cab = within(rng, 1.2, 2.0)
        high = tall * within(rng, 0.6, 1.0)
        pieces.append(("cabin", box((cab, width * 0.95, high), ((cab - length) / 2, 0, floor + high / 2), taper=0.92)))
        if chance(rng, 0.4):
            pieces.append(("body", box((0.9, width * 0.8, high * 0.5), (-length / 2 - 0.4, 0, floor + high * 0.25))))
        rear = length - cab - within(rng, 0.1, 0.5)
        middle = (length - rear) / 2
        pieces.append(("body", box((length, width * 0.5, 0.2), (0, 0, floor - 0.1))))
        if kind == "box":
            pieces.append(("content", box((rear, width, tall), (middle, 0, floor + tall / 2))))
        elif kind == "tank":
            ends = [(middle + f * rear / 2, width * 0.45 * g, tall * 0.4 * g, floor + tall * 0.42)
                    for f, g in ((-1, 0.8), (-0.95, 1.0), (0.95, 1.0), (1, 0.8))]  # fmt: skip
            pieces.append(("content", hull(ends, 2.0)))
        else:
            low = within(rng, 0.3, 0.7)
            pieces.append(("side", box((rear, width, 0.1), (middle, 0, floor + 0.05))))
            pieces += [("side", box((rear, 0.08, low), (middle, s * width / 2, floor + low / 2))) for s in (-1, 1)]
    axles = [-length * 0.36, *np.linspace(length * 0.42, length * 0.42 - 1.2, int(rng.integers(1, 4))).tolist()]
    return pieces + (wheels(rng, axles, width * 0.95, radius) if chance(rng, 0.95) else [])


def aeroplane(rng: Generator) -> Pieces:
    """An airliner, a light aircraft, a jet or a biplane."""
    length, thick = within(rng, 6, 12), within(rng, 0.35, 0.75)
    pieces: Pieces = [
        ("body", hull([(-length / 2, thick * 0.15, thick * 0.15, 0), (-length * 0.42, thick * 0.8, thick * 0.8, 0),
                       (-length * 0.3, thick, thick, 0), (length * 0.2, thick, thick, 0),
                       (length / 2, thick * 0.2, thick * 0.25, thick * 0.5)], within(rng, 2, 2.6)))
    ]  # fmt: skip
    kind = pick(rng, ("airliner", "airliner", "light", "jet", "biplane"))
    span = length * {"airliner": within(rng, 0.4, 0.55), "jet": within(rng, 0.25, 0.4)}.get(kind, within(rng, 0.4, 0.6))
    root = length * (within(rng, 0.3, 0.5) if kind == "jet" else within(rng, 0.13, 0.24))
    sweep = span * {"airliner": within(rng, 0.3, 0.7), "jet": within(rng, 0.6, 1.0)}.get(kind, within(rng, 0.0, 0.12))
    tip = root * within(rng, 0.15, 0.45) if kind in ("airliner", "jet") else root * within(rng, 0.7, 1.0)
    place, height = length * within(rng, -0.2, -0.08), thick * within(rng, -0.7, 0.9)
    levels = (-0.9 * thick, thick * 1.9) if kind == "biplane" else (height,)
    raised = within(rng, -0.02, 0.12)
    for level in levels:
        half = turned(wing(root, tip, span, sweep, 0.12), raised, axis=0)
        both = [moved(half, (place, 0, level)), moved(mirrored(half), (place, 0, level))]
        pieces += [("wing", mesh) for mesh in both]
    small = within(rng, 0.3, 0.42)
    tail = wing(root * 0.6, tip * 0.7, span * small, sweep * small, 0.08)
    lift = thick * (within(rng, 1.5, 3.2) if chance(rng, 0.25) else 0.5)
    pieces += [("fin", moved(m, (length * 0.38, 0, lift))) for m in (tail, mirrored(tail))]
    fin = turned(wing(root * 0.7, root * 0.35, thick * within(rng, 2, 3.4), root * 0.5, 0.08), np.pi / 2, axis=0)
    pieces.append(("fin", moved(fin, (length * 0.36, 0, thick * 0.4))))
    if kind == "airliner" and chance(rng, 0.85):
        for share in pick(rng, ((0.35,), (0.3, 0.6))):
            for side in (-1, 1):
                x, y = place + sweep * share - 0.3, side * span * share
                stations = [
                    (x + f * 0.7, thick * g, thick * g, levels[0] - thick * 0.5)
                    for f, g in ((-1, 0.4), (0, 0.5), (1, 0.3))
                ]
                pieces.append(("engine", moved(hull(stations, 2), (0, y, 0))))
    if kind in ("light", "biplane") and chance(rng, 0.8):
        pieces.append(("engine", box((0.05, thick * 3.2, 0.2), (-length * 0.51, 0, 0))))
        pieces += [("wheel", disc(0.3, 0.15, (place, s * thick * 1.3, -thick * 1.9))) for s in (-1, 1)]
    return pieces


def boat(rng: Generator) -> Pieces:
    """A hull with sails, a superstructure or an open top."""
    length, wide = within(rng, 5, 12), within(rng, 0.11, 0.24)
    wide, deep = wide * length, length * within(rng, 0.06, 0.13)
    outline = np.array([(0.0, 1), (-1, 1), (-0.95, 0.3), (-0.6, -0.6), (0, -1), (0.6, -0.6), (0.95, 0.3), (1, 1)])
    stern = within(rng, 0.4, 0.95)
    rings = np.empty((7, len(outline), 3))
    spread = (0.03, 0.4, 0.8, 1.0, 1.0, (1 + stern) / 2, stern)
    for ring, x, share in zip(rings, np.linspace(-0.5, 0.5, 7), spread, strict=True):
        sheer = deep * 0.5 * max(0.0, -2 * x) ** 2
        ring[:, 0] = x * length
        ring[:, 1], ring[:, 2] = outline[:, 0] * wide / 2 * share, outline[:, 1] * deep * (0.4 + 0.6 * share) + sheer
    pieces: Pieces = [("body", loft(rings))]
    kind = pick(rng, ("sail", "sail", "motor", "ship", "rowing"))
    if kind == "sail":
        mast = length * within(rng, 0.7, 1.3)
        for x in (-0.08,) if chance(rng, 0.75) else (-0.2, 0.15):
            pieces.append(("stem", rod((x * length, 0, 0), (x * length, 0, mast), 0.07)))
            if chance(rng, 0.9):
                foot = length * within(rng, 0.25, 0.45)
                sail = np.array([(0.0, 0.0), (mast * 0.85, 0.0), (0.0, foot)])
                pieces.append(("sail", plate(sail, 0.04, axis=1, centre=(x * length, 0, deep * 1.5))))
        if chance(rng, 0.6):
            jib = np.array([(0.0, 0.0), (mast * 0.75, length * 0.3), (0.0, length * 0.3)])
            pieces.append(("sail", plate(jib, 0.04, axis=1, centre=(-length * 0.42, 0, deep * 1.3))))
    elif kind == "rowing":
        for x in np.linspace(-0.2, 0.3, int(rng.integers(2, 4))):
            pieces.append(("seat", box((0.3, wide * 0.9, 0.06), (x * length, 0, deep * 1.1))))
        if chance(rng, 0.6):
            pieces += [
                ("arm", rod((0, s * wide / 2, deep), (length * 0.15, s * wide * 1.6, -deep), 0.06)) for s in (-1, 1)
            ]
    else:
        base, count = deep, int(rng.integers(1, 4))
        long = length * within(rng, 0.25, 0.6)
        x = length * within(rng, -0.05, 0.2)
        for _ in range(count):
            tall = deep * within(rng, 0.5, 0.9)
            pieces.append(("cabin", box((long, wide * 0.7, tall), (x, 0, base + tall / 2), taper=0.95)))
            base, long = base + tall, long * within(rng, 0.5, 0.85)
        for i in range(int(rng.integers(0, 3))):
            pieces.append(("engine", cylinder(wide * 0.12, deep * 1.2, (x + (i - 0.5) * long * 0.8, 0, base))))
    return pieces


def rocket(rng: Generator) -> Pieces:
    """An upright body with a nose, fins and sometimes boosters."""
    height, radius = within(rng, 3, 6), within(rng, 0.25, 0.6)
    nose, waist = height * within(rng, 0.15, 0.35), within(rng, 0.6, 1.05)
    bulge = within(rng, 1.0, 1.35)
    profile = [(radius * waist, 0.0), (radius * bulge, height * 0.3), (radius, height - nose),
               (radius * 0.6, height - nose * 0.45), (0.02, height)]  # fmt: skip
    pieces: Pieces = [("body", lathe(profile))]
    count = int(rng.integers(3, 6))
    if chance(rng, 0.85):
        reach, tall = radius * within(rng, 0.8, 2.0), height * within(rng, 0.15, 0.35)
        fin = np.array(
            [
                (0, radius * 0.6),
                (tall, radius * 0.6),
                (tall * within(rng, 0, 0.4), radius + reach),
                (-tall * 0.3, radius + reach),
            ]
        )
        blade = plate(fin, 0.06, axis=1)
        pieces += [("fin", turned(blade, 2 * np.pi * i / count)) for i in range(count)]
    if chance(rng, 0.35):
        slim, tall = radius * 0.45, height * within(rng, 0.4, 0.65)
        for i in range(pick(rng, (2, 4))):
            angle = np.pi * i + (np.pi / 2 if i > 1 else 0)
            x, y = float(np.cos(angle)) * (radius + slim), float(np.sin(angle)) * (radius + slim)
            pieces.append(("engine", lathe([(slim, 0), (slim, tall * 0.85), (0.02, tall)], (x, y, 0), sides=14)))
    if chance(rng, 0.6):
        pieces.append(("engine", cylinder(radius * 0.7, 0.3, (0, 0, -0.3), top=radius * 0.4)))
    return pieces


def bicycle(rng: Generator) -> Pieces:
    """Two wheels, a frame, a saddle, a handle bar; or a motorcycle, thicker in all."""
    radius, base = within(rng, 0.28, 0.37), within(rng, 0.95, 1.2)
    motor = chance(rng, 0.3)
    tyre = within(rng, 0.05, 0.09) if motor else within(rng, 0.015, 0.03)
    bar = within(rng, 0.03, 0.05) if motor else within(rng, 0.012, 0.022)
    rear, front = (base / 2, 0, radius), (-base / 2, 0, radius)
    pieces: Pieces = [("wheel", hoop(radius - tyre, tyre, place)) for place in (rear, front)]
    count = int(rng.integers(3, 7))
    for hub in (rear, front):
        for i in range(count):
            x, z = (radius - tyre) * np.cos(np.pi * i / count), (radius - tyre) * np.sin(np.pi * i / count)
            pieces.append(("wheel", rod((hub[0] - x, 0, hub[2] - z), (hub[0] + x, 0, hub[2] + z), 0.006, sides=4)))
    crank = (base * 0.08, 0, radius * 0.9)
    seat, head = (base * 0.18, 0, radius * within(rng, 2.2, 2.7)), (-base * 0.33, 0, radius * within(rng, 2.3, 2.8))
    pairs = [(rear, crank), (rear, seat), (crank, seat), (crank, head), (head, front)]
    if chance(rng, 0.75):
        pairs.append((seat, head))
    pieces += [("body", rod(a, b, bar)) for a, b in pairs]
    if motor:
        pieces.append(("engine", ellipsoid((base * 0.2, 0.12, radius * 0.5), (0, 0, radius * 1.1))))
        pieces.append(("body", ellipsoid((base * 0.2, 0.11, radius * 0.35), (-base * 0.1, 0, radius * 2.2))))
    long = within(rng, 0.1, 0.3)
    pieces.append(("seat", ellipsoid((long if motor else long * 0.6, 0.08, 0.035), (seat[0], 0, seat[2] + 0.05))))
    grip = within(rng, 0.2, 0.34)
    pieces.append(("handle", rod((head[0], -grip, head[2] + 0.08), (head[0], grip, head[2] + 0.08), bar)))
    pieces.append(("handle", rod(head, (head[0], 0, head[2] + 0.08), bar)))
    if chance(rng, 0.3):
        pieces.append(("content", box((0.3, 0.3, 0.22), (head[0] - 0.2, 0, head[2] - 0.02), taper=1.2)))
    return pieces
