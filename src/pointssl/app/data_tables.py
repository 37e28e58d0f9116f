"""What the data commands print: findings of a check, what a file was taken for, what is in a data set."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from pointssl.data.check import Report
from pointssl.data.cloud import Dataset
from pointssl.data.endless import size_of
from pointssl.data.files.columns import Meaning
from pointssl.data.files.kinds import printable
from pointssl.formatting import visible


def findings(report: Report) -> Table:
    """Return what a check found, worst first."""
    size = "" if report.points is None else f", {report.points[0]} to {report.points[1]} points each"
    title = f"{report.name}: {report.clouds} clouds{size}"
    table = _table(title, "", "finding", "count", "for example", "what to do")
    for one in report.findings:
        severity, what, advice = one.issue.value
        examples = ", ".join(one.examples) + (", ..." if one.count > len(one.examples) else "")
        _row(table, severity, what, str(one.count), examples, advice)
    if not report.findings:
        _row(table, "ok", "nothing wrong was found", "", "", "")
    return table


def taken_for(report: Report) -> list[tuple[str, str]]:
    """Return what the classes and splits were taken to be, and which axis is probably up."""
    rows = [
        ("classes", _counted(report.classes, report.classes_from) or "none: not labelled"),
        ("splits", _counted(report.splits, report.splits_from)),
        ("up", f"probably {report.up}" if report.up else "cannot be told; --sheet draws the clouds"),
    ]
    return [row for row in rows if row[1]]


def meanings(title: str, rows: Sequence[Meaning]) -> Table:
    """Return what is in a file, and what it was taken for."""
    table = _table(title, "in the file", "taken for", "because")
    for row in rows:
        _row(table, row.found, row.taken, row.rule)
    return table


def contents(dataset: Dataset) -> list[tuple[str, str]]:
    """Return what a data set holds, by what its first cloud has."""
    first, labels, size = dataset[0], dataset.labels, size_of(dataset)
    rows = [
        ("name", dataset.name),
        ("clouds", "without end" if size is None else f"{size:,}"),
        ("points in the first", f"{len(first.points):,}"),
        ("channels", ", ".join(f"{key} ({value.shape[1]})" for key, value in first.channels.items()) or "none"),
        ("first cloud", first.origin or first.name),
        ("fingerprint", dataset.fingerprint[:16]),
    ]
    if labels is not None:
        counts = np.bincount(labels, minlength=len(dataset.classes))
        rows.insert(2, ("classes", _counted(dict(zip(dataset.classes, counts.tolist(), strict=True)), "")))
    return rows


def _counted(counts: dict[str, int], origin: str) -> str:
    common = sorted(counts.items(), key=lambda pair: -pair[1])
    told = ", ".join(f"{name} {count:,}" for name, count in common[:8]) + (" ..." if len(common) > 8 else "")
    return f"{len(counts)}: {told}{f' (from {origin})' if origin else ''}" if counts else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(visible(printable(title))), title_justify="left", title_style="")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    """Add cells as they are: brackets in names are no markup."""
    table.add_row(*(Text(visible(printable(cell))) for cell in cells))
