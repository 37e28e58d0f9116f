"""Neighbours of the situations from bug reports: the same kind of fault by another route or in another kind of file."""

import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pointssl.data.files import archive, readers
from pointssl.data.files.scan import scan
from pointssl.data.files.surfaces.surface import Surface, joined
from pointssl.errors import DataError
from tests.data.test_formats import only, write
from tests.data.test_scan import place

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PCD = "VERSION 0.7\nFIELDS {}\nSIZE {}\nTYPE {}\nCOUNT {}\nWIDTH {}\nHEIGHT 1\nPOINTS {}\nDATA {}\n"
XYZ = np.array([[0.5, 1, 2], [3, 4.25, 5], [6, 7, 8]])


def pcd(fields: str, size: str, kind: str, rows: str, points: int = 3, encoding: str = "ascii") -> str:
    counts = " ".join("1" for _ in fields.split())
    return PCD.format(fields, size, kind, counts, points, points, encoding) + rows


def reason_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        readers.read_clouds(path)
    return str(caught.value)


@pytest.mark.case("50-utm-files")
def test_pcd__text_keeps_the_digits_that_stand_there_whatever_the_type(tmp_path: Path) -> None:
    far = np.array([[512345.678, 5412345.123, 200.5], [512346.001, 5412345.912, 201.25], [512347.5, 5412349.4, 199.0]])
    rows = "".join("{:.3f} {:.3f} {:.3f}\n".format(*row) for row in far)
    cloud = only(write(tmp_path / "a.pcd", pcd("x y z", "4 4 4", "F F F", rows)))
    shift = [float(word) for word in cloud.origin.rpartition("(")[2].rstrip(")").split(",")]
    assert np.abs(cloud.points + np.array(shift) - far).max() < 1e-6


@pytest.mark.parametrize("size", ["4 4 4 4", "4 4 4 8"])
@pytest.mark.parametrize("written", ["whole", "bits"])
def test_pcd__packed_colour_in_text(tmp_path: Path, size: str, written: str) -> None:
    packed = [0x00FF8000, 0x00000033, 0x00010203]  # (255, 128, 0), (0, 0, 51), (1, 2, 3)
    words = [str(one) if written == "whole" else repr(struct.unpack("<f", struct.pack("<I", one))[0]) for one in packed]
    rows = "".join(f"{x} {y} {z} {word}\n" for (x, y, z), word in zip(XYZ, words, strict=True))
    cloud = only(write(tmp_path / "a.pcd", pcd("x y z rgb", size, "F F F F", rows)))
    np.testing.assert_allclose(cloud.channels["color"] * 255, [[255, 128, 0], [0, 0, 51], [1, 2, 3]], atol=1e-4)


def test_pcd__a_colour_whose_bits_are_nan_is_left_out(tmp_path: Path) -> None:
    rows = "".join("{} {} {} nan\n".format(*row) for row in XYZ)
    cloud = only(write(tmp_path / "a.pcd", pcd("x y z rgb", "4 4 4 4", "F F F F", rows)))
    assert not cloud.channels


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pcd("x y z", "4 4 4", "F F F", "1 2 3\n4 5 6 7\n8 9 1\n"), "point 1 has 4 numbers, and its header names 3"),
        (pcd("x y z", "4 4 4", "F F F", "\0" * 60, points=-1, encoding="binary"), "announces -1 points"),
        (pcd("x y z", "4 4 4", "F F F", "", points=10**9, encoding="binary"), "cut short: 0 of 1000000000 points"),
        (
            pcd("x y z", "4 4 4", "F F F", "\x05\0\0\0\x00\x00\x00\x7f\0aaaa", 10**9, "binary_compressed"),
            "cut short: 2130706432 of 12000000000 bytes",
        ),
        (
            pcd("x y z", "4 4 4", "F F F", "\x06\0\0\0\x24\0\0\0\0z\x60\0\x60\0", 3, "binary_compressed"),
            "cut short: 11 of 36 bytes",
        ),
    ],
)
def test_pcd__announced_sizes_are_compared(tmp_path: Path, content: str, reason: str) -> None:
    assert reason in reason_of(write(tmp_path / "a.pcd", content))


@pytest.mark.case("52-las-colours-8-bit")
def test_ply__dark_colours_of_eight_bits_in_text(tmp_path: Path) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    head += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + "end_header\n"
    rows = "".join("{} {} {} 1 0 1\n".format(*row) for row in XYZ)
    cloud = only(write(tmp_path / "a.ply", head + rows))
    np.testing.assert_allclose(cloud.channels["color"], np.tile([1 / 255, 0, 1 / 255], (3, 1)), rtol=1e-6)


@pytest.mark.case("61-decimal-comma")
@pytest.mark.parametrize("name", ["a.csv", "a.xyz", "a.txt", "a.pts"])
def test_table__decimal_commas_between_commas(tmp_path: Path, name: str) -> None:
    told = reason_of(write(tmp_path / name, "1,500,-2,250,3,125\n4,050,5,000,6,500\n"))
    assert "decimal commas are not read" in told


def test_table__whole_numbers_between_commas_are_numbers(tmp_path: Path) -> None:
    cloud = only(write(tmp_path / "a.csv", "1,500,-2,250,3,125\n4,50,5,0,6,500\n"))
    np.testing.assert_array_equal(cloud.points, [[1, 500, -2], [4, 50, 5]])


@pytest.mark.case("61-decimal-comma")
def test_vrml__decimal_commas(tmp_path: Path) -> None:
    points = "0,00 0,00 0,00, 1,00 0,00 0,00, 1,00 1,05 0,00"
    shape = f"Shape {{ geometry IndexedFaceSet {{ coord Coordinate {{ point [ {points} ] }} coordIndex [0 1 2 -1] }} }}"
    assert "decimal commas" in reason_of(write(tmp_path / "a.wrl", f"#VRML V2.0 utf8\n{shape}\n"))
    good = shape.replace(points, "0 0 0,1 0 0,1 1.05 0")
    assert len(readers.read_surface(write(tmp_path / "a.wrl", f"#VRML V2.0 utf8\n{good}\n")).faces) == 1


@pytest.mark.case("59-lfs-pointers")
@pytest.mark.parametrize("kind", [*readers.SUFFIXES, ".pcd.bin", ".ply.gz", ".copc.laz"])
def test_pointers__are_named_as_the_cause(tmp_path: Path, kind: str) -> None:
    assert "git lfs pull" in reason_of(write(tmp_path / f"a{kind}", LFS))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("/annex/objects/MD5E-s123--0123.ply\n", "git annex get"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a page of a website"),
        ("ply\nformat nothing\nend_header\n", "a line that is not understood"),
    ],
)
def test_stand_ins__are_named(tmp_path: Path, content: str, reason: str) -> None:
    assert reason in reason_of(write(tmp_path / "a.ply", content))


@pytest.mark.case("03-nuscenes-bin")
def test_bin__whole_numbers_are_no_sweep(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 1000, 4000).astype("<i4")
    assert "not float32" in reason_of(write(tmp_path / "a.bin", values.tobytes()))


@pytest.mark.case("25-channels-first")
@pytest.mark.parametrize("shape", [(3, 10), (3, 16), (5, 3, 16)])
def test_arrays__short_ones_with_their_channels_first(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert "looks transposed" in reason_of(tmp_path / "a.npy")


@pytest.mark.parametrize(("role", "shape"), [("normals", (5, 3)), ("color", (3, 6)), ("rgb", (7, 3))])
def test_archive__normals_and_colours_must_be_those_of_the_points(
    tmp_path: Path, role: str, shape: tuple[int, int]
) -> None:
    values: dict[str, Any] = {"points": np.zeros((6, 3)), role: np.zeros(shape)}
    np.savez(tmp_path / "a.npz", **values)
    assert f"its '{role}' {shape} do not fit its points (6, 3)" in reason_of(tmp_path / "a.npz")


@pytest.mark.case("09-label-minus-one")
@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (np.array([0, 255, 1], np.uint8), (0, None, 1)),  # what -1 becomes in a type without a sign
        (np.array([0, 65535, 1], np.uint16), (0, None, 1)),
        (np.array(["a", "-1", "nan"]), (0, None, None)),
        (np.array([b"a", b"", b"None"]), (0, None, None)),
    ],
)
def test_archive__other_ways_to_write_no_label(
    tmp_path: Path, labels: np.ndarray, known: tuple[int | None, ...]
) -> None:
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((3, 9, 3)), label=labels)
    assert readers.describe(tmp_path / "a.npz").labels == known


def test_archive__256_classes_of_eight_bits_are_classes(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((256, 4, 3)), label=labels)
    assert readers.describe(tmp_path / "a.npz").labels == tuple(range(256))


@pytest.mark.case("37-npz-split-words")
@pytest.mark.parametrize("codes", [["0", "1"], [0.0, 1.0], [b"Training", b"TEST"]])
def test_archive__other_ways_to_write_splits(tmp_path: Path, codes: list[Any]) -> None:
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((2, 9, 3)), split=np.array(codes))
    assert readers.describe(tmp_path / "a.npz").splits == ("train", "test")


@pytest.mark.parametrize("codes", [[True, False], [0.5, 1.0], [0, 7]])
def test_archive__splits_that_may_be_anything_are_refused(tmp_path: Path, codes: list[Any]) -> None:
    np.savez(tmp_path / "a.npz", points=np.zeros((2, 9, 3)), split=np.array(codes))
    assert "its split must be" in reason_of(tmp_path / "a.npz")


@pytest.mark.case("10-train-test-and-more")
@pytest.mark.parametrize("names", [("train_set", "test_set"), ("TrainData", "testdata"), ("training-split", "Test")])
def test_scan__words_behind_a_split(tmp_path: Path, names: tuple[str, str]) -> None:
    listing = scan(place(tmp_path, *(f"{name}/cup/0.xyz" for name in names)))
    assert (listing.splits, listing.classes) == (("test", "train"), ("cup",))


@pytest.mark.case("10-train-test-and-more")
@pytest.mark.parametrize("names", [("fold_1", "fold_2"), ("eval", "train"), ("train1", "train2", "test")])
def test_scan__folders_that_are_called_much_like_splits_are_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="look like splits and not like classes"):
        scan(place(tmp_path, *(f"{name}/cup/0.xyz" for name in names)))


def test_list__a_class_under_another_name_is_not_passed_over(tmp_path: Path) -> None:
    (place(tmp_path, "a.xyz") / "list.csv").write_text("Path,Class\na.xyz,cup\n")
    with pytest.raises(DataError, match="a column 'class' and none called 'label'"):
        scan(tmp_path)


def test_table__coordinates_in_two_units(tmp_path: Path) -> None:
    told = reason_of(write(tmp_path / "a.csv", "X [m],Y [m],Z [mm]\n1,2,3000\n2,3,4000\n"))
    assert "different units" in told
    assert len(only(write(tmp_path / "a.csv", "X [m],Y_m,Z (m)\n1,2,3\n2,3,4\n")).points) == 2


def test_h5__an_array_that_is_not_there(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:  # 24 GB of zeros that nobody wrote
        file.create_dataset("data", (1000, 10**6, 3), "f8", chunks=(1, 1000, 3))
    assert "for which it has no room" in reason_of(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("inner")["data"] = np.zeros((2, 9, 3))
    assert "no arrays at its top, only inner" in reason_of(tmp_path / "a.h5")


def test_npz__that_unpacks_to_far_more_than_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_FREE", 0)
    monkeypatch.setattr(archive, "_MOST", 100)
    np.savez_compressed(tmp_path / "a.npz", points=np.zeros((10**5, 3)))
    assert "more than 100 times its size" in reason_of(tmp_path / "a.npz")


def test_joined__parts_without_number_end_early() -> None:
    big = Surface(vertices=np.zeros((1 << 22, 3), np.float32), faces=np.zeros((0, 3), np.int64))
    taken = 0

    def parts() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield big

    with pytest.raises(ValueError, match="add up to more than"):
        joined(parts())
    assert taken == 17  # 2^26 is 16 of them


def test_polygon__of_too_many_corners(tmp_path: Path) -> None:
    corners = [(np.cos(t), np.sin(t), 0) for t in np.linspace(0, 6.28, 6000)]
    corners[10] = (0, 0, 0)
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in corners) + f"f {' '.join(map(str, range(1, 6001)))}\n"
    assert "a polygon of 6000 corners is not convex" in reason_of(write(tmp_path / "a.obj", text))
