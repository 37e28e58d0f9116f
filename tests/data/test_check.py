"""Each kind of trouble is found where it was planted, and nowhere else."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from pointssl.app import cli
from pointssl.app.data_tables import findings
from pointssl.data.check import Issue, Report, check, inspect_cloud, is_flat
from pointssl.data.cloud import Cloud, Labels, Points
from pointssl.data.store.pack import pack
from pointssl.data.synthetic import SyntheticShapes
from pointssl.data.upright import probable_up, up_vote
from pointssl.errors import DataError
from pointssl.show.run.cloud_sheet import cloud_sheet

GOOD = np.random.default_rng(0).random((40, 3), dtype=np.float32)


class Clouds:
    """A data set of the clouds that are given by name."""

    name, classes, fingerprint = "mine/all", (), "0"

    def __init__(self, clouds: Mapping[str, Points]) -> None:
        self._clouds = list(clouds.items())

    @property
    def labels(self) -> Labels | None:
        return None

    def __len__(self) -> int:
        return len(self._clouds)

    def __getitem__(self, index: int) -> Cloud:
        name, points = self._clouds[index]
        if name == "broken":
            raise DataError("broken: cannot be read")
        return Cloud(points=points, name=name)

    def xyz(self, index: int) -> Points:
        return self[index].points


def with_point(point: list[float]) -> Points:
    return np.concatenate([GOOD, np.array([point], dtype=np.float32)])


def found(report: Report) -> dict[Issue, tuple[str, ...]]:
    return {finding.issue: finding.examples for finding in report.findings}


@pytest.mark.parametrize(
    ("points", "issues"),
    [
        (GOOD, []),
        (np.zeros((0, 3), np.float32), [Issue.EMPTY]),
        (with_point([np.nan, 0, 0]), [Issue.NOT_FINITE]),
        (with_point([0, np.inf, 0]), [Issue.NOT_FINITE]),
        (np.ones((40, 3), np.float32), [Issue.ZERO_EXTENT]),
        (GOOD[:31], [Issue.TOO_FEW]),
        (GOOD[:32], []),
        (np.tile(GOOD[:15], (3, 1)), [Issue.REPEATED]),
        (np.tile(GOOD[:32], (2, 1)), []),  # half of the points are copies, not most
        (GOOD + np.float32(2000), [Issue.FAR]),
        (GOOD * np.float32(2e6), [Issue.EXTREME_SCALE]),
        (GOOD * np.float32(1e-7), [Issue.EXTREME_SCALE]),
        (GOOD * np.array([1, 1, 0], np.float32), [Issue.FLAT]),
    ],
)
def test_inspect_cloud__one_issue(points: Points, issues: list[Issue]) -> None:
    assert inspect_cloud(points, needed_points=32) == issues


def test_is_flat__does_not_depend_on_the_plane() -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    plane = GOOD * np.array([1, 1, 0])
    assert is_flat((plane @ rotation + 3).astype(np.float32))
    thick = GOOD * np.array([1, 1, 0.01])  # a hundredth as thick as wide is not flat
    assert not is_flat((thick @ rotation + 3).astype(np.float32))


def test_check__nothing_wrong() -> None:
    report = check(Clouds({"a": GOOD, "b": GOOD * np.float32(1.5)}), needed_points=32)
    assert (report.findings, report.fatal, report.clouds, report.points) == ((), False, 2, (40, 40))


def test_check__a_data_set_with_everything() -> None:
    generator = np.random.default_rng(2)
    fine = {f"f{place}": generator.random((40, 3), dtype=np.float32) for place in range(5)}
    odd = {
        "nan": with_point([np.nan, 0, 0]),
        "few": GOOD[:7],
        "broken": GOOD,
        "copy": fine["f1"][::-1].copy(),  # another order of the same points
        "mm": generator.random((40, 3), dtype=np.float32) * np.float32(1000),
    }
    report = check(Clouds(fine | odd), needed_points=32)
    assert found(report) == {
        Issue.UNREADABLE: ("7: broken: cannot be read",),
        Issue.NOT_FINITE: ("nan",),
        Issue.TOO_FEW: ("few (7)",),
        Issue.DUPLICATE: ("copy = f1",),
        Issue.SCALE_OUTLIER: (next(text for text in found(report)[Issue.SCALE_OUTLIER] if text.startswith("mm (")),),
    }
    assert report.fatal
    assert report.clouds == 9
    assert report.points == (7, 41)


def test_check__warnings_are_not_fatal() -> None:
    report = check(Clouds({"a": GOOD, "b": GOOD}), needed_points=32)
    assert list(found(report)) == [Issue.DUPLICATE]
    assert not report.fatal


def test_check__examples_are_few_and_counted() -> None:
    report = check(Clouds({f"c{place}": GOOD + np.float32(place) for place in range(9)}), needed_points=64)
    assert report.findings[0].count == 9
    assert len(report.findings[0].examples) == 5


def test_check__folder(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "good.xyz", GOOD)
    (tmp_path / "bad.ply").write_text("nonsense")
    (tmp_path / "bad.h5").write_text("nonsense")
    (tmp_path / "photo.jpg").write_text("x")
    report = check(tmp_path, needed_points=32)
    assert report.fatal
    [bad_h5, bad_ply] = found(report)[Issue.UNREADABLE]
    assert bad_h5.startswith("bad.h5 cannot be read")
    assert bad_ply.startswith("bad.ply cannot be read")
    assert found(report)[Issue.IGNORED] == ("1 .jpg",)


def test_check__store(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for place in range(3):
        np.savetxt(tmp_path / f"src/{place}.xyz", GOOD + place)
    (tmp_path / "src/bad.ply").write_text("nonsense")
    pack(tmp_path / "src", tmp_path / "out", workers=1)
    report = check(tmp_path / "out", needed_points=32)
    assert found(report) == {Issue.LEFT_OUT: ("bad.ply",)}
    assert not report.fatal
    file = tmp_path / "out/shard-00000/points.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    report = check(tmp_path / "out", needed_points=32)
    assert "shard-00000/points.npy" in found(report)[Issue.UNREADABLE][0]
    assert report.fatal


def test_check__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        check(tmp_path)


def test_report__table_names_everything() -> None:
    report = check(Clouds({"a": GOOD, "twin": GOOD, "tiny": GOOD[:2]}), needed_points=32)
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(findings(report))
    text = console.export_text()
    assert "mine/all: 3 clouds, 2 to 40 points each" in text
    assert "twin = a" in text
    assert "fatal" in text
    assert "tiny (2)" in text


def test_check__real_shapes(shared_data: Path) -> None:
    report = check(shared_data / "psb-segmentation/originals", needed_points=2048)
    assert (report.clouds, report.points, report.fatal) == (6, (2048, 2048), False)


def test_check__points_far_from_all_others() -> None:
    report = check(Clouds({"a": with_point([500, 0, 0]), "b": GOOD}), needed_points=32)
    assert found(report)[Issue.FAR_POINTS] == ("a",)


def test_check__a_word_and_a_path_as_text(tmp_path: Path) -> None:
    assert check("synthetic:6").clouds == 6
    np.savetxt(tmp_path / "a.xyz", GOOD)
    assert check(str(tmp_path / "a.xyz"), needed_points=32).clouds == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_probable_up__generated_shapes_turned(axis: int) -> None:
    """Their y points up; rolled, so does each other axis."""
    shapes = SyntheticShapes(48, 0)
    votes = [up_vote(np.roll(shapes.xyz(place), axis - 1, axis=1)) for place in range(48)]
    assert probable_up(votes).startswith(f"{'xyz'[axis]} (")
    assert probable_up(votes[:7]) == ""
    assert probable_up([0, 1, 2] * 4) == ""


def test_sheet__is_a_picture_of_two_dozen_clouds(tmp_path: Path) -> None:
    cli.main(["data", "check", "synthetic:30", "--sheet", str(tmp_path / "sheet.png")])
    report = check("synthetic:30")
    assert len(report.sample) == 24
    assert len({name for name, _ in report.sample}) == 24
    with Image.open(tmp_path / "sheet.png") as picture:
        width, height = picture.size
        inked = np.asarray(picture.convert("RGBA"))[..., 3] > 0
    cells = inked[: height // 4 * 4, : width // 6 * 6].reshape(4, height // 4, 6, width // 6)
    assert (cells.mean(axis=(1, 3)) > 0.02).all()  # something is drawn in each of 4 x 6 cells


def test_sheet__names_are_no_formulas(tmp_path: Path) -> None:
    clouds = [("$x_{[broken", GOOD), ("点云" * 20, GOOD * np.float32(1e-30))]
    assert cloud_sheet(clouds, title="a$b").png[:4] == b"\x89PNG"


def test_check__kinds_of_files_that_stand_differently(tmp_path: Path) -> None:
    shapes = SyntheticShapes(24)
    for place in range(24):
        xyz = shapes.xyz(place)
        turned = place % 2 == 1
        name = tmp_path / f"{place}.{'csv' if turned else 'xyz'}"
        np.savetxt(name, xyz[:, [0, 2, 1]] if turned else xyz, delimiter="," if turned else " ")
    told = found(check(tmp_path, needed_points=8))[Issue.MIXED_UP]
    assert sorted(line[:7] for line in told) == [".csv: z", ".xyz: y"]
    for file in tmp_path.glob("*.csv"):
        file.unlink()
    assert Issue.MIXED_UP not in found(check(tmp_path, needed_points=8))
