"""Draw docs/images/explore.png: the explorer on generated families, as a browser shows it.

python docs/explore_picture.py
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from pointssl.show.explore.explore import explore, write_explorer


def main() -> None:
    """Make a map of 240 shapes, select one, and take the picture."""
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        page = write_explorer(explore("synthetic:240"), Path(folder) / "map.html")
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1200, "height": 720})
        tab.goto(page.as_uri())
        tab.evaluate("window.explorer.then(e => { e.maps[0].zoom(1.9); e.select(7) })")
        tab.wait_for_timeout(1500)
        tab.screenshot(path=str(Path(__file__).parent / "images" / "explore.png"))
        browser.close()


if __name__ == "__main__":
    main()
