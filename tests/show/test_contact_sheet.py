"""Contact sheets: every view is on them, at its place."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointssl.data.arrays import ArrayDataset
from pointssl.data.views.config import ViewConfig
from pointssl.data.views.images import ImageFolder
from pointssl.data.views.store import ViewStore
from pointssl.data.views.write import write_views
from pointssl.ops.render.cameras import ring
from pointssl.show.run.contact_sheet import Strip, camera_labels, contact_sheet, render_strips, stored_strips


def blobs() -> ArrayDataset:
    points = np.random.default_rng(0).normal(size=(2, 60, 3)).astype(np.float32)
    return ArrayDataset(points, name="blobs", names=["first", "second"])


def test_camera_labels__by_hand() -> None:
    assert camera_labels(ring(4, [10.0, 40.0], up="z"), "z") == ["0°, 10°", "90°, 40°", "180°, 10°", "270°, 40°"]


def test_contact_sheet__shows_every_picture() -> None:
    # Pictures of one grey each, brighter from view to view: their greys must be found in the drawing.
    greys = np.arange(14, dtype=np.uint8) * 15 + 20
    pictures = np.broadcast_to(greys[:, None, None, None], (14, 1, 9, 9))
    sheet = contact_sheet([Strip(title="steps", rows=[("depth", pictures)], columns=[str(view) for view in range(14)])])
    drawn = np.asarray(Image.open(io.BytesIO(sheet.png)).convert("L"))
    for grey in greys:
        assert (drawn == grey).sum() > 400
    assert "steps" in sheet.alt


def test_render_strips__all_kinds(tmp_path: Path) -> None:
    config = ViewConfig(size=8, views=3)
    strips = render_strips(blobs(), [1], config)
    assert [label for label, _ in strips[0].rows] == ["shaded", "depth", "normal"]
    assert [pictures.shape for _, pictures in strips[0].rows] == [(3, 1, 8, 8), (3, 1, 8, 8), (3, 3, 8, 8)]
    assert strips[0].title == "second"
    write_views(blobs(), tmp_path / "out", config)
    stored = stored_strips(ViewStore(tmp_path / "out"), [1])[0]
    assert stored.columns == strips[0].columns
    np.testing.assert_array_equal(stored.rows[0][1], strips[0].rows[0][1])
    assert contact_sheet([*strips, stored]).png[:4] == b"\x89PNG"


def test_render_strips__pictures_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (6, 6), (1, 2, 3)).save(tmp_path / "a/0.png")
    folder = ImageFolder(tmp_path)
    strip = render_strips(folder, [0], ViewConfig())[0]
    assert [label for label, _ in strip.rows] == ["color"]
    np.testing.assert_array_equal(strip.rows[0][1], stored_strips(folder, [0])[0].rows[0][1])


def test_contact_sheet__needs_an_object() -> None:
    with pytest.raises(ValueError, match="at least one object"):
        contact_sheet([])
