"""The panels of a run report, each from what it shows alone: scores, shapes, maps, curves, the record."""

import json
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pointssl.formatting import percent
from pointssl.methods.base import Figure
from pointssl.show.page import page, pictures, viewer
from pointssl.show.page.page import Panel
from pointssl.show.run import curves, maps
from pointssl.show.run import information as shared
from pointssl.show.run.contact_sheet import Strip, contact_sheet
from pointssl.show.run.maps import Maps
from pointssl.show.run.scores import Comparison, scores_picture, scores_table
from pointssl.show.scene import INSIDE, ShapeView

VIEWS = "Views that clouds are contrasted with"


def worth(scores: Sequence[Comparison], notes: Sequence[str], command: str) -> Panel:
    """Show every measured task beside the random-init baseline, or say how to measure."""
    title = "What the features are worth"
    if not scores:
        return Panel(
            title=title, html=page.missing("This run has not been evaluated yet.", command), note=" ".join(notes)
        )
    details = sorted({f"{one.task}: {one.detail}" for one in scores if one.detail})
    listed = "".join(f"<li>{escape(one)}</li>" for one in details)
    how = f"<details><summary>How each was measured</summary><ul>{listed}</ul></details>" if listed else ""
    return Panel(
        title=title,
        sentence="Share of unseen clouds classified rightly from the encoder's features, beside the same network with "
        "random weights; small print is the 95 % interval, a difference counts where its interval leaves out 0.",
        html=scores_table(scores) + how,
        pictures=[scores_picture(scores)],
        note=" ".join(notes),
    )


def shapes(views: Sequence[ShapeView], up: str) -> Panel:
    """Show the interactive view."""
    mixture = all(one.mixture is not None for one in views)
    parts = "Every colour is one part that the network chose by itself, and every part stands for one Gaussian. "
    first = parts if mixture else ""
    return Panel(
        title="What the network sees in a shape",
        sentence=first + "Click or tap a point to see which others are near to it in space, and which in the network's "
        "features. Drag to turn; after a click, the wheel and the arrow keys work too.",
        view=viewer.pack(views, up=up),
        note="A point's features are "
        + ("what enters the last layer of the partition head." if mixture else "what the backbone says of it."),
    )


def stills(views: Sequence[ShapeView], picked: Sequence[int], up: str) -> list[Panel]:
    """Show the same shapes as still pictures, for print and for papers."""
    made = []
    if all(one.mixture is not None for one in views):
        made += [
            Panel(
                title="Learned parts",
                sentence="Points coloured by the part in which the network puts the largest share of them; a colour is "
                "the same output of the network on every shape.",
                pictures=[pictures.partition_picture(views, up=up)],
            ),
            Panel(
                title="Gaussians of the parts",
                sentence="One ellipsoid per part, one standard deviation along every direction: together they are all "
                "that the pretext task keeps of the shape.",
                pictures=[pictures.ellipsoid_picture(views, up=up)],
            ),
            Panel(
                title="Surface of equal density",
                sentence=f"The surface g = c of the whole mixture, found by marching cubes; c is the density that "
                f"{percent(INSIDE)} of the points of the shape exceed.",
                pictures=[pictures.surface_picture(views, up=up)],
            ),
        ]
    made.append(
        Panel(
            title="Distance from one point",
            sentence="Colour is the distance to the ringed point, above in space and below between the network's point "
            "features, each from 0 to the farthest point; where the two differ, the features know more than nearness.",
            pictures=[pictures.distance_picture(views, picked, up=up)],
        )
    )
    return made


def contrasted(strips: Sequence[Strip], *, drawn: bool) -> Panel:
    """Show the views that clouds are contrasted with."""
    origin = "drawn from the points" if drawn else "rendered beforehand"
    return Panel(
        title=VIEWS,
        sentence=f"Views of three shapes, {origin}: above as they are, below one draw of the changes under which the "
        "image encoder sees them.",
        pictures=[contact_sheet(strips, name="contrasted-views")],
    )


def feature_maps(found: Maps) -> Panel:
    """Show the maps of the pooled features."""
    drawn = []
    if found.tsne:
        drawn.append(maps.map_picture(found.tsne, found.labels, found.classes, name="map-tsne"))
    drawn.append(maps.map_picture(found.pca, found.labels, found.classes, name="map-pca"))
    notes = [f"{flat.title}, {heading.lower()}: {flat.note}" for heading, flat in (*found.tsne[:1], *found.pca)]
    coloured = " and coloured by its class, which the encoder never saw" if found.labels is not None else ""
    nearest = ""
    if found.nearest:
        shares = ", ".join(f"{percent(share)} {heading.lower()}" for heading, share in found.nearest)
        nearest = f" The nearest other cloud, in all dimensions, is of the same class for: {shares}."
    return Panel(
        title="Map of the clouds",
        sentence=f"Every dot is one of {found.count} clouds of {found.data}, placed by its pooled feature alone"
        f"{coloured}; near dots look alike to the network.{nearest}",
        pictures=drawn,
        note=" ".join(notes),
    )


def training(lines: curves.Lines, figures: Sequence[Figure] = ()) -> Panel:
    """Show the curves, a method's own figures among them, or say that nothing was logged."""
    picture = curves.curves_picture(lines, figures)
    if picture is None:
        return Panel(
            title="Training", html=page.missing("metrics.jsonl holds fewer than two steps; there is no curve.")
        )
    return Panel(
        title="Training",
        sentence="What was logged along the way, pale as it was and strong as a running mean; an effective rank that "
        "falls means that features collapse onto fewer directions.",
        pictures=[picture],
    )


def information(lines: curves.Lines, clouds: int) -> Panel | None:
    """Show what clouds and views know of each other, or nothing for methods without a contrast."""
    picture = shared.information_picture(lines, clouds)
    if picture is None:
        return None
    last = ", ".join(f"{name} {value:.2f}" for name, value in shared.last_values(lines))
    return Panel(
        title="What clouds and views know of each other",
        sentence="Lower bound of the mutual information (InfoNCE) between a cloud and its views, and between its two "
        f"copies; dashed is log {clouds}, the most that a step of {clouds} clouds can show.",
        pictures=[picture],
        note=f"At the end, in nats: {last}. Stronger changes of a view lower what it can share.",
    )


def record(run: Path, kept: Mapping[str, Any], config: Mapping[str, Any]) -> Panel:
    """Show where the run comes from: command, code, machine, data, all settings."""
    data, hardware, versions = (_mapping(kept.get(key)) for key in ("data", "hardware", "versions"))
    command = kept.get("command")
    said = [
        ("Run", str(run)),
        ("Started", str(kept.get("started", "not recorded"))),
        ("Code", str(kept.get("commit") or "not under version control")),
        ("Seed", str(kept.get("seed", "not recorded"))),
        ("Data", ", ".join(f"{key} {value}" for key, value in data.items()) or "not recorded"),
        ("Hardware", ", ".join(f"{key} {value}" for key, value in hardware.items()) or "not recorded"),
        ("Versions", ", ".join(f"{key} {value}" for key, value in versions.items() if value) or "not recorded"),
    ]
    made_by = ""
    if isinstance(command, list) and command:
        words = [Path(str(command[0])).name, *map(str, command[1:])]
        made_by = f"<p>Made by</p><pre>{escape(shlex.join(words))}</pre>"
    settings = escape(json.dumps(config, indent=2))
    return Panel(
        title="Record",
        sentence="Everything that is needed to make this run again.",
        html=f"{page.facts(said)}{made_by}<details><summary>All settings</summary><pre>{settings}</pre></details>",
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
