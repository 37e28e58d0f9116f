"""Furniture: twelve families that share legs, tops, backs and arms, so that no single part gives the class away."""

from numpy.random import Generator

from pointssl.data.synthetic.mesh import Mesh, Number, box, cylinder, ellipsoid, lathe, plate, rod, tube, turned
from pointssl.data.synthetic.pieces import Pieces, chance, circle, pick, within


def legs(rng: Generator, width: Number, depth: Number, height: Number) -> list[Mesh]:
    """Four legs, a pedestal, two side panels or a sledge under a top of the given size, standing on z = 0."""
    thick = within(rng, 0.02, 0.045)
    x, y = width / 2 - thick * 1.5, depth / 2 - thick * 1.5
    corners = [(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1)]
    kind = pick(rng, ("square", "square", "round", "splayed", "panel", "sledge"))
    if kind == "square":
        return [box((thick * 1.6, thick * 1.6, height), (px, py, height / 2)) for px, py in corners]
    if kind in ("round", "splayed"):
        out = within(rng, 1.05, 1.25) if kind == "splayed" else 1.0
        return [rod((px * out, py * out, 0), (px, py, height), thick * 0.7) for px, py in corners]
    if kind == "panel":
        return [box((thick, depth * 0.94, height), (sx * x, 0, height / 2)) for sx in (-1, 1)]
    return [
        tube([(sx * x, -y, height), (sx * x, -y, thick), (sx * x, y, thick), (sx * x, y, height)], thick * 0.6, sides=6)
        for sx in (-1, 1)
    ]


def pedestal(rng: Generator, radius: Number, height: Number) -> list[Mesh]:
    """One column on a disc or on star-shaped feet."""
    column = cylinder(within(rng, 0.025, 0.05), height)
    if chance(rng, 0.5):
        return [column, cylinder(radius, 0.03, top=radius * 0.8)]
    count = int(rng.integers(3, 6))
    feet = [turned(box((radius, 0.05, 0.05), (radius / 2, 0, 0.03)), 2 * 3.14159 * i / count) for i in range(count)]
    return [column, *feet]


def support(rng: Generator, width: Number, depth: Number, height: Number, *, central: Number) -> Pieces:
    """Legs, or with probability `central` a pedestal."""
    if chance(rng, central):
        made = pedestal(rng, min(width, depth) * within(rng, 0.32, 0.45), height)
    else:
        made = legs(rng, width, depth, height)
    return [("leg", mesh) for mesh in made]


def back(rng: Generator, width: Number, base: Number, height: Number, y: Number) -> list[Mesh]:
    """A back rest over `width` from height `base` up: a panel, slats or rungs, leaning backwards."""
    thick = within(rng, 0.02, 0.05)
    kind = pick(rng, ("panel", "panel", "slats", "rungs"))
    if kind == "panel":
        rest = [box((width, thick, height), (0, y, base + height / 2), taper=within(rng, 0.8, 1.05))]
    else:
        rest = [box((thick, thick, height), (sx * (width - thick) / 2, y, base + height / 2)) for sx in (-1, 1)]
        rest.append(box((width, thick, height * 0.15), (0, y, base + height * 0.92)))
        count = int(rng.integers(2, 6))
        for i in range(count):
            if kind == "slats":
                x = width * ((i + 1) / (count + 1) - 0.5)
                rest.append(box((thick, thick * 0.7, height * 0.85), (x, y, base + height * 0.45)))
            else:
                z = base + height * (i + 0.5) / count * 0.85
                rest.append(box((width, thick * 0.7, height * 0.4 / count), (0, y, z)))
    lean = within(rng, -0.02, 0.28)
    return [turned(mesh, -lean, axis=0, about=(0, y, base)) for mesh in rest]


def arms(rng: Generator, width: Number, depth: Number, seat: Number, height: Number, *, padded: bool) -> list[Mesh]:
    """Two arm rests beside a seat: padded blocks, or a bar on posts."""
    made = []
    for side in (-1, 1):
        if padded:
            thick = width * within(rng, 0.1, 0.18)
            made.append(
                box((thick, depth * 0.95, seat + height * 0.5), (side * width / 2, 0, (seat + height * 0.5) / 2))
            )
        else:
            top = seat + height
            made.append(box((0.05, depth * 0.8, 0.03), (side * width / 2, 0, top)))
            made.append(rod((side * width / 2, -depth * 0.3, seat), (side * width / 2, -depth * 0.3, top), 0.018))
    return made


def top(rng: Generator, width: Number, depth: Number, height: Number) -> Mesh:
    """A flat top: rectangular, rounded or oval, its upper side at `height`."""
    thick = within(rng, 0.02, 0.07)
    if chance(rng, 0.6):
        return box((width, depth, thick), (0, 0, height - thick / 2))
    outline = circle(20, squareness=within(rng, 2, 5)) * (width / 2, depth / 2)
    return plate(outline, thick, centre=(0, 0, height - thick / 2))


def chair(rng: Generator) -> Pieces:
    """A seat on legs with a back."""
    width, depth, seat = within(rng, 0.38, 0.56), within(rng, 0.38, 0.54), within(rng, 0.36, 0.56)
    pieces = support(rng, width, depth, seat - 0.03, central=0.25)
    pieces.append(("seat", top(rng, width, depth, seat)))
    rest = back(rng, width * within(rng, 0.75, 1.0), seat, within(rng, 0.25, 0.6), depth / 2 - 0.02)
    pieces += [("back", mesh) for mesh in rest]
    if chance(rng, 0.15):
        pieces += [("arm", mesh) for mesh in arms(rng, width, depth, seat, 0.2, padded=False)]
    return pieces


def armchair(rng: Generator) -> Pieces:
    """A chair with arms, mostly padded."""
    width, depth, seat = within(rng, 0.5, 0.8), within(rng, 0.5, 0.75), within(rng, 0.32, 0.46)
    padded = chance(rng, 0.6)
    if padded:
        pieces: Pieces = [("seat", box((width, depth, seat * 0.75), (0, 0, seat * 0.6)))]
        pieces += [("leg", m) for m in legs(rng, width, depth, seat * 0.25)] if chance(rng, 0.6) else []
    else:
        pieces = support(rng, width, depth, seat, central=0.2)
        pieces.append(("seat", box((width, depth, within(rng, 0.04, 0.14)), (0, 0, seat))))
    rest = back(rng, width, seat, within(rng, 0.3, 0.65), depth / 2 - 0.03)
    pieces += [("back", mesh) for mesh in rest]
    return pieces + [("arm", m) for m in arms(rng, width, depth, seat, within(rng, 0.18, 0.3), padded=padded)]


def stool(rng: Generator) -> Pieces:
    """A seat on legs and nothing else."""
    width, seat = within(rng, 0.28, 0.5), within(rng, 0.35, 0.85)
    depth = width * within(rng, 0.8, 1.1)
    pieces = support(rng, width, depth, seat - 0.03, central=0.35)
    if chance(rng, 0.4) and seat > 0.5:
        ring = [(0.4 * width * x, 0.4 * depth * y, seat * 0.3) for x, y in circle(17, squareness=3)]
        pieces.append(("leg", tube([*ring, ring[0]], 0.012, sides=6)))
    if chance(rng, 0.3):
        return [
            *pieces,
            ("seat", lathe([(width / 2, seat - 0.06), (width / 2 + 0.01, seat - 0.03), (width / 3, seat)])),
        ]
    return [*pieces, ("seat", top(rng, width, depth, seat))]


def bench(rng: Generator) -> Pieces:
    """A long seat, sometimes with a back."""
    width, depth, seat = within(rng, 0.9, 1.8), within(rng, 0.28, 0.5), within(rng, 0.35, 0.55)
    pieces = support(rng, width, depth, seat - 0.03, central=0.0)
    count = int(rng.integers(1, 5))
    for i in range(count):
        y = depth * ((i + 0.5) / count - 0.5)
        pieces.append(("seat", box((width, depth / count * 0.9, 0.04), (0, y, seat - 0.02))))
    if chance(rng, 0.45):
        pieces += [("back", m) for m in back(rng, width, seat + 0.05, within(rng, 0.25, 0.45), depth / 2 - 0.02)]
    return pieces


def sofa(rng: Generator) -> Pieces:
    """A wide padded seat with a back and, nearly always, arms."""
    width, depth, seat = within(rng, 1.2, 2.2), within(rng, 0.65, 0.95), within(rng, 0.3, 0.46)
    pieces: Pieces = [("seat", box((width, depth, seat * 0.7), (0, 0, seat * 0.6)))]
    high = within(rng, 0.3, 0.55)
    count = int(rng.integers(1, 4))
    for i in range(count):
        x = width * ((i + 0.5) / count - 0.5)
        cushion = box((width / count * 0.97, depth * 0.2, high), (x, depth * 0.4, seat + high / 2 - 0.03))
        pieces.append(("back", turned(cushion, -within(rng, 0, 0.2), axis=0, about=(0, depth * 0.4, seat))))
    if chance(rng, 0.85):
        pieces += [("arm", m) for m in arms(rng, width, depth, seat, within(rng, 0.2, 0.5), padded=True)]
    if chance(rng, 0.6):
        pieces += [("leg", m) for m in legs(rng, width, depth, seat * 0.3)]
    if chance(rng, 0.15):
        pieces.append(("seat", box((width * 0.35, depth, seat * 0.7), (width * 0.33, -depth * 0.9, seat * 0.6))))
    return pieces


def table(rng: Generator) -> Pieces:
    """A top on legs or on a pedestal."""
    width, height = within(rng, 0.6, 1.9), within(rng, 0.38, 0.85)
    depth = width * within(rng, 0.45, 1.0)
    pieces = [("top", top(rng, width, depth, height)), *support(rng, width, depth, height - 0.04, central=0.3)]
    if chance(rng, 0.25):
        pieces.append(("shelf", box((width * 0.85, depth * 0.85, 0.03), (0, 0, height * within(rng, 0.15, 0.4)))))
    return pieces


def desk(rng: Generator) -> Pieces:
    """A table with drawers or panels beneath one or both ends."""
    width, depth, height = within(rng, 1.0, 1.8), within(rng, 0.5, 0.85), within(rng, 0.68, 0.82)
    pieces: Pieces = [("top", box((width, depth, within(rng, 0.02, 0.06)), (0, 0, height)))]
    sides = pick(rng, ((-1,), (1,), (-1, 1)))
    wide = width * within(rng, 0.22, 0.32)
    tall = height * within(rng, 0.45, 0.95)
    for side in sides:
        x = side * (width - wide) / 2
        pieces.append(("drawer", box((wide, depth * 0.9, tall), (x, 0, height - tall / 2))))
    if tall < 0.85 * height or len(sides) == 1:
        pieces += [("leg", m) for m in legs(rng, width, depth, height)]
    if chance(rng, 0.5):
        pieces.append(("side", box((width * 0.95, 0.02, height * 0.5), (0, depth * 0.42, height * 0.72))))
    if chance(rng, 0.2):
        pieces.append(("shelf", box((width * 0.9, depth * 0.25, 0.25), (0, depth * 0.35, height + 0.15))))
    return pieces


def bookshelf(rng: Generator) -> Pieces:
    """An open case with shelves; some carry books."""
    width, depth, height = within(rng, 0.5, 1.4), within(rng, 0.2, 0.45), within(rng, 0.8, 2.1)
    pieces: Pieces = [("side", box((0.03, depth, height), (s * width / 2, 0, height / 2))) for s in (-1, 1)]
    count = int(rng.integers(3, 7))
    for i in range(count):
        z = height * (i + 0.05) / (count - 0.9)
        pieces.append(("shelf", box((width, depth, 0.03), (0, 0, z))))
        if chance(rng, 0.3):
            full = width * within(rng, 0.3, 0.9)
            tall = height / count * within(rng, 0.5, 0.8)
            pieces.append(("content", box((full, depth * 0.7, tall), ((full - width) / 2, 0, z + tall / 2))))
    if chance(rng, 0.6):
        pieces.append(("back", box((width, 0.02, height), (0, depth / 2, height / 2))))
    return pieces


def cabinet(rng: Generator) -> Pieces:
    """A closed case with fronts and knobs, sometimes on feet."""
    width, depth, height = within(rng, 0.45, 1.5), within(rng, 0.35, 0.6), within(rng, 0.5, 1.9)
    foot = within(rng, 0.05, 0.25) if chance(rng, 0.6) else 0.0
    pieces: Pieces = [("body", box((width, depth, height), (0, 0, foot + height / 2)))]
    if foot:
        pieces += [("leg", m) for m in legs(rng, width, depth, foot)]
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    for i in range(columns):
        for j in range(rows):
            x, z = width * ((i + 0.5) / columns - 0.5), foot + height * (j + 0.5) / rows
            pieces.append(
                ("drawer", box((width / columns * 0.9, 0.03, height / rows * 0.88), (x, -depth / 2 - 0.015, z)))
            )
            pieces.append(("handle", ellipsoid((0.03, 0.03, 0.02), (x, -depth / 2 - 0.05, z))))
    if chance(rng, 0.25):
        pieces.append(("top", box((width * 1.1, depth * 1.1, 0.04), (0, 0, foot + height))))
    return pieces


def bed(rng: Generator) -> Pieces:
    """A mattress on a frame with a head board, sometimes pillows, a foot board, posts."""
    width, length, height = within(rng, 0.8, 1.9), within(rng, 1.7, 2.2), within(rng, 0.25, 0.5)
    pieces: Pieces = [("seat", box((width, length, height * 0.5), (0, 0, height * 0.75)))]
    pieces += [("leg", m) for m in legs(rng, width, length, height * 0.5)]
    head = within(rng, 0.2, 0.8)
    if chance(rng, 0.85):
        pieces += [("back", m) for m in back(rng, width, height * 0.6, head, length / 2)]
    if chance(rng, 0.35):
        pieces.append(("side", box((width, 0.04, height + head * 0.4), (0, -length / 2, (height + head * 0.4) / 2))))
    for side in (-1, 1) if width > 1.2 else (0,):
        if chance(rng, 0.7):
            pillow = ellipsoid(
                (width * (0.2 if side else 0.35), 0.2, 0.08), (side * width / 4, length * 0.38, height + 0.05)
            )
            pieces.append(("cushion", pillow))
    if chance(rng, 0.12):
        pieces += [
            ("leg", rod((sx * width / 2, sy * length / 2, 0), (sx * width / 2, sy * length / 2, 1.7), 0.035))
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
    return pieces


def lamp(rng: Generator) -> Pieces:
    """A shade on a straight, bent or jointed stem over a foot."""
    height, foot = within(rng, 0.35, 1.7), within(rng, 0.09, 0.2)
    pieces: Pieces = [("leg", mesh) for mesh in pedestal(rng, foot, 0.05)]
    wide, tall = within(rng, 0.1, 0.28), within(rng, 0.1, 0.3)
    kind = pick(rng, ("straight", "arc", "jointed", "body"))
    reach = 0.0 if kind in ("straight", "body") else within(rng, 0.15, 0.55)
    if kind == "body":
        height = within(rng, 0.35, 0.7)
        pieces.append(("body", ellipsoid((wide * 0.7, wide * 0.7, height * 0.4), (0, 0, height * 0.4))))
    elif kind == "arc":
        knee, rise = height, height * 0.3
        bow = [(reach * (1 - c) / 2, 0, knee + rise * s) for c, s in circle(20)[:11]]
        pieces.append(("stem", tube([(0, 0, 0), (0, 0, knee * 0.5), *bow], 0.015)))
    elif kind == "jointed":
        elbow = (-reach * within(rng, 0.2, 0.8), 0, height * within(rng, 0.4, 0.6))
        pieces += [("stem", rod((0, 0, 0), elbow, 0.015)), ("stem", rod(elbow, (reach, 0, height), 0.015))]
    else:
        pieces.append(("stem", rod((0, 0, 0), (0, 0, height), within(rng, 0.012, 0.03))))
    narrow = wide * within(rng, 0.2, 1.0)
    shade = lathe([(wide, -tall), (narrow, 0.0)], (reach, 0, height))
    if reach:
        shade = turned(shade, within(rng, -0.5, 0.3), axis=1, about=(reach, 0, height))
    return [*pieces, ("shade", shade)]
