"""The explorer in a real browser: quiet, searched, picked, lassoed, recoloured; on a desk and on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pointssl.show.explore.page import explore_page
from tests.show.explore.worlds import planted

if TYPE_CHECKING:
    from playwright.sync_api import Page

_SIZES = {"desk": (1280, 820), "phone": (390, 844)}


@pytest.fixture(scope="module", params=sorted(_SIZES))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("install Debian's `chromium` to test pages in a browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="install playwright to test pages in a browser")
    path = tmp_path_factory.mktemp("explore") / "map.html"
    path.write_text(explore_page(planted(90, views=2, evil="<b>")), encoding="utf-8")
    width, height = _SIZES[request.param]
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": height}, has_touch=request.param == "phone")
        errors: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda sent: requests.append(sent.url))
        page.goto(path.as_uri())
        page.evaluate("window.explorer.then(() => 0)")
        yield page
        assert errors == []
        assert [url for url in requests if not url.startswith("blob:")] == [path.as_uri()]
        browser.close()


@pytest.fixture(autouse=True)
def _fresh(opened: "Page") -> None:
    opened.keyboard.press("Escape")
    opened.keyboard.press("Escape")
    opened.evaluate("window.explorer.then(e => e.maps.forEach(map => map.home()))")


def side(opened: "Page") -> str:
    return opened.locator(".side").inner_text()


def test_explorer__begins_with_how_many_there_are(opened: "Page") -> None:
    assert "90 shapes" in side(opened)
    assert opened.locator("canvas.map").count() == 2
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]  # type: ignore[index]


def test_explorer__search_lists_what_has_the_words(opened: "Page") -> None:
    opened.locator("input[type=search]").fill("GEAR 00")
    assert '"GEAR 00"' in side(opened)
    assert "3 shapes" in side(opened)  # gear_001, gear_004, gear_007
    assert opened.locator(".card").count() == 3
    opened.locator("input[type=search]").fill("")
    assert "90 shapes" in side(opened)


def test_explorer__a_card_shows_the_shape_and_its_neighbours_by_both(opened: "Page") -> None:
    opened.locator("input[type=search]").fill("bolt_003")
    opened.locator(".card").first.click()
    text = side(opened)
    assert text.startswith("bolt_003<b>")  # a name is text, whatever it looks like
    assert "003.stl" in text
    assert "by encoder 0" in text
    assert "by encoder 1" in text
    assert opened.locator(".card").count() == 24
    assert opened.locator("b").count() == 0
    assert opened.locator("canvas.turning").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
    )


def test_explorer__a_click_on_a_dot_selects_it(opened: "Page") -> None:
    x, y = opened.evaluate("window.explorer.then(e => e.maps[0].place(17))")
    box = opened.locator("canvas.map").first.bounding_box()
    assert box is not None
    opened.mouse.click(box["x"] + x, box["y"] + y)
    found = opened.evaluate("window.explorer.then(e => e.look.selected)")
    near = opened.evaluate(
        f"window.explorer.then(e => Math.hypot(e.maps[0].place({found})[0] - {x}, e.maps[0].place({found})[1] - {y}))"
    )
    assert near < 3  # itself, or one that lies on it


def test_explorer__a_lasso_around_everything_lists_everything(opened: "Page") -> None:
    opened.get_by_role("button", name="lasso").click()
    box = opened.locator("canvas.map").first.bounding_box()
    assert box is not None
    left, top, right, bottom = box["x"] + 2, box["y"] + 2, box["x"] + box["width"] - 2, box["y"] + box["height"] - 2
    opened.mouse.move(left, top)
    opened.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        opened.mouse.move(x, y, steps=4)
    opened.mouse.up()
    opened.get_by_role("button", name="lasso").click()
    assert "90 in the lasso" in side(opened)
    saved = opened.evaluate("fetch === undefined ? 0 : document.querySelector('a.button').getAttribute('download')")
    assert saved == "shapes.csv"


def test_explorer__lists_and_colours(opened: "Page") -> None:
    opened.get_by_label("lists").select_option("there twice (2)")
    assert "there twice: 1 group" in side(opened)
    names = opened.get_by_label("colour by").locator("option").all_inner_texts()
    assert names[0] == "class"
    assert "prediction (votes of neighbours)" in names
    for name in names:
        opened.get_by_label("colour by").select_option(name)
    opened.get_by_label("colour by").select_option("class")
    opened.locator(".legend button").nth(1).click()
    assert "30 shapes" in side(opened)


def test_explorer__keys_go_from_neighbour_to_neighbour(opened: "Page") -> None:
    opened.evaluate("document.activeElement.blur(); window.explorer.then(e => e.select(5))")
    opened.keyboard.press("ArrowRight")
    expected = opened.evaluate("window.explorer.then(e => e.atlas.views[0].near[5 * e.atlas.views[0].k])")
    assert opened.evaluate("window.explorer.then(e => e.look.selected)") == expected
    opened.keyboard.press("Escape")
    assert opened.evaluate("window.explorer.then(e => e.look.selected)") is None


def test_explorer__dark_and_light(opened: "Page") -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    before = opened.evaluate(paper)
    opened.get_by_role("button", name="dark or light").click()
    assert opened.evaluate(paper) != before
    opened.get_by_role("button", name="dark or light").click()
    assert opened.evaluate(paper) == before


def test_page__is_a_file_of_its_own(tmp_path: Path) -> None:
    page = explore_page(planted(10))
    assert not any(word in page for word in ("http://", "src=", "@import"))
