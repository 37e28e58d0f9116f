"""One self-contained HTML page made of panels: it opens from disk and asks no network for anything.

A panel is a title, one sentence that says how to read it, and what is to be seen: HTML, a picture, a 3D view.
Any method's pictures can join a report by handing over one more panel.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from pointssl.show.page import style, viewer

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""The page's own promise to the browser: nothing is ever fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One section of a page."""

    title: str
    """A few words; plain text."""
    sentence: str = ""
    """How to read what follows; plain text."""
    html: str = ""
    """Markup shown as it is; whoever makes it escapes what came from outside."""
    pictures: Sequence[style.Picture] = ()
    """Still pictures, one below the other."""
    view: str | None = None
    """Payload of an interactive view, from `viewer.pack`."""
    note: str = ""
    """Small print below; plain text."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: a text, in numbers' alignment or not, and small print after it."""

    text: str
    small: str = ""
    number: bool = False
    strong: bool = False


def table(columns: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> str:
    """Return an HTML table; the first cell of each row is its heading, all text is escaped."""
    head = "".join(_cell(one, 'th scope="col"') for one in columns)
    body = "".join(
        "<tr>" + "".join(_cell(one, "td" if place else 'th scope="row"') for place, one in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a list of names and values; all text is escaped."""
    return '<dl class="facts">' + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs) + "</dl>"


def missing(what: str, command: str = "") -> str:
    """Return a quiet box that says what is not there and how to get it; all text is escaped."""
    how = f" Make it with <code>{escape(command)}</code>." if command else ""
    return f'<p class="missing">{escape(what)}{how}</p>'


def build_page(*, title: str, kicker: str, lead: str, panels: Sequence[Panel], footer: str = "") -> str:
    """Return the whole page as one string; `title`, `kicker`, `lead` and `footer` are plain text.

    Raises:
        ValueError: when two panels share a title, which is also their address within the page.
    """
    names = [_slug(one.title) for one in panels]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"titles of panels must differ, got {twice[0]!r} more than once")
    links = "".join(f'<li><a href="#{n}">{escape(p.title)}</a></li>' for n, p in zip(names, panels, strict=True))
    sections = "\n".join(_section(n, p) for n, p in zip(names, panels, strict=True))
    script = f"<script>{viewer.script()}</script>" if any(one.view for one in panels) else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{_stylesheet()}</style>
</head>
<body>
<header>
<p class="kicker">{escape(kicker)}</p>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main>
{sections}
</main>
<footer>{escape(footer)}</footer>
{script}
</body>
</html>
"""


def _section(name: str, panel: Panel) -> str:
    parts = [f'<section id="{name}">', f"<h2>{escape(panel.title)}</h2>"]
    if panel.sentence:
        parts.append(f'<p class="sentence">{escape(panel.sentence)}</p>')
    if panel.html:
        parts.append(panel.html)
    if panel.view is not None:
        data = f"{name}-data"
        parts.append(f'<script type="application/json" id="{data}">{panel.view}</script>')
        parts.append(
            f'<div class="viewer" data-viewer="{data}"><p class="missing">This view needs JavaScript.</p></div>'
        )
    parts.extend(_figure(one) for one in panel.pictures)
    if panel.note:
        parts.append(f'<p class="note">{escape(panel.note)}</p>')
    return "\n".join([*parts, "</section>"])


def _figure(picture: style.Picture) -> str:
    label = escape(picture.alt, quote=True)
    # A picture is shown as large as its type wants, so that all pictures of a page have type of one size.
    svg = style.themed(picture.svg).replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return f'<figure style="--points:{picture.width:.0f}">{svg}</figure>'


def _cell(cell: Cell, tag: str) -> str:
    text = f"<strong>{escape(cell.text)}</strong>" if cell.strong else escape(cell.text)
    small = f" <small>{escape(cell.small)}</small>" if cell.small else ""
    kind = ' class="number"' if cell.number else ""
    return f"<{tag}{kind}>{text}{small}</{tag[:2]}>"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _stylesheet() -> str:
    return resources.files("pointssl.show").joinpath("assets/page.css").read_text(encoding="utf-8")
