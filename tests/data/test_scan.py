"""What a folder is taken for: links, splits, lists and names as they lie on real disks."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.app import cli
from pointssl.data.check import Issue, Report, check
from pointssl.data.files import readers
from pointssl.data.files.dataset import open_files
from pointssl.data.files.scan import scan
from pointssl.data.open import splits_of
from pointssl.data.split_names import looks_like_split
from pointssl.data.store.pack import pack
from pointssl.data.views.meshes import open_meshes
from pointssl.errors import DataError

GOOD = np.random.default_rng(0).random((40, 3), dtype=np.float32)


def place(root: Path, *names: str) -> Path:
    """Write clouds that differ in size."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(root / name, GOOD * (1 + number), fmt="%.6f")
    return root


def issues(report: Report) -> dict[Issue, tuple[str, ...]]:
    return {finding.issue: finding.examples for finding in report.findings}


# --- links and rights ------------------------------------------------------------------------------------------------


@pytest.mark.case("11-linked-class-folder")
def test_scan__linked_folders_are_followed_and_told_of(tmp_path: Path) -> None:
    place(tmp_path / "disk" / "chair", "0.xyz", "1.xyz")
    root = place(tmp_path / "set", "lamp/0.xyz")
    (root / "chair").symlink_to(tmp_path / "disk" / "chair")
    report = check(root, needed_points=20)
    assert report.classes == {"chair": 2, "lamp": 1}
    assert issues(report)[Issue.LINKS] == ("chair",)
    assert open_files(root).names == ["chair/0", "1", "lamp/0"]


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_scan__links_in_a_circle_end(tmp_path: Path, target: str) -> None:
    root = place(tmp_path / "above" / "set", "lamp/0.xyz", "cup/0.xyz")
    (root / "lamp" / "round").symlink_to(target)
    listing = scan(root)
    assert len(listing.entries) >= 2
    assert any("is a link in a circle" in str(failure) for failure in listing.failures)


def test_scan__links_that_double_with_each_step_end(tmp_path: Path) -> None:
    place(tmp_path / "29", "a.xyz")
    for number in range(29):
        (tmp_path / str(number)).mkdir()
        for twice in "xy":
            (tmp_path / str(number) / twice).symlink_to(tmp_path / str(number + 1))
    assert len(scan(tmp_path / "0").entries) <= 32


@pytest.mark.case("12-links-to-nowhere")
def test_scan__links_to_nowhere_are_files_that_cannot_be_read(tmp_path: Path) -> None:
    root = place(tmp_path, *(f"here{number}.xyz" for number in range(3)))
    for number in range(7):
        (root / f"gone{number}.xyz").symlink_to(f".git/annex/objects/SHA256E-{number}.xyz")
    report = check(root, needed_points=20)
    assert report.fatal
    assert (
        "gone0.xyz is a link to .git/annex/objects/SHA256E-0.xyz, where nothing is"
        in issues(report)[Issue.UNREADABLE][0]
    )
    with pytest.raises(DataError, match="only 3 of 10 files can be read"):
        open_files(root)
    with pytest.raises(DataError, match="strict"):
        pack(root, tmp_path / "out", strict=True)


def test_scan__a_closed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = place(tmp_path, "a.xyz", "b.xyz", "closed/c.xyz")
    opened = os.scandir

    def closed(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return opened(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert issues(check(root, needed_points=20))[Issue.UNREADABLE] == ("closed cannot be entered: Permission denied",)


# --- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.case("10-train-test-and-more")
def test_scan__splits_beside_another_folder_are_an_error(tmp_path: Path) -> None:
    root = place(tmp_path, "train/cup/0.xyz", "test/cup/1.xyz")
    assert splits_of(root) == ("test", "train")
    (root / "splits").mkdir()
    (root / "splits" / "train_list.txt").write_text("cup/0\n")
    with pytest.raises(DataError, match="folders test, train are splits, and splits beside them no class"):
        scan(root)


@pytest.mark.case("10-train-test-and-more")
@pytest.mark.parametrize("names", [("training", "testing"), ("Train", "Test"), ("TRAINING", "Validation")])
def test_scan__other_words_for_splits(tmp_path: Path, names: tuple[str, str]) -> None:
    root = place(tmp_path, *(f"{name}/{kind}/0.xyz" for name in names for kind in ("cup", "jug")))
    listing = scan(root)
    assert listing.classes == ("cup", "jug")
    assert listing.splits == (("test", "train") if "est" in names[1] else ("train", "val"))


@pytest.mark.case("10-train-test-and-more")
def test_check__says_what_classes_and_splits_were_taken_for(tmp_path: Path) -> None:
    root = place(tmp_path, "cup/train/0.xyz", "cup/test/1.xyz", "jug/train/2.xyz", "jug/3.xyz")
    report = check(root, needed_points=20)
    assert (report.classes, report.classes_from) == ({"cup": 2, "jug": 2}, "folders")
    assert (report.splits, report.splits_from) == ({"test": 1, "train": 2, "all": 1}, "folders in the classes")
    assert issues(report)[Issue.NO_SPLIT] == ("1 of 4 clouds",)


@pytest.mark.parametrize(("names", "like"), [(("Val2", "cup"), "Val2"), (("test_data", "cup"), "test_data")])
def test_check__classes_called_like_splits(tmp_path: Path, names: tuple[str, str], like: str) -> None:
    report = check(place(tmp_path, *(f"{name}/{name}.xyz" for name in names)), needed_points=20)
    assert issues(report)[Issue.SPLIT_LIKE] == (like,)


def test_looks_like_split__classes_that_do_not() -> None:
    assert not any(map(looks_like_split, ("trainer", "contest", "validator", "chair", "tests_of_time", "valve")))


def test_check__a_folder_one_level_too_high(tmp_path: Path) -> None:
    report = check(place(tmp_path, "ModelNet/cup/0.xyz", "ModelNet/jug/1.xyz"), needed_points=20)
    assert issues(report)[Issue.ONE_CLASS] == ("ModelNet",)


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.case("32-list-csv")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("/data/scans/0.xyz,a", r"line 2 names /data/scans/0\.xyz, which is not below"),
        ("../0.xyz,a", r"line 2 names \.\./0\.xyz, which is not below"),
        ("x" * 200_000 + ",a", "line 2 is not csv: field larger than field limit"),
        (",a", "line 2 names no file"),
        ("x" * 5000 + ".xyz,a", r"line 2 names what no file can be called \(File name too long\): xxx"),
    ],
)
def test_list__paths_that_cannot_be_meant(tmp_path: Path, row: str, reason: str) -> None:
    (place(tmp_path, "0.xyz") / "list.csv").write_text(f"path,label\n{row}\n")
    with pytest.raises(DataError, match=reason):
        scan(tmp_path)


@pytest.mark.case("32-list-csv")
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_list__as_spreadsheets_save_it(tmp_path: Path, encoding: str, separator: str) -> None:
    place(tmp_path, "0.xyz", "deep/1.xyz", "2.xyz")
    rows = [("Path", "Label", "Split"), ("0.xyz", "Stühle", "Training"), ("deep\\1.xyz", "Lampe", "test"), ("", "", "")]
    rows.append((str(tmp_path / "2.xyz"), "Lampe", "test"))
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (tmp_path / "list.csv").write_bytes(text.encode(encoding))
    listing = scan(tmp_path)
    assert listing.classes == ("Lampe", "Stühle")
    assert [entry.split for entry in listing.entries] == ["train", "test", "test"]


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.case("35-shapenet-names")
def test_names__one_name_for_many_objects_is_told_apart_by_folders(tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / ("02691156" if number < 2 else "03001627") / f"{number:04x}c0ffee" / "models"
        folder.mkdir(parents=True)
        (folder / "model_normalized.obj").write_text(f"v 0 0 0\nv {number + 1} 0 0\nv 0 1 0\nf 1 2 3\n")
    data, meshes = open_files(tmp_path, points=30), open_meshes(tmp_path)
    assert data.names[0] == "02691156/0000c0ffee/models/model_normalized"
    assert len(set(data.names)) == 4
    assert meshes is not None
    assert list(meshes.names) == data.names  # views are found by them
    assert issues(check(tmp_path, needed_points=20))[Issue.SAME_NAME] == ("4 x model_normalized.obj",)


def test_names__equal_but_for_the_kind_or_the_place(tmp_path: Path) -> None:
    place(tmp_path, "a.xyz", "a.txt", "b.xyz")
    np.savez(tmp_path / "c.npz", points=np.stack([GOOD, GOOD]), name=["b", "b"])
    assert scan(tmp_path).entries[0].name == "a.txt"
    assert len({entry.name for entry in scan(tmp_path).entries}) == 5


@pytest.mark.case("33-brackets-in-names")
def test_names__brackets_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, "a/scan[final].xyz", "x[/bold].xyz", "[red]/bold].xyz")
    (tmp_path / "a" / "bad[1].ply").write_text("nonsense")
    for root in (tmp_path, tmp_path / "[red]"):
        with pytest.raises(SystemExit) as left:
            cli.main(["data", "check", str(root), "--points", "4000"])
        assert left.value.code == 2
    said = capsys.readouterr().out
    assert "scan[final].xyz" in said
    assert "bold].xyz" in said


@pytest.mark.case("33-brackets-in-names")
def test_names__that_are_no_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = place(tmp_path / "src", "cup/a.xyz", "jug/b.xyz")
    name = os.fsencode(root / "jug") + b"/m\xe9l.xyz"
    Path(os.fsdecode(name)).write_bytes((root / "cup" / "a.xyz").read_bytes())
    (root / "jug" / "b.xyz").rename(Path(os.fsdecode(os.fsencode(root / "jug") + b"/b\xff.xyz")))
    assert sorted(open_files(root).names) == ["a", "b\\xff", "m\\xe9l"]
    pack(root, tmp_path / "out", workers=1)
    cli.main(["data", "check", str(root), "--points", "20"])
    cli.main(["data", "show", str(tmp_path / "out")])
    assert "m\\xe9l" in capsys.readouterr().out


# --- what is not read ------------------------------------------------------------------------------------------------


@pytest.mark.case("40-kinds-not-known")
def test_ignored__kinds_that_may_hold_shapes_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = place(tmp_path / "src", "a.xyz")
    for name in ("b.zip", "c.fbx", "d.las.gz", "photo.jpg", "a.mtl"):
        (root / name).write_bytes(b"x")
    found = issues(check(root, needed_points=20))
    assert found[Issue.OTHER_SHAPES] == ("1 .fbx", "1 .las.gz", "1 .zip")
    assert found[Issue.IGNORED] == ("1 .jpg", "1 .mtl")
    cli.main(["data", "pack", str(root), str(tmp_path / "out"), "--workers", "1"])
    assert "not read: 1 .fbx" in capsys.readouterr().err


@pytest.mark.case("60-system-files")
def test_scan__system_files_are_passed_over(tmp_path: Path) -> None:
    root = place(tmp_path, "a.xyz", "B.XYZ", "größe 点 %.xyz")
    (root / "._a.xyz").write_bytes(b"\0\5\26\7")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "a.xyz").write_bytes(b"\0")
    (root / "empty.ply").write_bytes(b"")
    data = open_files(root)
    assert data.names == ["B", "a", "größe 点 %"]
    assert [failure.path.name for failure in data.failures] == ["empty.ply"]


@pytest.mark.case("59-lfs-pointers")
def test_scan__pointers_of_git_lfs_are_listed(tmp_path: Path) -> None:
    kinds = sorted({kind[1:] for kind in readers.SUFFIXES} - {"bin", "e57", "step", "stp", "dae", "3mf"})
    root = place(tmp_path, *(f"{number}.xyz" for number in range(len(kinds) + 1)))
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 120345\n"
    for kind in kinds:
        (root / f"p.{kind}").write_text(text)
    assert {failure.path.suffix[1:] for failure in open_files(root).failures} == set(kinds)
