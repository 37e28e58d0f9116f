"""The page is whole, asks nobody for anything, and cannot be broken by what it shows."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from pointssl.show.page import page, viewer
from pointssl.show.page.page import Cell, Panel
from tests.show.shapes import tiny_view


def _array(header: dict[str, Any], place: dict[str, Any]) -> np.ndarray:
    """Read one array of a payload as the browser does."""
    block = gzip.decompress(base64.b64decode(header["block"]))
    shape = tuple(place["shape"])
    return np.frombuffer(block, place["type"], int(np.prod(shape)), place["offset"]).reshape(shape)


class _Balance(HTMLParser):
    """Counts elements that are opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass over elements that close themselves."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_build_page__is_balanced_and_points_nowhere_outside() -> None:
    panel = Panel(title="Shapes", sentence="Look.", view=viewer.pack([tiny_view()]), note="small")
    text = page.build_page(title="T", kicker="k", lead="l", panels=[panel, Panel(title="More", html="<p>x</p>")])
    parser = _Balance()
    parser.feed(text)
    assert parser.open == []
    assert {address.split(":")[0][:1] for address in parser.addresses} <= {"#", "d"}  # within the page, or data:
    assert "default-src 'none'" in text


def test_build_page__escapes_what_it_is_given() -> None:
    hostile = "</title><script>alert(1)</script>"
    panel = Panel(title=hostile, sentence=hostile, note=hostile, html=page.table([Cell(hostile)], [[Cell(hostile)]]))
    text = page.build_page(title=hostile, kicker=hostile, lead=hostile, panels=[panel], footer=hostile)
    assert "<script>alert" not in text


def test_build_page__without_views_carries_no_script() -> None:
    assert "<script" not in page.build_page(title="T", kicker="", lead="", panels=[Panel(title="A")])


def test_build_page__titles_must_differ() -> None:
    with pytest.raises(ValueError, match="titles of panels must differ"):
        page.build_page(title="T", kicker="", lead="", panels=[Panel(title="A b"), Panel(title="a B")])


def test_pack__a_name_cannot_leave_its_script_element() -> None:
    assert "</script" not in viewer.pack([tiny_view("</script><b>")])


def test_pack__arrays_come_back() -> None:
    view = tiny_view()
    header = json.loads(viewer.pack([view]))
    [shape] = header["shapes"]
    np.testing.assert_array_equal(_array(header, shape["points"]), view.points)
    assert view.mixture is not None
    np.testing.assert_array_equal(_array(header, shape["mixture"]["part"]), view.mixture.part)
    surface = shape["mixture"]["surface"]
    vertices = _array(header, surface["vertices"]) * surface["step"] + surface["low"]
    np.testing.assert_allclose(vertices, view.mixture.surface.vertices, atol=surface["step"])
    np.testing.assert_array_equal(_array(header, surface["faces"]), view.mixture.surface.faces)


def test_pack__same_shapes_give_the_same_text() -> None:
    assert viewer.pack([tiny_view()]) == viewer.pack([tiny_view()])


def test_pack__no_shapes() -> None:
    with pytest.raises(ValueError, match="at least one shape"):
        viewer.pack([])


def test_script__carries_the_licence_of_what_it_contains() -> None:
    head = viewer.script()[:2000]
    assert re.search(r"three\.js \d+\.\d+\.\d+", head)
    assert "Permission is hereby granted, free of charge" in head
