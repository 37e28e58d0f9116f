"""Stored views: rendered atomically, found by name, and refused before training where they do not fit."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from pointssl import files
from pointssl.data.arrays import ArrayDataset
from pointssl.data.cloud import Cloud
from pointssl.data.files.dataset import open_files
from pointssl.data.open import open_dataset
from pointssl.data.store import manifest, resumable
from pointssl.data.store.dataset import write_store
from pointssl.data.views import write as writing
from pointssl.data.views.config import ViewConfig, cameras_of
from pointssl.data.views.meshes import open_meshes, unit_ball
from pointssl.data.views.raycast import mesh_picture, render_mesh
from pointssl.data.views.sources import open_source, renderer
from pointssl.data.views.store import ViewStore, check_views, open_views, rows_of
from pointssl.data.views.write import write_views as write
from pointssl.errors import DataError, Interrupted, SettingError
from tests.data.solids import cube

TINY = ViewConfig(size=8, views=3)


def make_folder(root: Path, count: int = 6, groups: tuple[str, ...] = ("bed", "lamp")) -> Path:
    """Write boxes, each of another width, as OFF."""
    vertices, faces = cube()
    for number in range(count):
        file = root / groups[number % len(groups)] / f"m{number:03d}.off"
        file.parent.mkdir(parents=True, exist_ok=True)
        trimesh.Trimesh(vertices * [1 + number, 1, 1], faces, process=False).export(file)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(("kind", "channels"), [("shaded", 1), ("depth", 1), ("normal", 3)])
def test_write_views__pictures_are_those_of_the_renderer(tmp_path: Path, kind: str, channels: int) -> None:
    config = ViewConfig(kind=kind, size=12, views=4, elevation=(10.0, 50.0))  # type: ignore[arg-type]
    summary = write(make_folder(tmp_path / "src"), tmp_path / "out", config, workers=1, shard_objects=4)
    assert (summary.objects, summary.views, summary.rendered_from, summary.failures) == (6, 4, "meshes", ())
    store = ViewStore(tmp_path / "out")
    assert (store.count, store.channels, store.size, store.kind, len(store)) == (4, channels, 12, kind, 6)
    assert store.names == ("m000", "m002", "m004", "m001", "m003", "m005")
    assert store.groups == ("bed",) * 3 + ("lamp",) * 3
    meshes = open_meshes(tmp_path / "src")
    assert meshes is not None
    for row in range(6):
        vertices, faces = meshes.mesh(row)
        cameras = store.cameras(row)
        assert cameras is not None
        expected = mesh_picture(render_mesh(unit_ball(vertices), faces, cameras, 12), cameras, kind)  # type: ignore[arg-type]
        which = np.array([2, 0])
        np.testing.assert_array_equal(store.views(row, which), (expected[which] * 255).round().numpy().astype(np.uint8))
    store.verify()
    assert str(tmp_path) not in (tmp_path / "out/views.json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "src"]


def test_write_views__same_bytes_again(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src")
    config = ViewConfig(size=8, views=2, cameras="random", elevation=(0.0, 60.0))
    for name in ("one", "two"):
        write(source, tmp_path / name / "out", config, workers=1, shard_objects=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    store = ViewStore(tmp_path / "one/out")
    first, second = store.cameras(0), store.cameras(1)
    assert first is not None
    assert second is not None
    assert not torch.equal(first.eye, second.eye)  # every object has random cameras of its own


def test_write_views__clouds(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(3, 200, 3)).astype(np.float32)
    data = ArrayDataset(points, name="blobs/all", classes=("a", "b"), labels=[0, 1, 1])
    summary = write(data, tmp_path / "out", TINY)
    store = ViewStore(tmp_path / "out")
    assert summary.rendered_from == "clouds"
    assert (store.names, store.groups) == (tuple(data.names), ("a", "b", "b"))
    pictures = store.views(0, np.arange(3))
    assert pictures.shape == (3, 1, 8, 8)
    assert (pictures[:, 0, 3:5, 3:5] < 255).any()
    np.testing.assert_array_equal(rows_of(store, data), [0, 1, 2])


def test_write_views__own_normals_of_a_cloud_are_used() -> None:
    config = ViewConfig(kind="normal", size=8, views=1, elevation=(0.0,))
    sheet = np.random.default_rng(0).uniform(-1, 1, (1, 300, 3)).astype(np.float32)
    sheet[..., 2] = 0
    up = np.zeros_like(sheet)
    up[..., 1] = 1
    assert cameras_of(config, "").eye[0, 0, 2] == 2  # down the z axis, across the sheet
    plain = renderer(ArrayDataset(sheet, name="sheet"), config)(0, "sheet")[0, :, 4, 4]
    told = renderer(ArrayDataset(sheet, name="sheet", channels={"normal": up}), config)(0, "sheet")[0, :, 4, 4]
    assert plain.tolist() == pytest.approx([128, 128, 255], abs=1)  # estimated: towards the eye
    assert told.tolist() == pytest.approx([128, 255, 128], abs=1)


def test_write_views__unusable_objects_are_listed(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src")
    (source / "bed/m002.off").write_text("OFF\n3 0 0\n0 0 0\n1 0 0\n0 2 0\n")
    (source / "lamp/m003.off").write_text("OFF\n3 1 0\nnan 0 0\n1 0 0\n0 2 0\n3 0 1 2\n")
    summary = write(source, tmp_path / "out", TINY, workers=1)
    assert [name for name, _ in summary.failures] == ["m002", "m003"]
    assert "has no faces" in summary.failures[0][1]
    assert "NaN" in summary.failures[1][1]
    store = open_views(tmp_path / "out")
    assert store.names == ("m000", "m004", "m001", "m005")
    (source / "bed/m002.off").unlink()
    with pytest.raises(DataError, match=r"m003\.off .*strict"):
        write(source, tmp_path / "strict", TINY, workers=1, strict=True)


def test_write_views__most_objects_unusable(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"src/{number}.off").parent.mkdir(exist_ok=True)
        (tmp_path / f"src/{number}.off").write_text("OFF\n3 0 0\n0 0 0\n1 0 0\n0 2 0\n")
    with pytest.raises(DataError, match=r"3 of 3 objects cannot be rendered; the first: .* has no faces"):
        write(tmp_path / "src", tmp_path / "out", TINY, workers=1)


def test_write_views__cloud_with_nan(tmp_path: Path) -> None:
    points = np.zeros((3, 9, 3), np.float32)
    points[:] = np.random.default_rng(0).normal(size=(9, 3))
    points[1, 4] = np.nan
    summary = write(ArrayDataset(points, name="blobs", names=["x", "y", "z"]), tmp_path / "out", TINY)
    assert summary.failures == (
        ("y", "the cloud y has coordinates that are NaN or infinite; repair it or leave it out"),
    )


def test_write_views__refuses_to_overwrite(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 2)
    write(source, tmp_path / "out", TINY, workers=1)
    with pytest.raises(DataError, match="exists already"):
        write(source, tmp_path / "out", TINY, workers=1)
    with pytest.raises(DataError, match="rendered views already"):
        open_source(tmp_path / "out")


def test_write_views__stopped_and_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path / "src")
    write(source, tmp_path / "unbroken/out", TINY, workers=1, shard_objects=2)
    calls: list[Path] = []

    def impatient(file: Path) -> str:
        calls.append(file)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return manifest.sha256(file)

    monkeypatch.setattr(writing, "sha256", impatient)
    with pytest.raises(Interrupted, match="1 finished shards are kept"):
        write(source, tmp_path / "out", TINY, workers=1, shard_objects=2)
    monkeypatch.undo()
    with pytest.raises(DataError, match="were not finished"):
        open_views(tmp_path / "out")
    assert write(source, tmp_path / "out", TINY, workers=1, shard_objects=2).reused == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken/out")


def test_write_views__other_settings_start_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path / "src", 4)
    monkeypatch.setattr(writing, "write_json", _fail_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        write(source, tmp_path / "out", TINY, workers=1, shard_objects=2)
    monkeypatch.undo()
    summary = write(source, tmp_path / "out", ViewConfig(size=9, views=3), workers=1, shard_objects=2)
    assert summary.reused == 0
    assert ViewStore(tmp_path / "out").size == 9


def _fail_at_the_end(path: Path, value: object) -> None:
    if path.name == "views.json":
        raise KeyboardInterrupt
    files.write_json(path, value)


@pytest.mark.skipif(sys.platform != "linux", reason="needs process groups")
def test_write_views__killed_in_the_middle_and_finished(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 40)
    config = "ViewConfig(size=64, views=8)"
    script = tmp_path / "run.py"
    script.write_text(
        "from pointssl.data.views.write import write_views\n"
        "from pointssl.data.views.config import ViewConfig\n"
        "if __name__ == '__main__':\n"
        f"    write_views({str(source)!r}, {str(tmp_path / 'out')!r}, {config}, workers=1, shard_objects=2)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    work = tmp_path / "out.partial" / resumable.WORK
    deadline = time.monotonic() + 120
    while len(list(work.glob("0*.json"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    finished = write(source, tmp_path / "out", ViewConfig(size=64, views=8), workers=1, shard_objects=2)
    assert 2 <= finished.reused < 20
    write(source, tmp_path / "unbroken/out", ViewConfig(size=64, views=8), workers=1, shard_objects=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken/out")


def test_rows_of__every_split_and_order(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src")
    write(source, tmp_path / "out", TINY, workers=1)
    store = open_views(tmp_path / "out")
    dataset = open_files(source, points=5)
    assert [store.names[row] for row in rows_of(store, dataset)] == dataset.names
    some = ArrayDataset(np.zeros((2, 4, 3), np.float32), name="some", names=["m005", "m000"])
    assert [store.names[row] for row in rows_of(store, some)] == ["m005", "m000"]


def test_rows_of__packed_clouds_of_both_splits(tmp_path: Path) -> None:
    clouds = [Cloud(points=np.zeros((4, 3), np.float32), name=f"m{number:03d}") for number in range(6)]
    write_store(tmp_path / "clouds", clouds, splits=["train", "test"] * 3)
    write(make_folder(tmp_path / "src"), tmp_path / "out", TINY, workers=1)
    store = open_views(tmp_path / "out")
    for split, wanted in (("train", ["m000", "m002", "m004"]), ("test", ["m001", "m003", "m005"])):
        rows = rows_of(store, open_dataset(str(tmp_path / "clouds"), split))
        assert [store.names[row] for row in rows] == wanted


def test_rows_of__equal_names_are_told_apart_by_class(tmp_path: Path) -> None:
    vertices, faces = cube()
    for group in ("bed", "lamp"):
        (tmp_path / "src" / group).mkdir(parents=True)
        trimesh.Trimesh(vertices, faces).export(tmp_path / "src" / group / "1.off")
    write(tmp_path / "src", tmp_path / "out", TINY, workers=1)
    store = open_views(tmp_path / "out")
    points = np.zeros((2, 4, 3), np.float32)
    turned = ArrayDataset(points, name="turned", names=["1", "1"], classes=("bed", "lamp"), labels=[1, 0])
    assert rows_of(store, turned).tolist() == [1, 0]
    blind = ArrayDataset(points[:1], name="blind", names=["1"])
    with pytest.raises(DataError, match="share a name"):
        rows_of(store, blind)


def test_rows_of__missing_objects_are_named(tmp_path: Path) -> None:
    write(make_folder(tmp_path / "src"), tmp_path / "out", TINY, workers=1)
    names = ["m000", "x1", "x2", "x3", "x4"]
    other = ArrayDataset(np.zeros((5, 4, 3), np.float32), name="other", names=names)
    with pytest.raises(DataError, match=r"4 of 5 clouds of other have no views in .*: x1, x2, x3, \.\.\.;"):
        rows_of(open_views(tmp_path / "out"), other)


def test_rows_of__real_shapes(shared_data: Path, tmp_path: Path) -> None:
    """Rows of names, without rendering 2,303 shapes: points in a row stand in for those of both splits."""
    dataset = open_dataset(str(shared_data / "psb-shrec12"), "test")
    with np.load(shared_data / "psb-shrec12/meshes.npz", allow_pickle=False) as archive:
        names = archive["name"][(archive["split"] == 1) | (np.arange(len(archive["name"])) % 10 == 0)]
    line = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    blank = ArrayDataset(np.repeat(line, len(names), axis=0), name="blank", names=names)
    write(blank, tmp_path / "out", ViewConfig(size=8, views=1, kind="depth"))
    store = open_views(tmp_path / "out")
    rows = rows_of(store, dataset)
    assert len(set(rows.tolist())) == 328 < len(store.names)
    assert [store.names[row] for row in rows[:9]] == [dataset[place].name for place in range(9)]


def test_check_views__refuses(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 2)
    write(source, tmp_path / "out", TINY, workers=1)
    store, dataset = open_views(tmp_path / "out"), open_files(source, points=5)
    assert check_views(store, dataset, 3, kind="shaded").tolist() == [0, 1]
    with pytest.raises(SettingError, match=r"views must be at most 3, .*, got 4"):
        check_views(store, dataset, 4)
    with pytest.raises(SettingError, match=r"kind shaded \(1 channels\), but the method is set to normal"):
        check_views(store, dataset, 3, kind="normal")
    with pytest.raises(ValueError, match="m must be at least 1"):
        check_views(store, dataset, 0)


def test_view_store__damage_is_found(tmp_path: Path) -> None:
    write(make_folder(tmp_path / "src", 2), tmp_path / "out", TINY, workers=1)
    array = tmp_path / "out/shard-00000/views.npy"
    whole = array.read_bytes()
    before = ViewStore(tmp_path / "out").fingerprint
    array.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match="changed since rendering"):
        ViewStore(tmp_path / "out").verify()
    array.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"has \d+ of \d+ bytes: the store is damaged"):
        ViewStore(tmp_path / "out")
    array.unlink()
    with pytest.raises(DataError, match="is missing: the store is damaged"):
        ViewStore(tmp_path / "out")
    assert len(before) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ('{"format": "other", "version": 1}', "format 'other'"),
        ('{"format": "pointssl-views", "version": 9}', "format version 9"),
        ('{"format": "pointssl-views", "version": 1}', "is damaged"),
    ],
)
def test_view_store__manifest_of_another_kind(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "views.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_views(tmp_path)


def test_open_views__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_views(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no rendered views"):
        open_views(tmp_path / "empty")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": 0}, "views must be at least 1"),
        ({"size": 4}, "size must be at least 8"),
        ({"elevation": ()}, "elevation must be"),
        ({"elevation": (95.0,)}, "elevation must be"),
        ({"distance": 1.0}, "distance must be above 1"),
        ({"radius": -1}, "radius must be at least 0"),
    ],
)
def test_view_config__refuses(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViewConfig(**settings)  # type: ignore[arg-type]


def test_view_config__settings_return_from_the_manifest(tmp_path: Path) -> None:
    config = ViewConfig(size=8, views=2, cameras="sphere", projection="orthographic", up="z", seed=3)
    write(make_folder(tmp_path / "src", 2), tmp_path / "out", config, workers=1)
    store = ViewStore(tmp_path / "out")
    cameras = store.cameras(1)
    assert cameras is not None
    assert torch.equal(cameras.eye, cameras_of(config, store.names[1]).eye)
    assert json.loads((tmp_path / "out/views.json").read_text())["settings"]["render"]["up"] == "z"
