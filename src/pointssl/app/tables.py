"""Figures and lists as two columns without a frame, the form in which commands print them."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from pointssl.formatting import visible


def two_columns(rows: Iterable[tuple[str, str]]) -> Table:
    """Return rows of a name and a text as a table."""
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    for left, right in rows:
        # Names of strangers' files: brackets are no markup, and control characters steer no terminal.
        table.add_row(Text(visible(left)), Text(visible(right)))
    return table
