"""The tables of `results/worth.json`, `leaderboard.json` and `cost.json`: encoders down, test sets across."""

from collections.abc import Callable, Iterable
from typing import Any

from as_markdown import Result, read, table

TESTS = ("psb-shrec12", "kicad-parts", "ldraw-parts", "bimnet10")
NETWORKS = {
    "edge-pointnet": "with edges",
    "pointnet": "PointNet",
    "dgcnn": "DGCNN",
    "pointnet2": "PointNet++",
    "patch-transformer": "transformer",
}
LENGTH = 300_000
"""Clouds seen of the tables."""
_MISSING = "not measured"
Key = tuple[str, str, str, int]
"""Network, method, data, clouds seen."""


def main_tables() -> str:
    """The linear SVM and the nearest neighbour."""
    return (
        "Accuracy in % on the test clouds of four real sets, encoders frozen, 1,024 points, mean over seeds; in\n"
        "brackets what lies between it and the same networks untrained, in points, with a 95 % interval over seeds\n"
        "and test clouds, of a single seed over test clouds alone (not corrected for the number of comparisons;\n"
        f"`p_holm` in the file is). Encoders saw {LENGTH:,} clouds of 256 points; real shapes are those of\n"
        "three of the sets without their test clouds and without labels.\n\n"
        + _both({"svm-cv-standardised": "Linear SVM, standardised features", "knn-1": "Nearest neighbour"})
    )


def more_tables() -> str:
    """Whitened neighbours and twenty of them."""
    return _both({"knn-1-whitened": "Nearest neighbour, whitened features", "knn-20": "20 nearest neighbours"})


def label_fractions() -> str:
    """Few-shot episodes and shares of the labels."""
    names = {
        "few-shot-a 5-way 10-shot": "Few-shot: 5 classes of 10 clouds, 20 episodes, queries from the training split",
        "fractions-svm-standardised 1%": "Linear SVM with 1 % of the labels, at least one cloud of each class",
        "fractions-svm-standardised 10%": "Linear SVM with 10 % of the labels",
        "fractions-finetune 10%": "The whole network fine-tuned with 10 % of the labels",
        "finetune": "The whole network fine-tuned with all labels",
    }
    return _both(names)


def leaderboard() -> str:
    """Every pretext task on one network and budget."""
    result = read("leaderboard")
    if result is None:
        return "Not measured yet."
    most = max(row["clouds"] for row in result["rows"])
    names = {
        "svm-cv-standardised": "Linear SVM, standardised features",
        "knn-1": "Nearest neighbour",
        "few-shot-a 5-way 10-shot": "Few-shot: 5 classes of 10 clouds",
        "fractions-svm-standardised 10%": "Linear SVM with 10 % of the labels",
    }
    head = f"{most:,} generated clouds of 256 points seen, in brackets the gain over the same network untrained.\n\n"
    return head + _both(names, "leaderboard", lambda row: row["clouds"] in (0, most), by_mean=True)


def cost() -> str:
    """What a pretext task costs."""
    result = read("cost")
    if result is None:
        return "Not measured yet."
    rows = [
        [f"{row['method']}, {NETWORKS[row['network']]}", f"{row['clouds_per_second']:,.0f}", f"{row['mib']:,.0f}"]
        for row in sorted(result["rows"], key=lambda row: (row["network"], row["ms_per_cloud"]))
    ]
    return (
        "Whole short runs at 256 points, batch 64, float32, one thread: clouds for a second of processor time, data\n"
        "and workers included, and peak memory of the process.\n\n" + table(["task", "clouds/s", "MiB"], rows)
    )


def _both(
    probes: dict[str, str],
    name: str = "worth",
    wanted: Callable[[Result], bool] = lambda row: row["clouds"] in (0, LENGTH),
    *,
    by_mean: bool = False,
) -> str:
    """Return one table for each probe that was measured, its title above it."""
    result = read(name)
    rows = [] if result is None else [row for row in result["rows"] if wanted(row)]
    parts = []
    for probe, title in probes.items():
        mine = [row for row in rows if row["probe"] == probe]
        if mine:
            parts.append(f"**{title}**\n\n{_table(mine, by_mean=by_mean)}")
    return "\n\n".join(parts) or "Not measured yet."


def _table(rows: Iterable[Result], *, by_mean: bool) -> str:
    found: dict[Key, dict[str, Result]] = {}
    for row in rows:
        found.setdefault((row["network"], row["method"], row["data"], row["clouds"]), {})[row["test"]] = row
    order: Callable[[Key], Any] = (lambda key: -_mean(found[key])) if by_mean else _order
    lines = []
    for key in sorted(found, key=order):
        network, method, data, _ = key
        told = "untrained" if method == "untrained" else f"{method} on {data}"
        seeds = sorted({len(row["seeds"]) for row in found[key].values()})
        counted = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        lines.append([f"{NETWORKS[network]}, {told}", counted, *(_cell(found[key].get(test)) for test in TESTS)])
    return table(["encoder", "seeds", *TESTS], lines)


def _mean(row: dict[str, Result]) -> float:
    return sum(float(one["accuracy"]["mean"]) for one in row.values()) / len(row)


def _order(key: Key) -> tuple[int, bool, tuple[str, str]]:
    """Networks in their order, the untrained one first."""
    network, method, data, _ = key
    return list(NETWORKS).index(network), method != "untrained", (method, data)


def _cell(row: Result | None) -> str:
    if row is None:
        return _MISSING
    told, gain = f"{100 * row['accuracy']['mean']:.1f}", row.get("gain")
    if gain is None:
        return told
    low, high = (100 * gain[side] for side in ("low", "high"))
    return f"{told} ({100 * gain['mean']:+.1f} [{low:+.1f}, {high:+.1f}])"
