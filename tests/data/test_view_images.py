"""Folders of pictures: layouts, transparency, and every way in which a picture can be missing or different."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointssl.data.arrays import ArrayDataset
from pointssl.data.views.images import ImageFolder
from pointssl.data.views.store import ViewStore, check_views, open_views, rows_of
from pointssl.data.views.write import write_views
from pointssl.errors import DataError


def paint(file: Path, value: tuple[int, ...] | int, mode: str = "RGB", size: tuple[int, int] = (6, 6)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(file)


def make_folder(root: Path, inner: str = "rendering", count: int = 3) -> Path:
    """Write three pictures of four objects in two classes; red tells the object, green the view."""
    for row, place in enumerate(("0269/a1", "0269/b2", "0338/c3", "0338/d4")):
        for view in range(count):
            paint(root / place / inner / f"{view:02d}.png", (10 * row, view, 0))
    return root


def clouds(*names: str) -> ArrayDataset:
    return ArrayDataset(np.zeros((len(names), 4, 3), np.float32), name="clouds", names=names)


@pytest.mark.parametrize("inner", ["rendering", ""])
def test_image_folder__layouts(tmp_path: Path, inner: str) -> None:
    views = open_views(make_folder(tmp_path / "src", inner))
    assert isinstance(views, ImageFolder)
    assert (views.names, views.groups) == (("a1", "b2", "c3", "d4"), ("0269", "0269", "0338", "0338"))
    assert (views.count, views.channels, views.size, views.kind) == (3, 3, 6, "color")
    pictures = views.views(2, np.array([2, 0]))
    assert pictures.shape == (2, 3, 6, 6)
    assert pictures[:, :, 0, 0].tolist() == [[20, 2, 0], [20, 0, 0]]


def test_image_folder__names_of_shapenet(tmp_path: Path) -> None:
    views = open_views(make_folder(tmp_path / "src"))
    assert rows_of(views, clouds("0338-d4", "a1", "0269-b2")).tolist() == [3, 0, 1]


def test_image_folder__without_classes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        paint(tmp_path / name / "0.png", 7, "L")
    views = open_views(tmp_path)
    assert (views.names, views.groups, views.channels, views.kind) == (("a", "b"), ("", ""), 1, "shaded")
    assert views.views(1, np.array([0])).tolist() == [[[[7] * 6] * 6]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_image_folder__transparent_is_white(tmp_path: Path, mode: str) -> None:
    clear, half = ((0, 0, 0, 0), (0, 0, 0, 127)) if mode == "RGBA" else ((0, 0), (0, 127))
    paint(tmp_path / "a/0.png", clear, mode)
    paint(tmp_path / "a/1.png", half, mode)
    pictures = open_views(tmp_path).views(0, np.arange(2))
    assert (pictures[0] == 255).all()
    assert np.abs(pictures[1].astype(int) - 128).max() <= 1  # half of white, half of black


def test_image_folder__palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (6, 6), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.putpixel((0, 0), 0)
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a/0.png", transparency=0)
    picture = open_views(tmp_path).views(0, np.array([0]))[0]
    assert picture[:, 0, 0].tolist() == [255, 255, 255]
    assert picture[:, 3, 3].tolist() == [200, 0, 0]


def test_check_views__missing_picture_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    (folder / "0338/c3/rendering/01.png").unlink()
    views = open_views(folder)
    assert check_views(views, clouds("a1", "d4"), 3, kind="color").tolist() == [0, 3]  # c3 is not needed
    with pytest.raises(DataError, match=r"c3/rendering/01\.png is missing: every object should have the 3 pictures"):
        check_views(views, clouds("a1", "c3"), 2)


def test_check_views__mixed_sizes_name_two_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    paint(folder / "0338/c3/rendering/02.png", (0, 0, 0), size=(8, 8))
    with pytest.raises(DataError, match=r"c3/rendering/02\.png has 8 x 8 pixels but .*a1/rendering/00\.png 6 x 6"):
        check_views(open_views(folder), clouds("b2", "c3"), 2)


def test_check_views__not_square(tmp_path: Path) -> None:
    paint(tmp_path / "a/0.png", 0, "L", (6, 4))
    with pytest.raises(DataError, match="must be square, got 6 x 4 pixels"):
        check_views(open_views(tmp_path), clouds("a"), 1)


def test_check_views__colour_among_grey(tmp_path: Path) -> None:
    paint(tmp_path / "a/0.png", 0, "L")
    paint(tmp_path / "b/0.png", (1, 2, 3))
    with pytest.raises(DataError, match=r"has colours but .* has none"):
        check_views(open_views(tmp_path), clouds("a", "b"), 1)


def test_check_views__unreadable_picture(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    (folder / "0269/b2/rendering/01.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"01\.png cannot be read"):
        check_views(open_views(folder), clouds("b2"), 2)


def test_image_folder__pictures_beside_the_objects(tmp_path: Path) -> None:
    paint(tmp_path / "0.png", 0, "L")
    with pytest.raises(DataError, match="a folder of its own"):
        open_views(tmp_path)


def test_image_folder__fingerprint_follows_the_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    before = open_views(folder).fingerprint
    assert open_views(folder).fingerprint == before
    paint(folder / "0338/c3/rendering/02.png", (9, 9, 9), size=(8, 8))
    assert open_views(folder).fingerprint != before


def test_write_views__packs_pictures(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    summary = write_views(folder, tmp_path / "out", workers=1, shard_objects=3)
    store, loose = ViewStore(tmp_path / "out"), ImageFolder(folder)
    assert (summary.rendered_from, summary.objects, store.kind, store.count) == ("images", 4, "color", 3)
    assert (store.names, store.groups) == (loose.names, loose.groups)
    for row in range(4):
        np.testing.assert_array_equal(store.views(row, np.arange(3)), loose.views(row, np.arange(3)))
    assert store.cameras(0) is None


def test_write_views__objects_with_missing_pictures_are_left_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "src")
    (folder / "0338/c3/rendering/01.png").unlink()
    summary = write_views(folder, tmp_path / "out", workers=1)
    assert [name for name, _ in summary.failures] == ["c3"]
    assert ViewStore(tmp_path / "out").names == ("a1", "b2", "d4")


def _png(width: int, height: int) -> bytes:
    """Return a picture whose header announces what its data do not hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.case("pictures-that-are-none")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_png(9000, 9000), "9000 x 9000 pixels, more than 8192"),
        (_png(12000, 12000), "12000 x 12000 pixels, more than 8192"),  # of which the package warns
        (_png(60000, 60000), "exceeds limit"),  # which it refuses itself
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
    ],
)
def test_image_folder__pictures_that_are_none(tmp_path: Path, content: bytes, reason: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(content)
    views = ImageFolder(tmp_path)
    with pytest.raises(DataError, match=f"0.png cannot be read: .*{reason}"):
        _ = views.size
