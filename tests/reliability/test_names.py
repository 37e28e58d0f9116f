"""Names as they come: brackets, formulas, bytes that are no text, control characters; and places that cannot be."""

import csv
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pointssl.app import cli
from pointssl.errors import SettingError
from pointssl.evaluation.embed import Embeddings, embed, write
from pointssl.evaluation.table import evaluation_table
from pointssl.files import require_place
from pointssl.progress import bar, make_console
from pointssl.show.run.report import write_report
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

ODD = ("a[/b]", "[old] chair", "[bold red]x[/]", ":smile:", "=cmd|' /C calc'!A0", "@sum(1)", "\x1b[31mred", "a\u202eb")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return pretrain(tiny_config(steps=2), tmp_path_factory.mktemp("names") / "run", data=ToyClouds())


def _shapes(folder: Path, names: list[bytes]) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in names:
        rows = "".join(f"{x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in rng.normal(size=(60, 3)))
        with open(os.path.join(os.fsencode(folder), name + b".xyz"), "w") as file:  # noqa: PTH118, PTH123
            file.write(rows)
    return folder


@pytest.mark.case("brackets-in-names")
@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
@pytest.mark.parametrize("command", ["check", "show"])
def test_data__shows_odd_names_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    names = [name.replace("/", "_") for name in ODD] + ["a[", "b]"]
    folder = _shapes(tmp_path / "[shapes]", [name.encode() for name in names])
    (folder / "[old] empty.xyz").write_text("")
    try:
        cli.main(["data", command, str(folder), *(["--points=32"] if command == "check" else [])])
    except SystemExit as end:
        assert end.code == 2  # the empty file is no cloud  # noqa: PT017
    told = capsys.readouterr()
    assert command == "show" or "[old] empty.xyz" in told.out
    assert "\x1b" not in told.out + told.err
    assert "[shapes]" in told.out


@pytest.mark.case("brackets-in-names")
def test_tables_and_bars__take_no_name_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from pointssl.app.tables import two_columns

    console = make_console()
    for name in ODD[:4]:
        console.print(two_columns([(name, name)]))
        console.print(f"going on in {name}")
        with bar(name, 1) as line:
            line.advance(note=name)
    told = capsys.readouterr().out
    assert all(told.count(name) == 3 for name in ODD[:4])


@pytest.mark.case("brackets-in-names")
def test_evaluation__shows_a_data_set_called_by_brackets(run: Path, tmp_path: Path) -> None:
    from rich.console import Console

    from pointssl.data.arrays import ArrayDataset
    from pointssl.evaluation.suite import evaluate

    rng = np.random.default_rng(0)
    parts = [
        ArrayDataset(rng.normal(size=(12, 40, 3)).astype(np.float32), labels=np.arange(12) % 2, name=f"[/x] {part}")
        for part in ("train", "test")
    ]
    found = evaluate(run, (parts[0], parts[1]), protocols=("knn-1",), seeds=(0,), points=24, out=tmp_path)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(evaluation_table(found))
    assert "[/x]" in console.export_text()


@pytest.mark.case("names-not-utf8")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("ending", ["csv", "parquet", "npz"])
def test_embed__names_that_are_no_text(run: Path, tmp_path: Path, ending: str) -> None:
    folder = _shapes(tmp_path / "s", [f"{i:02d}".encode() + b"\xe9" for i in range(4)])
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    found = embed(run, str(folder), tmp_path / f"e.{ending}", points=24)
    assert len(set(found.names)) == 4
    assert all(name.isprintable() for name in found.names)
    write_report(run, tmp_path / "page", data=str(folder), shapes=1)
    assert (tmp_path / "page" / "report.html").is_file()


@pytest.mark.case("csv-formulas")
def test_embed__a_csv_is_defused_on_request_alone(tmp_path: Path) -> None:
    names = ("=1+1", "+1", "-1", "@sum", "plain", "a=b")
    found = Embeddings(
        names=names, labels=np.zeros(6, np.int64), classes=("=class",), features=-np.ones((6, 2), np.float32)
    )

    def cells(defuse: bool) -> list[list[str]]:
        write(found, tmp_path / "e.csv", defuse=defuse)
        with (tmp_path / "e.csv").open(newline="") as file:
            return list(csv.reader(file))[1:]

    assert [row[0] for row in cells(False)] == list(names)
    assert [row[0] for row in cells(True)] == ["'=1+1", "'+1", "'-1", "'@sum", "plain", "a=b"]
    assert {row[2] for row in cells(True)} == {"'=class"}
    assert {row[3] for row in cells(True)} == {"-1"}  # numbers stay numbers


@pytest.mark.case("impossible-places")
def test_places__that_cannot_be_are_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "d.csv").mkdir()
    for path, reason in (
        (tmp_path / "d.csv", "is a folder; name a file"),
        (tmp_path / "file" / "e.csv", "file is a file"),
        (tmp_path / ("a" * 300 + ".csv"), "is no name that a file can have"),
        (tmp_path / "a\0.csv", "is no name that a file can have"),
    ):
        with pytest.raises(SettingError, match=reason) as caught:
            require_place(path)
        assert "\n" not in str(caught.value)
    require_place(tmp_path / "new" / "folder" / "e.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "file"]


@pytest.mark.case("impossible-places")
@pytest.mark.parametrize(
    "words",
    [
        ["data", "pack", "synthetic:6", "file/x", "--points=8"],
        ["data", "pack", "synthetic:6", "n" * 300, "--points=8"],
        ["data", "views", "synthetic:6", "file/x", "--size=16", "--views=1"],
        ["pretrain", "parae-tiny", "--data=synthetic:48", "--out=file/x", "--steps=1", "--data.points=32"],
        ["pretrain", "parae-tiny", "--data=synthetic:48", "--out=file", "--steps=1", "--data.points=32"],
        ["pretrain", "parae-tiny", "--data=synthetic:48", f"--out={'a' * 300}", "--steps=1", "--data.points=32"],
        ["embed", "RUN", "--data=synthetic:6", "--points=24", "--out=d.csv"],
        ["report", "RUN", "--data=synthetic:6", "--shapes=1", "--out=file"],
        ["evaluate", "RUN", "--data=synthetic:48", "--points=24", "--protocols", "knn-1", "--out=file"],
    ],
)
def test_commands__places_that_cannot_be_are_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(SystemExit) as left:
        cli.main([str(run) if word == "RUN" else word for word in words])
    assert left.value.code == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("pointssl: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "file"]
    assert (tmp_path / "file").read_text() == "x"
