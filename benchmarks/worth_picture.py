"""Draw `docs/images/worth.png` from `results/worth.json`: what lies between pre-trained and untrained, set by set.

python benchmarks/worth_picture.py
"""

import json
from pathlib import Path

from pointssl.show.page import style

ROOT = Path(__file__).resolve().parent.parent
PROBES = {
    "svm-cv-standardised": "linear SVM, standardised",
    "knn-1": "nearest neighbour",
    "knn-1-whitened": "nearest neighbour, whitened",
    "knn-20": "20 nearest neighbours",
}
NETWORKS = {"pointnet": ("PointNet", style.ACCENT), "edge-pointnet": ("PointNet with edges", style.INK)}
LIMITS = (-14, 24)
"""Points; intervals that are wider leave the picture."""


@style.drawing()
def main() -> None:
    """One panel for each probe; for each test set one line for every network and budget of `NETWORKS`."""
    found = json.loads((ROOT / "results" / "worth.json").read_text(encoding="utf-8"))["rows"]
    rows = [row for row in found if "gain" in row and row["network"] in NETWORKS and row["data"] == "generated"]
    tests = list(dict.fromkeys(row["test"] for row in rows))
    series = sorted({(row["network"], row["clouds"]) for row in rows}, key=lambda s: (list(NETWORKS).index(s[0]), s[1]))
    step = 0.6 / len(series)
    figure, axes = style.new_figure(10, 6, 2, 2)
    for place, (probe, title) in zip(axes, PROBES.items(), strict=True):
        place.axvline(0, color=style.BASELINE, linewidth=1.0)
        for row in (row for row in rows if row["probe"] == probe):
            which = series.index((row["network"], row["clouds"]))
            (name, colour), gain = NETWORKS[row["network"]], row["gain"]
            most = max(clouds for network, clouds in series if network == row["network"])
            strength = 1.0 if row["clouds"] == most else 0.45
            height = -tests.index(row["test"]) - step * (which - (len(series) - 1) / 2)
            low, high = (100 * gain[side] for side in ("low", "high"))
            label = f"{name}, {row['clouds']:,} clouds seen, {len(row['seeds'])} seeds"
            place.plot(100 * gain["mean"], height, "o", color=colour, alpha=strength, markersize=5, label=label)
            place.plot([low, high], [height, height], color=colour, alpha=strength, linewidth=1.6)
        place.set_title(title)
        place.set_yticks([-i for i in range(len(tests))], tests)
        place.set_ylim(-len(tests) + 0.5, 0.5)
        place.set_xlim(*LIMITS)
        place.grid(visible=False, axis="y")
    named = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=2, fontsize=8)
    for place in axes[2:]:
        place.set_xlabel("points above the same network untrained")
    figure.savefig(ROOT / "docs" / "images" / "worth.png", dpi=110, facecolor="white")


if __name__ == "__main__":
    main()
