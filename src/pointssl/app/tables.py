"""Figures and lists as two columns without a frame, the form in which commands print them."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text


def two_columns(rows: Iterable[tuple[str, str]]) -> Table:
    """Return rows of a name and a text as a table."""
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    for left, right in rows:
        table.add_row(Text(left), Text(right))  # brackets in names are no markup
    return table
