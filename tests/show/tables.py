"""Reading the tables of a page back: what stands in which row and column."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from pointssl.show.page import style


class _Tables(HTMLParser):
    """Collects the text of all cells; small print is kept apart by a bar."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        match tag:
            case "table":
                self.tables.append([])
            case "tr":
                self.tables[-1].append([])
            case "td" | "th":
                self.tables[-1][-1].append("")
            case "small":
                self.tables[-1][-1][-1] += "|"

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data.strip()


def read(html: str) -> list[dict[str, str]]:
    """Return the rows of the one table in `html`, each a dict from its column's heading to `figure|small print`."""
    parser = _Tables()
    parser.feed(html)
    [[head, *rows]] = parser.tables
    headings = [one.split("|")[0] for one in head]
    return [dict(zip(headings, row, strict=True)) for row in rows]


def lines_of(draw: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[float]]]:
    """Draw, and return what every pair of axes shows: the heights of each labelled line."""
    figures: list[Any] = []
    render = style.render

    def keep(figure: Any, *args: Any, **more: Any) -> style.Picture:
        figures.append(figure)
        return render(figure, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(style, "render", keep)
        draw()
    return [
        {line.get_label(): [float(y) for y in line.get_ydata()] for line in axes.get_lines()}
        for figure in figures
        for axes in figure.axes
    ]
