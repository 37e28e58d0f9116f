"""Write the README's tables from `results/`: a number that is printed there is a number that was measured.

python benchmarks/tables.py            # writes
python benchmarks/tables.py --check    # leaves with 1 where README and results differ
"""

import argparse
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"

Result = dict[str, Any]


def read(name: str) -> Result | None:
    """Return a result, or None where it was not measured."""
    path = ROOT / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [columns, rule, *rows])


def with_spread(row: Result, scale: float = 100.0, digits: int = 1) -> str:
    """Return a mean, its standard deviation over seeds, and how many there were."""
    text, n = f"{scale * row['mean']:.{digits}f}", row["n"]
    return f"{text} (n {n})" if row["std"] is None else f"{text} ± {scale * row['std']:.{digits}f} (n {n})"


def with_interval(row: Result) -> str:
    """Return a mean and its interval."""
    return f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def linear_probe() -> str:
    """Pre-trained and untrained encoders, on the data they were trained on and on other data."""
    rows = []
    names = {"pointnet-light": "PointNet", "dgcnn": "DGCNN"}
    rules = {"svm-cv": "SVM", "svm-cv-wide": "SVM, wide C", "svm-cv-standardised": "SVM, standardised", "knn-20": "kNN"}
    shown: list[str] = []
    for key, title in names.items():
        result = read(f"linear-probe-parae-{key}")
        if result is None:
            continue
        for data in ("psb-shrec12", "bimnet10"):
            scores = {(s["protocol"], s["arm"]): s for s in result["scores"][data]}
            shown = shown or [rule for rule in rules if (rule, "pretrained") in scores]
            for arm, label in (("pretrained", "ParAE"), ("untrained", "untrained")):
                cells = [with_spread(scores[rule, arm]) for rule in shown]
                rows.append([data, f"{title}, {label}", *cells])
    text = (
        "Accuracy in % on the official test clouds (`psb-shrec12` 328, 69 classes; `bimnet10` 51, 10 classes, the\n"
        "same encoders, frozen), 1024 points, last epoch, mean ± standard deviation over n pre-trainings (or\n"
        "untrained networks). SVM: linear, C by cross-validation inside the training clouds, 0.001 to 10 (wide: to\n"
        "10,000).\n"
    )
    return text + "\n" + table(["data", "encoder", *(rules[rule] for rule in shown)], rows)


def partition() -> str:
    """Agreement of ways of cutting a cloud with the way people cut the model."""
    result = read("partition")
    if result is None:
        return "Not measured yet."
    rows = [
        [
            row["name"],
            str(row["J"] or ""),
            f"{row['parts']:.1f}",
            with_interval(row["rand"]),
            with_interval(row["adjusted"]),
        ]
        for row in result["rows"]
    ]
    text = (
        f"Agreement with {result['segmentations']:,} human segmentations of {result['models']} models of "
        f"`{result['data']}`; in brackets {result['interval']}.\n"
    )
    return text + "\n" + table(["way of cutting", "J", "parts used", "Rand index", "adjusted"], rows)


def speed() -> str:
    """Training steps against their textbook forms."""
    result = read("speed")
    if result is None:
        return "Not measured yet."
    titles = {
        "parae_pointnet": "PointNet + ParAE step, batch 32",
        "dgcnn": "DGCNN encoder step, k 20",
        "mixture_loss": "mixture loss and gradient",
    }
    rows = []
    for name, case in result["cases"].items():
        for form, row in case["forms"].items():
            limit = row["fraction_of_limit"]
            cells = [
                f"{row['clouds_per_s']:.1f}",
                f"{row['times_textbook']:.1f}",
                f"{100 * limit:.0f} %" if limit else "",
            ]
            rows.append([titles[name], form, *cells])
    memory = [
        [titles[name].split(",")[0], points, f"{row['ours']:.0f}", f"{row['textbook']:.0f}"]
        for name, sizes in result["memory_mib"].items()
        for points, row in sizes.items()
    ]
    about = result["about"]
    text = (
        f"Forward and backward at 1024 points, {about['threads']} threads of {about['processor']}, medians of\n"
        "interleaved runs in one process, values and gradients of both forms compared in the same run (`make bench`).\n"
        "`of the limit`: the time that the arithmetic or the memory traffic alone would need on this machine.\n"
    )
    if not about["bf16_units"]:
        text += "\nThis processor has no bf16 instructions, so there is no bf16 row.\n"
    first = table(["step", "form", "clouds/s", "× textbook", "of the limit"], rows)
    second = table(["peak memory of a step, MiB", "points", "ours", "textbook"], memory)
    return f"{text}\n{first}\n\n{second}"


def store() -> str:
    """Random reads."""
    result = read("store")
    if result is None:
        return "Not measured yet."
    ways = ", ".join(f"{way} {speed:,}" for way, speed in result["clouds_per_second"].items())
    return f"Random reads per second of clouds of {result['points']:,} points, one process: {ways}."


TABLES: dict[str, Callable[[], str]] = {
    "linear-probe": linear_probe,
    "partition": partition,
    "speed": speed,
    "store": store,
}


def filled(text: str) -> str:
    """Return the README with every table between its marks."""
    for name, make in TABLES.items():
        marks = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marks.search(text):
            raise SystemExit(f"README.md has no place for the table {name}")
        made = make()
        text = marks.sub(partial(_between, made), text)
    return text


def _between(made: str, found: re.Match[str]) -> str:
    return f"{found[1]}{made}\n{found[2]}"


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    given = parser.parse_args()
    before = README.read_text(encoding="utf-8")
    after = filled(before)
    if given.check and before != after:
        raise SystemExit("README.md differs from results/; run: make results")
    README.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
