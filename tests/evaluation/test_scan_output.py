"""Labels go back into a copy of the scan: every point, nothing else changed, overlaps averaged, work resumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pandas
import pytest

from pointssl.app.cli import main
from pointssl.data.files.chunks import open_scans
from pointssl.errors import DataError, Interrupted, RunError, SettingError
from pointssl.evaluation import scan_output
from pointssl.evaluation.scan_output import embed_points, segment
from pointssl.methods import SegmentConfig
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from pointssl.train.segmenter import train_segmenter
from tests.data.test_point_labels import halves
from tests.doubles import tiny_config

COUNT = 700


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter that has seen a few steps: what it says is anything, but always the same."""
    return train_segmenter(
        tiny_config(method=SegmentConfig(hidden=(8,))),
        tmp_path_factory.mktemp("run") / "run",
        data=(halves(8), halves(4)),
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A survey with odd scale and offset, a record of somebody, and every kind of field."""
    random = np.random.default_rng(0)
    header = laspy.LasHeader(version="1.4", point_format=7)
    header.scales, header.offsets = [0.001, 0.002, 0.01], [412_000, 5_312_000, 100]
    header.vlrs.append(laspy.VLR("someone", 7, "a note", b"hello"))
    header.add_extra_dim(laspy.ExtraBytesParams("amplitude", np.float32))
    las = laspy.LasData(header)
    xyz = random.uniform(0, (6, 4, 3), (COUNT, 3)) + np.array([412_345, 5_312_678, 101])
    las.x, las.y, las.z = xyz.T
    las.intensity = random.integers(0, 65536, COUNT).astype(np.uint16)
    las.classification = random.integers(0, 20, COUNT).astype(np.uint8)
    las.return_number = random.integers(1, 5, COUNT).astype(np.uint8)
    las.synthetic = random.integers(0, 2, COUNT).astype(np.uint8)
    las.gps_time, las.amplitude = np.arange(COUNT) * 0.1, random.normal(size=COUNT).astype(np.float32)
    las.red = random.integers(0, 65536, COUNT).astype(np.uint16)
    file = tmp_path_factory.mktemp("scan") / "scan.laz"
    las.write(file)
    return file


def test_segment__every_point_is_labelled_and_nothing_else_changes(run: Path, scan: Path, tmp_path: Path) -> None:
    made = segment(run, scan, tmp_path / "out.laz", size=2.0, overlap=0.5, device="cpu")
    before, after = laspy.read(scan), laspy.read(tmp_path / "out.laz")
    assert (made.points, sum(made.parts.values()), len(after)) == (COUNT, COUNT, COUNT)
    for name in before.points.array.dtype.names:
        np.testing.assert_array_equal(after.points.array[name], before.points.array[name])
    assert after.header.scales.tolist() == before.header.scales.tolist()
    assert after.header.offsets.tolist() == before.header.offsets.tolist()
    assert after.header.point_format.id == before.header.point_format.id
    assert [v.record_data for v in after.vlrs if v.user_id == "someone"] == [b"hello"]
    assert after.label.max() <= 1
    assert ((after.confidence >= 0.5 - 1e-3) & (after.confidence <= 1)).all()
    assert [int((after.label == part).sum()) for part in (0, 1)] == list(made.parts.values())
    assert not (tmp_path / "out.laz.work").exists()


def test_segment__overlaps_are_averaged(run: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A network that says of all points of a block its number of points: the mean over the blocks of a point, by hand.
    def counting(_: Any, xyz: np.ndarray, *__: Any, **___: Any) -> np.ndarray:
        share = min(1.0, len(xyz) / 200)
        return np.tile(np.array([[share, 0.0]], np.float32), (len(xyz), 1))

    monkeypatch.setattr(scan_output, "probabilities", counting)
    segment(run, scan, tmp_path / "out.las", size=2.0, overlap=0.5, device="cpu")
    made = laspy.read(tmp_path / "out.las")
    xy = np.stack([made.x, made.y], axis=1)
    cells = np.floor(xy / 1.5).astype(int)
    for point in range(0, COUNT, 7):
        shares = []
        for column in range(cells[point, 0] - 1, cells[point, 0] + 1):
            for row in range(cells[point, 1] - 1, cells[point, 1] + 1):
                low = np.array([column, row]) * 1.5
                inside = np.all((xy >= low) & (xy < low + 2.0), axis=1)
                if inside[point]:
                    shares.append(min(1.0, inside.sum() / 200))
        assert made.confidence[point] == pytest.approx(np.mean(shares), abs=1e-3)


def test_segment__blocks_are_given_from_their_middle(
    run: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def looking(_: Any, xyz: np.ndarray, *__: Any, **___: Any) -> np.ndarray:
        seen.append(xyz)
        return np.ones((len(xyz), 2), np.float32)

    monkeypatch.setattr(scan_output, "probabilities", looking)
    for centre, low in ((True, -1.0), (False, 0.0)):
        seen.clear()
        segment(run, scan, tmp_path / f"{centre}.las", size=2.0, centre=centre, device="cpu")
        every = np.concatenate(seen)[:, :2]
        assert low - 1e-3 <= every.min() < low + 0.1
        assert low + 1.9 < every.max() <= low + 2.001


def test_segment__stopped_and_resumed_is_the_same(
    run: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment(run, scan, tmp_path / "whole.las", size=2.0, device="cpu")

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pointssl.evaluation.scan_output.annotate", stopped)
        with pytest.raises(Interrupted, match="run the same command again"):
            segment(run, scan, tmp_path / "out.las", size=2.0, device="cpu")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a block that was done was done again")

    with monkeypatch.context() as patch:
        patch.setattr(scan_output, "probabilities", never)
        with pytest.raises(DataError, match="was begun by another run, scan or setting"):
            segment(run, scan, tmp_path / "out.las", size=3.0, device="cpu")
        segment(run, scan, tmp_path / "out.las", size=2.0, device="cpu")
    assert (tmp_path / "out.las").read_bytes()[300:] == (tmp_path / "whole.las").read_bytes()[300:]


def test_segment__ply_keeps_the_columns_that_are_read(run: Path, scan: Path, tmp_path: Path) -> None:
    segment(run, scan, tmp_path / "out.ply", size=2.0, device="cpu")
    segment(run, tmp_path / "out.ply", tmp_path / "again.ply", size=2.0, device="cpu")
    [chunk] = open_scans(tmp_path / "out.ply")[0].chunks()
    las = laspy.read(scan)
    np.testing.assert_array_equal(chunk.columns["x"], las.x)
    np.testing.assert_array_equal(chunk.columns["classification"], las.classification)
    assert set(np.unique(chunk.columns["label"])) <= {0, 1}


def test_faults__come_before_the_work(run: Path, scan: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file"):
        segment(run, tmp_path / "none.laz", tmp_path / "out.laz")
    (tmp_path / "scan.xyz").write_text("0 0 0\n")
    with pytest.raises(DataError, match="of a kind that is not read as a scan"):
        segment(run, tmp_path / "scan.xyz", tmp_path / "out.ply")
    with pytest.raises(SettingError, match=r"must end in one of \.las \.laz \.ply \.parquet"):
        segment(run, scan, tmp_path / "out.csv")
    with pytest.raises(DataError, match="exists already"):
        segment(run, scan, scan)
    with pytest.raises(SettingError, match="votes must be at least 1"):
        segment(run, scan, tmp_path / "out.laz", votes=0)
    with pytest.raises(SettingError, match="overlap must be at least 0"):
        segment(run, scan, tmp_path / "out.laz", size=1.0, overlap=2.0)
    segment(run, scan, tmp_path / "first.las", size=3.0, device="cpu")
    with pytest.raises(SettingError, match=r"has a column '(label|confidence)' already"):
        segment(run, tmp_path / "first.las", tmp_path / "second.las")


def test_faults__runs_that_cannot_label_a_scan(scan: Path, tmp_path: Path) -> None:
    encoder = pretrain(tiny_config(), tmp_path / "pre", data=halves())
    with pytest.raises(RunError, match="tells no points apart"):
        segment(encoder, scan, tmp_path / "out.laz")
    classed = halves(8, classes=("a", "b"), labels=np.arange(8) % 2)
    settings = tiny_config(method=SegmentConfig(hidden=(8,)), steps=1)
    told = train_segmenter(settings, tmp_path / "told", data=(classed, classed))
    with pytest.raises(SettingError, match=r"is told the class of every cloud.*method\.categories 0"):
        segment(told, scan, tmp_path / "out.laz")
    untold = replace(settings, method=SegmentConfig(hidden=(8,), categories=0))
    segment(train_segmenter(untold, tmp_path / "untold", data=(classed, classed)), scan, tmp_path / "out.laz", size=3.0)


def test_embed__features_are_the_encoders_on_their_axes(run: Path, scan: Path, tmp_path: Path) -> None:
    assert embed_points(run, scan, tmp_path / "out.laz", axes=3, size=10.0, device="cpu") == 3
    embed_points(run, scan, tmp_path / "out.parquet", axes=3, size=10.0, device="cpu")
    las, table = laspy.read(tmp_path / "out.laz"), pandas.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(las.intensity, laspy.read(scan).intensity)
    ours = np.stack([las[f"feature_{axis}"] for axis in range(3)], axis=1)
    np.testing.assert_array_equal(ours, table[[f"feature_{axis}" for axis in range(3)]].to_numpy())
    assert table["row"].tolist() == list(range(COUNT))
    # All points of a scan, in blocks that hold most of it: centred, uncorrelated, the longest axis first.
    assert np.abs(ours.mean(axis=0)).max() < 0.35 * ours.std(axis=0).max()
    assert ours.std(axis=0).tolist() == sorted(ours.std(axis=0).tolist(), reverse=True)
    with pytest.raises(SettingError, match="axes must be at least 1"):
        embed_points(run, scan, tmp_path / "no.laz", axes=0)


def test_command__says_what_it_wrote(run: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["segment", str(run), str(scan), "--out", str(tmp_path / "out.laz"), "--size", "2", "--device", "cpu"])
    assert "700 points in " in capsys.readouterr().out
    out = str(tmp_path / "features.ply")
    main(["embed", str(run), "--data", str(scan), "--per-point", "--axes", "2", "--size", "4", "--out", out])
    assert "2 columns for every point" in capsys.readouterr().out
    assert Run.open(run).is_supervised
