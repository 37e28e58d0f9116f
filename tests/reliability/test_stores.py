"""Packed stores and views whose bytes changed are noticed before they decide a result, and one process makes each."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.data.cloud import Cloud
from pointssl.data.cut.cut import cut
from pointssl.data.mixture import Mixture
from pointssl.data.splits import Subset
from pointssl.data.store.dataset import PackedDataset, write_store
from pointssl.data.store.pack import pack
from pointssl.data.views.store import ViewStore
from pointssl.data.views.write import write_views
from pointssl.errors import BusyError, DataError
from pointssl.files import lock
from pointssl.train.pretrain import pretrain
from tests.doubles import tiny_config
from tests.reliability.samples import files


def _store(path: Path, clouds: int = 12, points: int = 4096) -> Path:
    rng = np.random.default_rng(0)
    write_store(
        path, [Cloud(rng.normal(size=(points, 3)).astype(np.float32), name=f"c{i}", label=i % 2) for i in range(clouds)]
    )
    return path


def _change(file: Path, at: float) -> None:
    """Flip one bit at a part of the file."""
    content = bytearray(file.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    file.write_bytes(content)


@pytest.mark.case("store-changed")
@pytest.mark.parametrize("at", [0.5, 1.0], ids=["middle", "end"])
def test_store__zeros_and_changes_at_the_usual_places_are_seen_on_opening(tmp_path: Path, at: float) -> None:
    _change(_store(tmp_path / "s") / "shard-00000/points.npy", at)
    with pytest.raises(DataError, match=r"is damaged: shard-00000/points.npy changed since packing"):
        PackedDataset(tmp_path / "s")


@pytest.mark.case("store-changed")
def test_store__any_changed_bit_is_seen_by_pack_and_not_sealed_anew(tmp_path: Path) -> None:
    _change(_store(tmp_path / "s") / "shard-00000/points.npy", 0.3)
    PackedDataset(tmp_path / "s")  # not one of the places that are looked at
    with pytest.raises(DataError, match=r"is damaged: shard-00000/points.npy changed since packing"):
        pack(str(tmp_path / "s"), tmp_path / "again", points=16)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.case("store-changed")
@pytest.mark.parametrize(
    "wrapped", [lambda s: s, lambda s: Subset(s, np.arange(12), "half"), lambda s: Mixture([(s, 1.0)])]
)
def test_resume__any_changed_bit_of_a_store_is_refused(tmp_path: Path, wrapped: Callable[[PackedDataset], Any]) -> None:
    def data() -> Any:
        return wrapped(PackedDataset(_path))

    _path = _store(tmp_path / "s")
    run = pretrain(tiny_config(steps=2), tmp_path / "run", data=data())
    shutil.rmtree(run / "encoder")
    pretrain(tiny_config(steps=2), run, data=data(), resume=True)
    shutil.rmtree(run / "encoder")
    _change(_path / "shard-00000/points.npy", 0.3)
    with pytest.raises(DataError, match="changed since packing"):
        pretrain(tiny_config(steps=2), run, data=data(), resume=True)


@pytest.mark.case("manifest-changed")
@pytest.mark.parametrize("column", ["name", "split", "source"])
def test_store__a_manifest_changed_by_hand_is_refused(tmp_path: Path, column: str) -> None:
    file = _store(tmp_path / "s") / "manifest.json"
    value = json.loads(file.read_text())
    file.write_text(json.dumps(value, indent=3))  # the same content in another form
    assert len(PackedDataset(tmp_path / "s")) == 12
    value["clouds"][column][3] = "other"
    file.write_text(json.dumps(value))
    with pytest.raises(DataError, match="its checksum differs from what it was packed with"):
        PackedDataset(tmp_path / "s")


@pytest.mark.case("store-of-before")
def test_store__of_before_there_were_samples_is_read(tmp_path: Path) -> None:
    file = _store(tmp_path / "s") / "manifest.json"
    value = json.loads(file.read_text())
    fingerprint = PackedDataset(tmp_path / "s").fingerprint
    del value["sha256"], value["shards"][0]["samples"]
    file.write_text(json.dumps(value))
    assert PackedDataset(tmp_path / "s").fingerprint == fingerprint
    PackedDataset(tmp_path / "s").verify()


@pytest.mark.case("views-changed")
def test_views__changes_are_seen_on_opening_and_all_of_them_by_verify(tmp_path: Path) -> None:
    write_views(str(_store(tmp_path / "s", 20)), tmp_path / "v", workers=1)
    pictures = next((tmp_path / "v").rglob("views.npy"))
    whole, manifest = pictures.read_bytes(), (tmp_path / "v/views.json").read_text()
    ViewStore(tmp_path / "v").verify()
    _change(pictures, 0.3)
    with pytest.raises(DataError, match="changed since rendering"):
        ViewStore(tmp_path / "v").verify()
    _change(pictures, 1.0)
    with pytest.raises(DataError, match="changed since rendering"):
        ViewStore(tmp_path / "v")
    pictures.write_bytes(whole)
    (tmp_path / "v/views.json").write_text(manifest.replace('"c3"', '"c4"', 1))
    with pytest.raises(DataError, match="checksum differs from what it was rendered with"):
        ViewStore(tmp_path / "v")


@pytest.mark.case("two-at-once")
@pytest.mark.parametrize(
    "make",
    [
        lambda source, out: pack(source, out, points=16, workers=1),
        lambda source, out: write_views(source, out, workers=1),
        cut,
    ],
    ids=["pack", "views", "cut"],
)
def test_a_store__is_made_by_one_process_at_a_time(tmp_path: Path, make: Callable[[str, Path], object]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.ply").write_bytes(files(tmp_path)["ply cloud"][1])
    out = tmp_path / "made" / "out"
    held = out.with_name("out.partial.lock")
    with lock(held, "it"), pytest.raises(BusyError, match=f"another process is at work on {out}"):
        make(str(source), out)
    assert not (tmp_path / "made").exists()
    make(str(source), out)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out"]
    with pytest.raises(DataError, match="exists already"):
        make(str(source), out)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out"]
