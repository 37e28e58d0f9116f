"""The stills' camera is a rotation with the chosen axis upright, and every picture comes in both forms."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from pointssl.show.page import draw, pictures, style
from tests.show.shapes import tiny_view


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_camera__is_a_rotation_that_keeps_up_upright(up: str) -> None:
    view = draw.camera(up)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1.0)
    axis = np.eye(3)["xyz".index(up)]
    seen = view @ axis
    assert seen[0] == pytest.approx(0.0)  # neither left nor right
    assert seen[1] > 0.8  # and upwards


def test_distance_colours__run_from_near_to_far() -> None:
    ramp = style.near_to_far()
    colours = pictures.distance_colours(np.array([0.0, 0.5, 1.0]))
    assert (colours[0], colours[2]) == (ramp[0], ramp[-1])


def test_pictures__are_written_as_png_and_svg_without_display(tmp_path: Path) -> None:
    views = [tiny_view(), tiny_view("other", seed=1)]
    made = [
        pictures.partition_picture(views),
        pictures.ellipsoid_picture(views),
        pictures.surface_picture(views),
        pictures.distance_picture(views, [3, 5]),
    ]
    for one in made:
        vector, raster = one.write(tmp_path)
        assert vector.read_text(encoding="utf-8").startswith("<svg")
        pixels = matplotlib.image.imread(raster)
        assert pixels.shape[0] > 100
        assert (pixels[..., :3].max(axis=2) - pixels[..., :3].min(axis=2)).max() > 0.05  # something has a colour
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        f"{one.name}.{ending}" for one in made for ending in ("png", "svg")
    )


def test_picture__same_input_gives_the_same_bytes() -> None:
    first, second = (pictures.partition_picture([tiny_view()]) for _ in range(2))
    assert (first.svg, first.png) == (second.svg, second.png)


def test_partition_picture__without_mixture() -> None:
    with pytest.raises(ValueError, match="must all come with a mixture"):
        pictures.partition_picture([tiny_view(mixture=False)])


def test_part_colours__differ_and_are_readable_on_white_and_black() -> None:
    colours = style.part_colours(32)
    assert len(set(colours)) == 32
    for colour in colours:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert 0.08 < 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.75


def test_near_to_far__lightness_falls_all_the_way() -> None:
    lightness = [
        sum(w * int(c[i : i + 2], 16) for w, i in ((0.30, 1), (0.59, 3), (0.11, 5))) for c in style.near_to_far()
    ]
    assert (np.diff(lightness) < 1.0).all()
    assert lightness[0] - lightness[-1] > 100


def test_themed__leaves_no_ink_of_its_own() -> None:
    svg = style.themed(pictures.distance_picture([tiny_view()], [0]).svg)
    assert not any(colour in svg for colour in style.CSS_NAMES)
    assert "var(--muted)" in svg
