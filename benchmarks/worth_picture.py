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


@style.drawing()
def main() -> None:
    """One panel for each probe, one line for each test set and network."""
    rows = json.loads((ROOT / "results" / "worth.json").read_text(encoding="utf-8"))["rows"]
    tests = list(dict.fromkeys(row["test"] for row in rows))
    figure, axes = style.new_figure(10, 5.2, 2, 2)
    for place, (probe, title) in zip(axes, PROBES.items(), strict=True):
        place.axvline(0, color=style.TWIN, linewidth=1.0)
        for row in (row for row in rows if row["probe"] == probe and "gain" in row):
            gain, (name, colour) = row["gain"], NETWORKS[row["network"]]
            height = -tests.index(row["test"]) - 0.22 * list(NETWORKS).index(row["network"])
            low, high = (100 * gain[side] for side in ("low", "high"))
            place.plot([low, high], [height, height], color=colour, linewidth=1.6)
            label = f"{name}, {row['clouds']:,} clouds, {len(row['seeds'])} seeds" if row["test"] == tests[0] else None
            place.plot([100 * gain["mean"]], [height], "o", color=colour, markersize=5, label=label)
        place.set_title(title)
        place.set_yticks([-i - 0.11 for i in range(len(tests))], tests)
        place.set_xlim(-12, 22)
        place.grid(visible=False, axis="y")
    axes[0].legend(loc="lower right", fontsize=8)
    for place in axes[2:]:
        place.set_xlabel("points above the same network untrained")
    figure.savefig(ROOT / "docs" / "images" / "worth.png", dpi=130, facecolor="white")


if __name__ == "__main__":
    main()
