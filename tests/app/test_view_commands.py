"""`pointssl data views`: renders, lists what it left out, draws the sheet, and complains in one line."""

from pathlib import Path

import pytest
import trimesh

from pointssl.app import cli
from pointssl.data.views.store import ViewStore
from tests.data.solids import cube


def make_folder(root: Path) -> Path:
    vertices, faces = cube()
    for name in ("a", "b", "c"):
        (root / "box").mkdir(parents=True, exist_ok=True)
        trimesh.Trimesh(vertices, faces, process=False).export(root / f"box/{name}.off")
    return root


def test_data_views__meshes_with_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_folder(tmp_path / "src")
    (source / "box/b.off").write_text("OFF\n3 0 0\n0 0 0\n1 0 0\n0 2 0\n")
    words = ["data", "views", str(source), str(tmp_path / "out"), "--views", "4", "--size", "16", "--workers", "1"]
    cli.main([*words, "--kind", "depth", "--elevation", "10", "40", "--sheet", str(tmp_path / "sheet.png")])
    said = capsys.readouterr()
    assert "4 views of each of 2 objects from meshes" in said.out
    assert "left out: b:" in said.err
    store = ViewStore(tmp_path / "out")
    assert (store.names, store.kind, store.count, store.size) == (("a", "c"), "depth", 4, 16)
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_data_views__generated_clouds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["data", "views", "synthetic:4", str(tmp_path / "out"), "--views", "2", "--size", "16"])
    assert "2 views of each of 4 objects from clouds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no file, folder or data set 'nowhere'"),
        (["synthetic:3", "--views", "0"], "views must be at least 1"),
        (["synthetic:3", "--kind", "colour"], "kind"),
    ],
)
def test_data_views__complains(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["data", "views", words[0], str(tmp_path / "out"), *words[1:]])
    assert left.value.code == 2
    assert message in capsys.readouterr().err
