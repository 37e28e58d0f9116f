"""The command `interpret` from its flags to its files."""

import json
from pathlib import Path

import pytest

from pointssl.app import interpret_commands
from pointssl.app.cli import main
from pointssl.interpret import table
from tests.interpret.networks import EncoderAndHead

CLASSES = 24
"""Kinds of generated shapes."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two folders that look like runs; what is in them is made on the spot."""
    made = []
    for name in ("scratch", "loss"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(
            json.dumps({"data": {"reading": {"points": 64}}}), encoding="utf-8"
        )
        (tmp_path / name / "record.json").write_text("{}", encoding="utf-8")
        made.append(str(tmp_path / name))
    monkeypatch.setattr(
        interpret_commands,
        "load",
        lambda given: {run.name: EncoderAndHead(CLASSES, seed) for seed, run in enumerate(given)},
    )
    return made


def test_interpret__writes_page_figures_and_tables(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(
        [
            "interpret",
            *runs,
            "--data",
            "synthetic:96",
            "--clouds",
            "4",
            "--regions",
            "5",
            "--out",
            str(out),
            "--parquet",
        ]
    )
    said = capsys.readouterr().out
    assert f"page: {out / 'interactions.html'}" in said
    kept = json.loads((out / "interactions.json").read_text(encoding="utf-8"))
    assert kept["settings"]["reading"]["points"] == 64
    assert [one["network"] for one in kept["profiles"]] == ["scratch", "loss"]
    assert table.load(out / "loss.npz").v.shape == (4, 32)
    assert (out / "loss.parquet").is_file()


def test_interpret__many_regions_are_estimates(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(["interpret", runs[0], "--data", "synthetic:96", "--clouds", "1", "--regions", "20", "--out", str(out)])
    assert "Estimates by sampling" in capsys.readouterr().out
    kept = json.loads((out / "estimates.json").read_text(encoding="utf-8"))
    assert len(kept["networks"]["scratch"]["shapley"][0]) == 20


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--regions", "70"], "regions must be at most the number of points (64), got 70"),
        (["--regions", "5", "--high", "4", "6"], "high must end at 5, the number of regions, or before, got (4, 6)"),
        (["--device", "gpu"], "device must be cpu, cuda or cuda:NUMBER, got 'gpu'"),
        (["--up", "w"], "invalid choice 'w' for argument '--up'"),
    ],
)
def test_interpret__bad_settings_are_one_line(
    runs: list[str], tmp_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["interpret", *runs, "--data", "synthetic:96", "--out", str(tmp_path / "out"), *flags])
    assert message in capsys.readouterr().err


def test_interpret__runs_of_other_sizes_of_cloud(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loss" / "config.json").write_text(json.dumps({"data": {"reading": {"points": 128}}}), encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["interpret", *runs, "--data", "synthetic:96", "--out", str(tmp_path / "out")])
    assert "trained with [64, 128] points per cloud; choose one with --points" in capsys.readouterr().err
    small = ["--points", "32", "--clouds", "2", "--regions", "3"]
    main(["interpret", *runs, "--data", "synthetic:96", "--out", str(tmp_path / "out"), *small])
