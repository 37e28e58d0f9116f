"""Marked points in a real browser: each group in its colour, one sentence, and no distances."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pointssl.show.page import page, viewer
from pointssl.show.page.page import Panel
from pointssl.show.scene import Marks, ShapeView
from tests.show.shapes import tiny_cloud, tiny_view
from tests.show.test_browser import browser  # noqa: F401  (a fixture)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COLOURS = ("#0000ff", "#ff8000")


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    points = tiny_cloud()
    marks = Marks(group=(points[:, 0] > 0).astype(np.int64), colours=COLOURS, text="Half of it <acts>.")
    views = [ShapeView(name="half", points=points, features=points, marks=marks), tiny_view("other")]
    path = tmp_path / "page.html"
    panel = Panel(title="Shapes", view=viewer.pack(views))
    path.write_text(page.build_page(title="Test", kicker="test", lead="A page.", panels=[panel]), encoding="utf-8")
    return path


def test_marks__are_coloured_told_and_not_measured(browser: "Browser", marked: Path) -> None:  # noqa: F811
    tab = browser.new_page(viewport={"width": 900, "height": 700})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(marked.as_uri())
    tab.evaluate("window.pointssl.ready")
    state = tab.evaluate("window.pointssl.viewers[0].state()")
    assert state["mode"] == "marks"
    [colours] = state["colours"]
    expected = np.array([[0.0, 0.0, 1.0], [1.0, 128 / 255, 0.0]])[(tiny_cloud()[:, 0] > 0).astype(int)]
    np.testing.assert_allclose(np.array(colours).reshape(-1, 3), expected, atol=1e-6)
    assert tab.get_by_text("Half of it <acts>.").is_visible()
    tab.evaluate("window.pointssl.pick(3)")  # there is nothing to measure
    assert tab.evaluate("window.pointssl.viewers[0].state().mode") == "marks"
    tab.get_by_role("button", name="other").click()
    assert tab.evaluate("window.pointssl.viewers[0].state().mode") == "parts"
    tab.get_by_role("button", name="half").click()
    assert tab.evaluate("window.pointssl.viewers[0].state().mode") == "marks"
    assert errors == []
    tab.close()
