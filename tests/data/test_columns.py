"""What columns are taken for: by name, by what is certain of their values, or as the user states."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from pointssl.app.pretrain_commands import with_data
from pointssl.data.check import check
from pointssl.data.cloud import Cloud
from pointssl.data.files import readers
from pointssl.data.files.cloud import as_color, as_part, find_shift, settle
from pointssl.data.files.columns import by_name, by_values, plain, stated_columns
from pointssl.data.open import open_dataset, splits_of
from pointssl.data.splits import open_splits
from pointssl.data.store.dataset import PackedDataset
from pointssl.data.store.pack import pack
from pointssl.errors import DataError, SettingError
from tests.doubles import tiny_config

XYZ = np.array([[0.25, 1, 2], [3, 4.5, 5], [6, 7, 8.75]])
"""Each number is unlike the others, so that a column in the wrong place is seen."""


def rows(*columns: np.ndarray, separator: str = ",") -> str:
    return "".join(separator.join(f"{value:g}" for value in row) + "\n" for row in np.column_stack(columns))


def only(path: Path, text: str | bytes | None = None, columns: tuple[str, ...] | None = None) -> Cloud:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    [cloud] = readers.read_clouds(path, columns=columns)
    return cloud


def refused(path: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        only(path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.case("05-csv-index-column")
@pytest.mark.parametrize(
    "text",
    [
        ",x,y,z\n" + rows(np.arange(3), XYZ),  # pandas
        '"","x","y","z"\n' + rows(np.arange(1, 4), XYZ),  # R's write.csv
        "id,x,y,z,intensity\n" + rows(np.arange(3), XYZ).replace("\n", ",\n"),  # an empty last column
        "x,y,z,\n" + rows(XYZ).replace("\n", ",\n"),
        "x,y,z\n" + rows(XYZ).replace("\n", ",\n"),
        "X [m];Y [m];Z [m]\n" + rows(XYZ, separator=";"),
        "X(m) Y(m) Z(m)\n" + rows(XYZ, separator=" "),
        "Easting,Northing,Elevation\n" + rows(XYZ),
        "Height,Northing,Easting\n" + rows(XYZ[:, ::-1]),
        "z\ty\tx\n" + rows(XYZ[:, ::-1], separator="\t"),
        "Coord. X,Coord. Y,Coord. Z,GPS time\n" + rows(XYZ, XYZ[:, 0]),
        "Points:0,Points:1,Points:2\n" + rows(XYZ),  # ParaView
        "class,x,y,z\n" + "".join(f"tree,{row}\n" for row in rows(XYZ).splitlines()),
        "//X Y Z\n3\n" + rows(XYZ, separator=" "),  # CloudCompare, with the number of points
        "# t x y z\n" + rows(np.full(3, 9), XYZ, separator=" "),
        "\ufeffx,y,z\r\n" + rows(XYZ).replace("\n", "\r\n"),
    ],
)
def test_table__columns_are_found_by_their_header(tmp_path: Path, text: str) -> None:
    cloud = only(tmp_path / "a.csv", text)
    np.testing.assert_array_equal(cloud.points, XYZ)
    assert not cloud.channels


@pytest.mark.case("05-csv-index-column")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x,y,z\n" + rows(np.arange(3), XYZ), r"names 3 columns \(x, y, z\) and its rows have 4"),
        ("a,b,c\n" + rows(XYZ), "none of its columns is known as x, y, z: a, b, c"),
        ("lon,lat,height\n" + rows(XYZ), "degrees are no lengths"),
        ("chair\n" + rows(XYZ), "names 1 columns"),
        ("0,1,2\n" + rows(XYZ + 0.5), "counts 0,1,2: is it the columns' numbers, or a point"),
        (",0,1,2\n" + rows(np.arange(3), XYZ), "line 1 is neither numbers nor names"),
        ("1,2,3,chair\n4,5,6,lamp\n", "line 1 is neither numbers nor names"),
        ("x,y,z,x\n" + rows(XYZ, XYZ[:, 0]), "two of its columns are called x"),
        ("# x y z in metres of the site\n" + rows(np.arange(3), XYZ), "names 8 columns"),
        ("x,y,z\n1,2,3\n4,,6\n", "row 2 has nothing in column y"),
        ("x,y,z\n1,2,3\n4,five,6\n", "row 2 has 'five' for a number in column y"),
        ("x,y,z\n1,2,3\n4,5,6,7\n", "row 2 has 4 columns, the first has 3"),
        ("ncols 4\nnrows 3\nxllcorner 0\n", "line 1 is neither numbers nor names"),  # a grid of heights, also .asc
    ],
)
def test_table__a_header_that_does_not_fit_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        only(tmp_path / "a.csv", text)


def test_table__numbers_that_are_none(tmp_path: Path) -> None:
    text = "x,y,z,intensity\n1,2,3,-1.#IND\n4,5,6,0.5\n"
    np.testing.assert_array_equal(only(tmp_path / "a.csv", text).channels["intensity"][:, 0], [np.nan, 0.5])


@pytest.mark.case("61-decimal-comma")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "x;y;z\n1,5;2,5;3,5\n4,5;5,5;6,5\n"),
        ("b.xyz", "1,5\t2,5\t3,5\n4,5\t5,5\t6,5\n"),
        ("c.txt", "1,5 2,5 3,5\n4,5 5,5 6,5\n"),
    ],
)
def test_table__decimal_commas_are_refused_with_a_hint(tmp_path: Path, name: str, text: str) -> None:
    assert "write 1.5 for 1,5" in refused(tmp_path / name, text)


@pytest.mark.case("56-pts-forms")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count.pts", "3\n{}"),
        ("recap.pts", "{}"),
        ("more.pts", "2\n{}"),
        ("names.pts", "x y z intensity red green blue\n{}"),
    ],
)
def test_pts__forms(tmp_path: Path, name: str, text: str) -> None:
    color = np.array([[255, 0, 51], [0, 102, 0], [1, 2, 3]])
    cloud = only(tmp_path / name, text.format(rows(XYZ, np.array([12, 9, 5]), color, separator=" ")))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], [12, 9, 5])
    np.testing.assert_allclose(cloud.channels["color"], color / 255, rtol=1e-6)


@pytest.mark.case("40-kinds-not-known")
def test_asc_and_gz__are_tables_too(tmp_path: Path) -> None:
    np.testing.assert_array_equal(only(tmp_path / "a.asc", rows(XYZ, separator=" ")).points, XYZ)
    cloud = only(tmp_path / "b.XYZ.gz", gzip.compress(rows(XYZ).encode()))
    np.testing.assert_array_equal(cloud.points, XYZ)
    assert cloud.name == "b"
    assert "cut short" in refused(tmp_path / "c.csv.gz", gzip.compress(rows(XYZ).encode())[:-9])


@pytest.mark.case("40-kinds-not-known")
def test_ptx__scans_in_the_frame_of_all(tmp_path: Path) -> None:
    """The second scan is turned by a right angle about z, (x, y) to (-y, x), and moved to x = 443000.25."""
    first = "2\n1\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n1 2 3 0.5\n0 0 0 0.5\n"
    second = "1\n2\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n0 1 0 0\n-1 0 0 0\n0 0 1 0\n443000.25 0 0 1\n"
    (tmp_path / "a.ptx").write_text(first + second + "1 2 3 0.25 255 0 51\n4 5 6 0.75 0 0 0\n")
    one, two = readers.read_clouds(tmp_path / "a.ptx")
    np.testing.assert_array_equal(one.points, [[1, 2, 3]])  # the direction without an echo is left out
    np.testing.assert_array_equal(one.channels["intensity"], [[0.5]])
    shift = np.array([float(word) for word in two.origin.split("minus (")[1].rstrip(")").split(",")])
    np.testing.assert_allclose(two.points + shift, [[443000.25 - 2, 1, 3], [443000.25 - 5, 4, 6]], rtol=1e-12)
    np.testing.assert_allclose(two.channels["color"], np.array([[1, 0, 0.2], [0, 0, 0]]), rtol=1e-6)
    assert (one.name, two.name) == ("a/0", "a/1")
    assert "cut short: 1 of 2" in refused(tmp_path / "a.ptx", first.rsplit("\n", 2)[0])


# --- without names ---------------------------------------------------------------------------------------------------


@pytest.mark.case("07-xyz-rgb-label")
@pytest.mark.parametrize("name", ["room.npy", "room.txt"])
def test_by_values__colour_and_label_are_not_intensity_and_colour(tmp_path: Path, name: str) -> None:
    table = np.column_stack([XYZ, [[255, 0, 51, 3], [0, 102, 0, 12], [10, 20, 30, 7]]])
    np.save(tmp_path / name, table) if name.endswith("npy") else np.savetxt(tmp_path / name, table, fmt="%g")
    cloud = only(tmp_path / name)
    np.testing.assert_array_equal(cloud.channels["extra"], table[:, 3:])
    assert set(cloud.channels) == {"extra"}
    stated = only(tmp_path / name, columns=stated_columns("x,y,z,red,green,blue,label"))
    np.testing.assert_allclose(stated.channels["color"], table[:, 3:6] / 255, rtol=1e-6)
    np.testing.assert_array_equal(stated.channels["part"][:, 0], [3, 12, 7])
    assert set(stated.channels) == {"color", "part"}


@pytest.mark.case("38-pure-red")
@pytest.mark.parametrize("color", [[1.0, 0, 0], [1.0, 0.5, 0]])
def test_by_values__what_may_be_two_things_is_neither(color: list[float]) -> None:
    table = np.column_stack([XYZ, np.tile(color, (3, 1))])
    assert list(by_values(table).channels) == ["extra"]
    assert by_values(table).meanings[-1].rule == "not certain: say what they are with --columns"


@pytest.mark.parametrize(
    ("behind", "channels"),
    [
        (np.eye(3) * -1, ["normal"]),
        (np.eye(3), ["extra"]),  # pure red, green and blue
        (np.eye(3) * 255, ["color"]),
        (np.column_stack([-np.eye(3), [1, 2, 3]]), ["normal", "part"]),
        (np.column_stack([[-5, 300, 7], np.eye(3) * 255]), ["intensity", "color"]),
        (np.column_stack([[5, 30, 7], np.eye(3) * 255]), ["extra"]),  # or a colour and a label
        (np.column_stack([-np.eye(3), np.eye(3) * 255]), ["normal", "color"]),
        (np.column_stack([np.eye(3) * 255, -np.eye(3)]), ["color", "normal"]),
        (np.array([[1.0], [2], [3]]), ["extra"]),  # an intensity, or a label
    ],
)
def test_by_values__only_what_is_certain(behind: np.ndarray, channels: list[str]) -> None:
    assert list(by_values(np.column_stack([XYZ, behind])).channels) == channels


@pytest.mark.case("25-channels-first")
@pytest.mark.parametrize("shape", [(3, 1024), (6, 2048), (8, 3, 1024)])
def test_arrays__channels_first_are_refused_by_name(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, np.float32))
    with pytest.raises(DataError, match="looks transposed"):
        readers.read_clouds(tmp_path / "a.npy")


# --- stated by the user ----------------------------------------------------------------------------------------------


def test_columns__per_folder_and_kept_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    np.savetxt(tmp_path / "src" / "a.txt", np.column_stack([[7, 8, 9], XYZ[:, ::-1], [0.5, 0.25, 1], [3, 1, 2]]))
    columns = ("_", "z", "y", "x", "intensity", "label")
    pack(tmp_path / "src", tmp_path / "out", columns=columns)
    packed = PackedDataset(tmp_path / "out")
    for cloud in (packed[0], open_dataset(tmp_path / "src", columns=columns)[0]):
        np.testing.assert_array_equal(cloud.points, XYZ)
        np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], [0.5, 0.25, 1])
        np.testing.assert_array_equal(cloud.channels["part"][:, 0], [3, 1, 2])
    assert packed.manifest.settings["columns"] == list(columns)
    with pytest.raises(DataError, match="it has 6 columns, and --columns names 3"):
        readers.read_clouds(tmp_path / "src" / "a.txt", columns=("x", "y", "z"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x,y,bleu", "did you mean 'blue'"), ("x,y", "must name x, y and z"), ("x,y,z,x", "nothing twice")],
)
def test_stated_columns__what_is_wrong_with_them(text: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        stated_columns(text)


def test_explain__every_column_has_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,Easting,Northing,Height,Red,Green,Blue\n1,2,3,4,255,0,51\n")
    told = [(one.found, one.taken) for one in readers.explain(tmp_path / "a.csv")]
    assert told == [
        ("id", "-"),
        ("Easting", "x"),
        ("Northing", "y"),
        ("Height", "z"),
        ("Red", "color"),
        ("Green", "color"),
        ("Blue", "color"),
    ]


@pytest.mark.parametrize(
    ("name", "known"),
    [("X [m]", "x"), ("//X", "x"), ('"Coord. Y"', "coord_y"), ("Höhe (m)", "hohe"), ("x_mm", "x"), ("R [0-255]", "r")],
)
def test_plain__units_marks_and_accents_go(name: str, known: str) -> None:
    assert plain(name) == known


# --- types and values ------------------------------------------------------------------------------------------------


@pytest.mark.case("29-colour-just-over-one")
@pytest.mark.parametrize(
    ("values", "color"),
    [
        ([[1.00001, 0.5, 0], [0.2, 0.4, 0.6], [0.9, 0.8, 0.7]], [1, 0.5, 0]),
        ([[1.3, 0.5, 0], [0.2, 0.4, 0.6], [0.9, 0.8, 0.7]], [1, 0.5, 0]),
        ([[255.0, 0, 51], [1, 2, 3], [4, 5, 6]], [1, 0, 0.2]),
        ([[127.5, 0, 51], [1, 2, 3], [4, 5, 6]], [0.5, 0, 0.2]),
        ([[65535.0, 0, 13107], [1, 2, 3], [4, 5, 6]], [1, 0, 0.2]),
    ],
)
def test_as_color__scale_of_floats(values: list[list[float]], color: list[float]) -> None:
    np.testing.assert_allclose(as_color(np.array(values))[0], color, rtol=1e-6)


def test_as_color__scale_of_whole_numbers() -> None:
    np.testing.assert_allclose(as_color(np.array([[1, 0, 0]], np.uint8)), [[1 / 255, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(as_color(np.array([[1, 0, 0]])), [[1, 0, 0]])
    np.testing.assert_allclose(as_color(np.array([[65535, 0, 257]], np.uint16)), [[1, 0, 1 / 255]], rtol=1e-6)


def test_as_part__nan_and_negative_are_no_label() -> None:
    np.testing.assert_array_equal(as_part(np.array([2, np.nan, -1, -100, 0])), [2, -1, -1, -1, 0])
    np.testing.assert_array_equal(as_part(np.array([3, 255], np.uint8)), [3, 255])


def test_by_name__a_label_that_is_no_whole_number_is_left_out() -> None:
    columns = [(axis, XYZ[:, place]) for place, axis in enumerate("xyz")]
    read = by_name([*columns, ("label", np.array([0.25, 0.5, 1]))])
    assert not read.channels
    assert read.meanings[-1] == ("label", "-", "left out: not whole numbers")


@pytest.mark.case("23-integer-coordinates")
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint32, np.float64])
def test_settle__survey_coordinates_keep_their_digits(kind: type) -> None:
    far = (np.random.default_rng(0).integers(0, 20000, (3000, 3)) + np.array([500000123, 540000456, 100250])).astype(
        kind
    )
    points, shift = settle(far)
    assert shift is not None
    np.testing.assert_array_equal(points.astype(np.float64) + shift, far)  # 20,000 steps fit into 24 bits


@pytest.mark.parametrize(
    "marks",
    [
        [[0.0, 0, 0]] * 900,  # nearly half of an organised scan
        [[-9999.0] * 3] * 100,
        [[np.nan] * 3] * 100,
        [[1e30, 1e30, 1e30]] * 50,
        [[500000.0, 5400000, -9999]] * 50,
    ],
)
def test_find_shift__survives_points_without_data(marks: list[list[float]]) -> None:
    cloud = np.random.default_rng(0).normal(size=(1000, 3)) + np.array([500000.123, 5400000.456, 100])
    shift = find_shift(np.concatenate([marks, cloud]))
    assert shift is not None
    np.testing.assert_allclose(shift, [500000, 5400000, 100], atol=1)


def test_columns__go_with_the_word_wherever_a_folder_is_named(tmp_path: Path) -> None:
    for name in ("cup", "lamp"):
        (tmp_path / "src" / name).mkdir(parents=True)
        for number in range(5):
            table = np.column_stack([[7, 8, 9], XYZ[:, ::-1] + number, [3, 1, 2]])
            np.savetxt(tmp_path / "src" / name / f"{number}.txt", table)
    columns = ("_", "z", "y", "x", "label")
    word = f"{tmp_path / 'src'}:columns={','.join(columns)}"
    stated = open_dataset(tmp_path / "src", columns=columns)
    assert open_dataset(word).fingerprint == stated.fingerprint
    assert open_splits(word).train.xyz(0).tolist() == XYZ.tolist()
    assert splits_of(word) == ()
    pack(word, tmp_path / "out")
    assert PackedDataset(tmp_path / "out").manifest.settings["columns"] == list(columns)
    assert check(word, needed_points=3).clouds == 10
    with pytest.raises(SettingError, match="are stated twice"):
        open_dataset(word, columns=columns)
    with pytest.raises(SettingError, match="are known by its name"):
        open_dataset("synthetic:9:columns=x,y,z")
    with pytest.raises(SettingError, match="stated when it was packed"):
        open_dataset(f"{tmp_path / 'out'}:columns=x,y,z")


def test_pretrain__columns_are_kept_in_the_settings_of_the_run(tmp_path: Path) -> None:
    given = with_data(tiny_config(), str(tmp_path), "x, y, z, _")
    assert given.data.source == f"{tmp_path}:columns=x,y,z,_"
    with pytest.raises(SettingError, match="--columns are those of --data"):
        with_data(tiny_config(), None, "x,y,z")
