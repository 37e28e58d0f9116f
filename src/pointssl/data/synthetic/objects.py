"""Vessels, a guitar, stairs, trees and figures."""

import numpy as np
from numpy.random import Generator

from pointssl.data.synthetic.mesh import (
    Mesh,
    Number,
    box,
    cylinder,
    disc,
    ellipsoid,
    lathe,
    moved,
    plate,
    rod,
    tube,
    turned,
)
from pointssl.data.synthetic.pieces import Pieces, chance, pick, within


def handle(radius: Number, low: Number, high: Number, out: Number, thick: Number) -> Mesh:
    """A bent grip on the side of a vessel, in the plane y = 0."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    middle, half = (low + high) / 2, (high - low) / 2
    path = np.stack([radius * 0.97 + out * np.cos(angle), np.zeros(9), middle + half * np.sin(angle)], -1)
    return tube(path, thick, sides=8)


def vessel(profile: list[tuple[Number, Number]], thick: Number) -> Mesh:
    """Turn an outer profile into an open vessel with an inner wall and a bottom."""
    inner = [(max(r - thick, 0.004), max(z, thick)) for r, z in reversed(profile)]
    return lathe([(0.004, profile[0][1]), *profile, *inner, (0.004, thick)], sides=22)


def bottle(rng: Generator) -> Pieces:
    """A body, a shoulder, a narrow neck and mostly a cap."""
    radius, body = within(rng, 0.03, 0.06), within(rng, 0.1, 0.22)
    neck, shoulder, long = radius * within(rng, 0.25, 0.5), within(rng, 0.015, 0.08), within(rng, 0.02, 0.1)
    waist = within(rng, 0.8, 1.1)
    top = body + shoulder + long
    profile = [(radius * 0.9, 0), (radius, 0.01), (radius * waist, body * 0.5), (radius, body),
               ((radius + neck) / 2, body + shoulder * 0.7), (neck, body + shoulder), (neck, top)]  # fmt: skip
    pieces: Pieces = [("body", lathe(profile))]
    if chance(rng, 0.65):
        pieces.append(("lid", cylinder(neck * within(rng, 1.05, 1.5), within(rng, 0.012, 0.035), (0, 0, top - 0.01))))
    if chance(rng, 0.12):
        pieces.append(("handle", handle(radius, body * 0.4, top, radius * 0.6, 0.006)))
    return pieces


def vase(rng: Generator) -> Pieces:
    """An open vessel of free profile, sometimes with handles, sometimes with stalks in it."""
    height, belly = within(rng, 0.15, 0.45), within(rng, 0.05, 0.13)
    foot, neck, lip = (belly * within(rng, *limits) for limits in ((0.4, 0.9), (0.3, 0.95), (0.5, 1.3)))
    where = within(rng, 0.3, 0.65)
    knots = [(foot, 0.0), (belly, where), (neck, within(rng, 0.75, 0.9)), (lip, 1.0)]
    z = np.linspace(0, 1, 9)
    radius = np.interp(z, [k[1] for k in knots], [k[0] for k in knots])
    radius[1:-1] = (radius[:-2] + 2 * radius[1:-1] + radius[2:]) / 4  # rounder than the straight lines between knots
    profile = [(float(r), float(h * height)) for r, h in zip(radius, z, strict=True)]
    pieces: Pieces = [("body", vessel(profile, belly * 0.08))]
    if chance(rng, 0.25):
        grip = handle(neck, height * 0.5, height * 0.9, belly * 0.7, 0.007)
        pieces += [("handle", turned(grip, np.pi * i)) for i in range(2)]
    for _ in range(int(rng.integers(2, 7)) if chance(rng, 0.3) else 0):
        end = (*rng.uniform(-belly, belly, 2), height * within(rng, 1.3, 2.0))
        pieces.append(("stem", rod((0, 0, height * 0.3), end, 0.004, sides=5)))
        pieces.append(("leaf", ellipsoid((0.025, 0.025, 0.02), end)))
    return pieces


def mug(rng: Generator) -> Pieces:
    """A low open vessel with one grip."""
    radius, height = within(rng, 0.035, 0.055), within(rng, 0.05, 0.13)
    foot, belly = radius * within(rng, 0.65, 1.0), radius * within(rng, 0.95, 1.15)
    profile = [(foot, 0.0), (belly, height * 0.5), (radius, height)]
    pieces: Pieces = [("body", vessel(profile, 0.004))]
    if chance(rng, 0.9):
        low, high = height * within(rng, 0.1, 0.3), height * within(rng, 0.7, 0.92)
        pieces.append(("handle", handle(radius, low, high, within(rng, 0.02, 0.04), within(rng, 0.004, 0.007))))
    if chance(rng, 0.2):
        pieces.append(("lid", disc(radius * 1.6, 0.006, (0, 0, -0.003), axis=2)))
    return pieces


def guitar(rng: Generator) -> Pieces:
    """A waisted body, a long neck, a head; upright, seen from -y."""
    wide, tall, deep = within(rng, 0.15, 0.24), within(rng, 0.38, 0.55), within(rng, 0.04, 0.12)
    angle = np.arange(24) * (2 * np.pi / 24)
    waist, lower = within(rng, 0.12, 0.4), within(rng, 0.05, 0.25)
    breadth = wide * (1 - lower * np.sin(angle)) * (1 - waist * np.exp(-((np.sin(angle) - 0.15) ** 2) / 0.06))
    outline = np.stack([tall / 2 * np.sin(angle), breadth * np.cos(angle)], -1)[::-1]  # plate around y takes (z, x)
    pieces: Pieces = [("body", plate(outline, deep, axis=1, centre=(0, 0, tall / 2)))]
    long = within(rng, 0.4, 0.7)
    pieces.append(("stem", box((0.05, 0.03, long + tall * 0.3), (0, -deep / 2, tall * 0.85 + long / 2), taper=0.8)))
    head = within(rng, 0.12, 0.2)
    pieces.append(
        ("top", box((0.08, 0.02, head), (0, -deep / 2 + 0.01, tall + long + head / 2), taper=within(rng, 0.8, 1.4)))
    )
    for side in (-1, 1) if chance(rng, 0.8) else ():
        for i in range(3):
            z = tall + long + head * (i + 0.5) / 3
            pieces.append(("handle", rod((side * 0.035, -deep / 2, z), (side * 0.075, -deep / 2, z), 0.008, sides=5)))
    if chance(rng, 0.7):
        pieces.append(("side", box((0.14, 0.015, 0.03), (0, -deep / 2 - 0.005, tall * 0.25))))
    return pieces


def stairs(rng: Generator) -> Pieces:
    """Steps that rise, closed or open below, straight or winding, sometimes with rails."""
    count, width = int(rng.integers(3, 10)), within(rng, 0.6, 1.3)
    rise, going = within(rng, 0.15, 0.22), within(rng, 0.22, 0.34)
    if chance(rng, 0.25):
        turn, thick = within(rng, 0.3, 0.6), within(rng, 0.03, 0.08)
        step = box((width, going * 1.4, thick), (width / 2, 0, 0))
        pieces: Pieces = []
        for i in range(count):
            laid = turned(step, turn * i)
            pieces.append(("step", moved(laid, (0, 0, rise * (i + 1)))))
        return [*pieces, ("stem", cylinder(0.07, rise * count + 0.8 * chance(rng, 0.5)))]
    closed = chance(rng, 0.5)
    pieces = []
    for i in range(count):
        top = rise * (i + 1)
        tall = top if closed else 0.05
        pieces.append(("step", box((going, width, tall), (going * i, 0, top - tall / 2))))
    long, high = going * (count - 1), rise * count
    if not closed:
        pieces += [("side", rod((0, s * width / 2, 0), (long, s * width / 2, high), 0.05, sides=6)) for s in (-1, 1)]
    if chance(rng, 0.5):
        for side in pick(rng, ((-1,), (1,), (-1, 1))):
            y = side * width / 2
            pieces.append(("handle", rod((0, y, 0.9 + rise), (long, y, 0.9 + high), 0.03, sides=6)))
            for share in np.linspace(0, 1, int(rng.integers(2, count))):
                pieces.append(
                    (
                        "handle",
                        rod(
                            (long * share, y, high * share),
                            (long * share, y, 0.9 + rise + (high - rise) * share),
                            0.015,
                            sides=5,
                        ),
                    )
                )
    return pieces


def tree(rng: Generator) -> Pieces:
    """A trunk with a crown of balls, of cones, or with bare branches; sometimes in a pot."""
    height, girth = within(rng, 2, 5), within(rng, 0.05, 0.18)
    bare = height * within(rng, 0.15, 0.55)
    kind = pick(rng, ("round", "round", "conifer", "bare", "palm"))
    pieces: Pieces = [("stem", lathe([(girth, 0), (girth * 0.7, bare), (girth * 0.4, height * 0.8)], sides=10))]
    reach = height * within(rng, 0.15, 0.32)
    if kind == "conifer":
        count = int(rng.integers(2, 6))
        for i in range(count):
            z = bare + (height - bare) * i / count
            wide = reach * (1 - i / (count + 0.7))
            pieces.append(("leaf", cylinder(wide, (height - bare) / count * 1.4, (0, 0, z), top=wide * 0.15)))
    elif kind == "round":
        for _ in range(int(rng.integers(1, 7))):
            x, y = rng.normal(0, reach * 0.35, 2)
            size = reach * rng.uniform(0.5, 1.0, 3)
            middle = (x, y, within(rng, bare + size[2] * 0.5, height))
            pieces += [
                ("leaf", ellipsoid(size, middle)),
                ("stem", rod((0, 0, bare * 0.9), middle, girth * 0.3, sides=5)),
            ]
    else:
        palm = kind == "palm"
        for i in range(int(rng.integers(5, 12))):
            angle, z = 2.4 * i, height * 0.8 if palm else within(rng, bare, height * 0.75)
            x, y = reach * np.cos(angle), reach * np.sin(angle)
            bend = [
                (0, 0, z),
                (x * 0.6, y * 0.6, z + reach * 0.5),
                (x * 1.3, y * 1.3, z + reach * (0.1 if palm else 1.2)),
            ]
            pieces.append(
                ("leaf" if palm else "stem", tube(bend, (girth * 0.5, girth * (0.9 if palm else 0.35), 0.01), sides=5))
            )
    if chance(rng, 0.2):
        pieces.append(("body", lathe([(reach * 0.4, -0.5), (reach * 0.6, 0.1)])))
    return pieces


def figure(rng: Generator) -> Pieces:
    """A person or a robot: trunk, head, two arms and two legs in some pose."""
    robot = chance(rng, 0.3)
    leg, trunk, wide = within(rng, 0.7, 0.95), within(rng, 0.45, 0.65), within(rng, 0.15, 0.24)
    hip, thick = leg, within(rng, 0.05, 0.085)
    neck = hip + trunk
    if robot:
        pieces: Pieces = [
            ("body", box((wide * 2, wide * 1.2, trunk), (0, 0, hip + trunk / 2), taper=within(rng, 0.8, 1.3)))
        ]
        pieces.append(("head", box((wide, wide, wide), (0, 0, neck + wide * 0.7))))
    else:
        pieces = [("body", ellipsoid((wide, wide * 0.65, trunk * 0.56), (0, 0, hip + trunk / 2)))]
        pieces.append(("head", ellipsoid((0.09, 0.1, within(rng, 0.11, 0.15)), (0, 0, neck + 0.16))))
        pieces.append(("head", cylinder(0.05, 0.1, (0, 0, neck - 0.02))))
    stride = rng.normal(0, 0.3)
    seated = chance(rng, 0.12)
    for side in (-1, 1):
        spread, swing = within(rng, 0.0, 0.25), stride * side
        start = np.array([side * wide * 0.5, 0, hip])
        bend = np.array([side * spread, swing - (1.5 if seated else 0), 0.15 * seated - 1.0])
        knee = start + bend / np.linalg.norm(bend) * leg * 0.5
        foot = knee + np.array([side * spread * 0.2, swing * 0.4, -leg * 0.5])
        pieces.append(("leg", tube([start, knee, foot], (thick * 1.3, thick, thick * 0.7))))
        pieces.append(("leg", ellipsoid((0.05, 0.12, 0.04), foot + np.array([0, -0.07, 0]))))
        lift = within(rng, -1.45, 1.3) if chance(rng, 0.5) else -1.35
        shoulder = np.array([side * wide, 0, neck - 0.06])
        elbow = shoulder + np.array([side * 0.28 * np.cos(lift), 0.1 * swing, 0.28 * np.sin(lift)])
        fold = lift + within(rng, -0.3, 1.0)
        hand = elbow + np.array([side * 0.26 * np.cos(fold), -within(rng, 0, 0.15), 0.26 * np.sin(fold)])
        pieces.append(("arm", tube([shoulder, elbow, hand], (thick * 0.9, thick * 0.7, thick * 0.5))))
        pieces.append(("arm", ellipsoid((0.05, 0.05, 0.05), hand)))
    return pieces
