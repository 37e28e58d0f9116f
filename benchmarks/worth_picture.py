"""Draw `docs/images/worth*.png` from `results/worth.json`: gains, accuracy against clouds seen, transfer, few labels.

python benchmarks/worth_picture.py
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pointssl.show.page import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
PROBES = {
    "svm-cv-standardised": "linear SVM, standardised",
    "knn-1": "nearest neighbour",
    "knn-1-whitened": "nearest neighbour, whitened",
    "knn-20": "20 nearest neighbours",
}
NETWORKS = {"pointnet": ("PointNet", style.ACCENT), "edge-pointnet": ("PointNet with edges", style.INK)}
TESTS = ("psb-shrec12", "kicad-parts", "ldraw-parts", "bimnet10")
LENGTH = 300_000
"""Clouds seen of the main table."""
LIMITS = (-14, 24)
"""Points; intervals that are wider leave the picture."""
FEW = {
    "fractions-svm-standardised 1%": 0.01,
    "fractions-svm-standardised 10%": 0.1,
    "fractions-svm-standardised 100%": 1.0,
}
LEARNED = {
    ("untrained", "nothing"): "nothing (untrained)",
    ("contrast", "generated"): "contrast on unions",
    ("contrast", "real"): "contrast on real shapes",
    ("contrast", "both"): "contrast on both",
    ("supervised", "families"): "24 families, labels",
    ("supervised", "fractals"): "100 fractals, labels",
    ("mm-point", "generated"): "MM-Point on unions",
    ("crosspoint", "generated"): "CrossPoint on unions",
    ("parae", "generated"): "ParAE on unions",
}
Rows = list[dict[str, Any]]


@style.drawing()
def main() -> None:
    """Draw what has been measured."""
    rows: Rows = json.loads((ROOT / "results" / "worth.json").read_text(encoding="utf-8"))["rows"]
    gains([row for row in rows if "gain" in row and (row["method"], row["data"]) == ("contrast", "generated")])
    per_test("worth-clouds.png", "clouds seen in pre-training", rows, ("svm-cv-standardised", "knn-1"), against_clouds)
    per_test("worth-labels.png", "share of the labels, in %", rows, tuple(FEW), against_labels)
    transfer([row for row in rows if row["network"] == "edge-pointnet" and row["clouds"] in (0, LENGTH)])


def gains(rows: Rows) -> None:
    """One panel for each probe; for each test set one line for every network, at the length of the main table."""
    rows = [row for row in rows if row["network"] in NETWORKS and row["clouds"] == LENGTH]
    step = 0.6 / len(NETWORKS)
    figure, axes = style.new_figure(10, 6, 2, 2)
    for place, (probe, title) in zip(axes, PROBES.items(), strict=True):
        place.axvline(0, color=style.BASELINE, linewidth=1.0)
        for row in (row for row in rows if row["probe"] == probe):
            (name, colour), gain = NETWORKS[row["network"]], row["gain"]
            which = list(NETWORKS).index(row["network"])
            height = -TESTS.index(row["test"]) - step * (which - (len(NETWORKS) - 1) / 2)
            low, high = (100 * gain[side] for side in ("low", "high"))
            label = f"{name}, {row['clouds']:,} clouds seen, {len(row['seeds'])} seeds"
            place.plot(100 * gain["mean"], height, "o", color=colour, markersize=5, label=label)
            place.plot([low, high], [height, height], color=colour, linewidth=1.6)
        place.set_title(title)
        place.set_yticks([-i for i in range(len(TESTS))], TESTS)
        place.set_ylim(-len(TESTS) + 0.5, 0.5)
        place.set_xlim(*LIMITS)
        place.grid(visible=False, axis="y")
    named = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2, fontsize=8)
    for place in axes[2:]:
        place.set_xlabel("points above the same network untrained")
    figure.savefig(IMAGES / "worth.png", dpi=110, facecolor="white")


def per_test(
    name: str, across: str, rows: Rows, probes: Sequence[str], draw: Callable[["Axes", Rows, str], None]
) -> None:
    """Draw one panel for each test set."""
    rows = [row for row in rows if row["probe"] in probes and row["network"] in NETWORKS]
    figure, axes = style.new_figure(10, 6, 2, 2)
    for place, test in zip(axes, TESTS, strict=True):
        draw(place, [row for row in rows if row["test"] == test], test)
        place.set_title(test)
        place.set_xscale("log")
    for place in axes[2:]:
        place.set_xlabel(across)
    for place in axes[::2]:
        place.set_ylabel("accuracy, %")
    named = {name: handle for place in axes for handle, name in zip(*place.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(IMAGES / name, dpi=110, facecolor="white")


def band(place: "Axes", x: Sequence[float], rows: Rows, label: str, **look: Any) -> None:
    """Draw means with the standard error over seeds as a band."""
    mean = np.array([100 * row["accuracy"]["mean"] for row in rows])
    std = [row["accuracy"]["std"] or 0.0 for row in rows]
    error = np.array([100 * s / np.sqrt(len(row["seeds"])) for s, row in zip(std, rows, strict=True)])
    place.plot(x, mean, "o", markersize=4, label=label, **look)
    place.fill_between(x, mean - error, mean + error, color=look["color"], alpha=0.15, linewidth=0)


def against_clouds(place: "Axes", rows: Rows, _test: str) -> None:
    """Accuracy of the contrast on generated shapes, by clouds seen; the untrained network as a level line."""
    lines = (("svm-cv-standardised", "-", "linear SVM"), ("knn-1", ":", "nearest neighbour"))
    for (network, (name, colour)), (probe, line, told) in ((n, p) for n in NETWORKS.items() for p in lines):
        mine = [row for row in rows if (row["network"], row["probe"]) == (network, probe)]
        seen = sorted(
            (r for r in mine if (r["method"], r["data"]) == ("contrast", "generated")), key=lambda r: int(r["clouds"])
        )
        plain = [row for row in mine if row["method"] == "untrained"]
        if seen and plain:
            start = min(row["clouds"] for row in rows if row["clouds"]) / 3  # the same for all networks
            band(
                place,
                [start, *(row["clouds"] for row in seen)],
                [*plain, *seen],
                f"{name}, {told}",
                color=colour,
                linestyle=line,
            )
            place.axvline(start, color=style.RULE)
            place.annotate(
                "untrained", (start, 0.01), xycoords=("data", "axes fraction"), fontsize=7, color=style.MUTED
            )


def against_labels(place: "Axes", rows: Rows, _test: str) -> None:
    """Accuracy of the linear SVM with few labels, trained and untrained."""
    for network, (name, colour) in NETWORKS.items():
        for (method, data, clouds), line in {
            ("contrast", "generated", LENGTH): "-",
            ("untrained", "nothing", 0): ":",
        }.items():
            wanted = (network, method, data, clouds)
            mine = [r for r in rows if (r["network"], r["method"], r["data"], r["clouds"]) == wanted]
            mine.sort(key=lambda row: FEW[row["probe"]])
            if len(mine) > 1:
                label = f"{name}, {'untrained' if method == 'untrained' else 'contrast on generated shapes'}"
                band(place, [100 * FEW[row["probe"]] for row in mine], mine, label, color=colour, linestyle=line)


def transfer(rows: Rows) -> None:
    """What was learned from against what was measured on: the linear SVM, and beside it the nearest neighbour."""
    figure, axes = style.new_figure(10, 4.2, 1, 2)
    there = [key for key in LEARNED if any((row["method"], row["data"]) == key for row in rows)]
    for place, probe in zip(axes, ("svm-cv-standardised", "knn-1"), strict=True):
        cell = {((r["method"], r["data"]), r["test"]): r for r in rows if r["probe"] == probe}
        gain = np.array([[100 * cell[k, t].get("gain", {"mean": 0.0})["mean"] for t in TESTS] for k in there])
        place.imshow(gain, cmap="RdBu", vmin=-20, vmax=20, aspect="auto")
        for (i, key), (j, test) in ((a, b) for a in enumerate(there) for b in enumerate(TESTS)):
            told = f"{100 * cell[key, test]['accuracy']['mean']:.1f}" + (f" ({gain[i, j]:+.1f})" if i else "")
            ink = "white" if abs(gain[i, j]) > 12 else style.INK
            place.text(j, i, told, ha="center", va="center", fontsize=8, color=ink)
        place.set_title(PROBES[probe])
        place.set_xticks(range(len(TESTS)), TESTS, fontsize=8)
        place.set_yticks(range(len(there)), [LEARNED[key] for key in there] if probe == "svm-cv-standardised" else [])
        place.grid(visible=False)
    figure.savefig(IMAGES / "worth-transfer.png", dpi=110, facecolor="white")


if __name__ == "__main__":
    main()
