"""The page in a real browser, opened from disk: drawn, quiet, and recoloured by a pick, on a desk and on a phone."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.image
import numpy as np
import pytest

from pointssl.show.page import page, viewer
from pointssl.show.page.page import Panel
from pointssl.show.run import features
from tests.show.shapes import tiny_view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SIZES = {"desk": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("install Debian's `chromium` to test pages in a browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="install playwright to test pages in a browser")
    with sync_api.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=list(_QUIET))
        yield found
        found.close()


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    views = [tiny_view(), tiny_view("other", points=120, seed=1), tiny_view("features alone", mixture=False)]
    panel = Panel(title="Shapes", sentence="Turn them.", view=viewer.pack(views))
    path.write_text(page.build_page(title="Test", kicker="test", lead="A page.", panels=[panel]), encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Tab:
    page: "Page"
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=sorted(_SIZES))
def tab(request: pytest.FixtureRequest, browser: "Browser", html: Path) -> Iterator[_Tab]:
    """The page in a window of one size, opened once for all tests: starting a 3D view takes a second."""
    width, height = _SIZES[request.param]
    made = _Tab(browser.new_page(viewport={"width": width, "height": height}, has_touch=request.param == "phone"))
    made.page.on("console", lambda message: made.errors.append(message.text) if message.type == "error" else None)
    made.page.on("pageerror", lambda error: made.errors.append(str(error)))
    made.page.on("request", lambda sent: made.requests.append(sent.url))
    made.page.goto(html.as_uri())
    made.page.evaluate("window.pointssl.ready")
    yield made
    made.page.close()


@pytest.fixture
def opened(tab: _Tab, html: Path) -> Iterator["Page"]:
    """The page as it is first seen; it must stay silent and never ask for anything but itself."""
    tab.page.evaluate("window.pointssl.viewers[0].choose(0); window.pointssl.viewers[0].setMode('parts')")
    yield tab.page
    assert tab.errors == []
    assert tab.requests == [html.as_uri()]


def _canvas(opened: "Page") -> np.ndarray:
    """Return the pixels of the large view as the reader sees them."""
    opened.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shot = opened.locator(".viewer-frame canvas").screenshot()
    pixels: np.ndarray = matplotlib.image.imread(io.BytesIO(shot))[..., :3]
    return pixels


def _coloured(pixels: np.ndarray) -> float:
    """Return the share of pixels with a clear colour; paper and text are grey."""
    return float((pixels.max(axis=2) - pixels.min(axis=2) > 0.15).mean())


def test_page__is_drawn_and_fits_its_width(opened: "Page") -> None:
    assert _coloured(_canvas(opened)) > 0.005
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_pick__recolours_both_panes_by_the_distances_that_python_computes(opened: "Page") -> None:
    before = _canvas(opened)
    opened.evaluate("window.pointssl.pick(17)")
    first = _canvas(opened)
    state = opened.evaluate("window.pointssl.viewers[0].state()")
    opened.evaluate("window.pointssl.pick(90)")
    second = _canvas(opened)
    assert _coloured(second) > 0.005
    assert before.shape != first.shape or np.abs(before - first).mean() > 0.002
    assert np.abs(first - second).mean() > 0.001
    view = tiny_view()
    np.testing.assert_allclose(state["space"], features.distances_from(view.points, 17), atol=1e-5)
    exact = features.distances_from(view.features, 17) / features.typical_distance(view.features)
    np.testing.assert_allclose(state["feature"], exact, atol=features.shrink(view.features).error + 1e-6)
    assert len(state["colours"]) == 2


def test_tap__chooses_the_point_under_the_finger(opened: "Page") -> None:
    canvas = opened.locator(".viewer-frame canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    state = "window.pointssl.viewers[0].state().picked"
    for dx, dy in ((0, 0), (0, -30), (0, 30), (-30, 0), (30, 0), (45, 20), (-45, -20)):
        opened.mouse.click(x + dx, y + dy)
        if opened.evaluate(state) is not None:
            break
    assert opened.evaluate(state) is not None


def test_layers__ellipsoids_and_surface_change_the_picture(opened: "Page") -> None:
    plain = _canvas(opened)
    for label in ("1-sigma ellipsoids", "Surface g = c"):
        opened.get_by_label(label).check()
        shown = _canvas(opened)
        assert np.abs(shown - plain).mean() > 0.005
        opened.get_by_label(label).uncheck()


def test_keyboard__turns_and_chooses(opened: "Page") -> None:
    before = _canvas(opened)
    opened.locator(".viewer-frame canvas").focus()
    for _ in range(4):
        opened.keyboard.press("ArrowLeft")
    assert np.abs(_canvas(opened) - before).mean() > 0.002
    opened.keyboard.press("n")
    assert opened.evaluate("window.pointssl.viewers[0].state().picked") is not None


def test_shapes__another_one_and_one_without_mixture(opened: "Page") -> None:
    opened.get_by_role("button", name="other").click()
    assert opened.evaluate("window.pointssl.viewers[0].state().shape") == "other"
    opened.get_by_role("button", name="features alone").click()
    assert opened.evaluate("window.pointssl.viewers[0].state().mode") == "distance"
    assert _coloured(_canvas(opened)) > 0.005
