"""Results as Markdown tables."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Result = dict[str, Any]


def read(name: str) -> Result | None:
    """Return a result, or None where it was not measured."""
    path = ROOT / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [columns, rule, *rows])


def prose_table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table of words."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [columns, ["---"] * len(columns), *rows])


def with_spread(row: Result, scale: float = 100.0, digits: int = 1) -> str:
    """Return a mean, its standard deviation over seeds, and how many there were."""
    text, n = f"{scale * row['mean']:.{digits}f}", row["n"]
    return f"{text} (n {n})" if row["std"] is None else f"{text} ± {scale * row['std']:.{digits}f} (n {n})"


def with_interval(row: Result) -> str:
    """Return a mean and its interval."""
    return f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
