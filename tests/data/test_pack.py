"""Packing: the same store however it is made, nothing dropped in silence, nothing lost by a kill or a full disk."""

import errno
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pointssl import files
from pointssl.data.cloud import Cloud, Labels, Points
from pointssl.data.store import dataset, resumable
from pointssl.data.store.dataset import PackedDataset
from pointssl.data.store.pack import pack
from pointssl.errors import DataError, DiskFullError, Interrupted


class Numbered:
    """A data set of tiny clouds whose coordinates are their index."""

    classes = ("bed", "lamp")

    def __init__(self, count: int, split: str, broken: int | None = None) -> None:
        self.name, self._count, self._broken = f"numbered/{split}", count, broken

    @property
    def labels(self) -> Labels | None:
        return np.arange(self._count, dtype=np.int64) % 2

    @property
    def fingerprint(self) -> str:
        return f"{self.name}{self._count}"

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Cloud:
        if index == self._broken:
            raise DataError(f"cloud {index} is broken")
        points = np.full((3, 3), index, dtype=np.float32)
        return Cloud(points=points, label=index % 2, name=f"n{index}", origin=f"numbered {index}")

    def xyz(self, index: int) -> Points:
        return self[index].points


def make_folder(root: Path, count: int = 12) -> Path:
    """Write two classes of triangles as OFF; every fifth file is broken."""
    for number in range(count):
        file = root / ("bed" if number % 2 else "lamp") / f"m{number:03d}.off"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("broken" if number % 5 == 4 else f"OFF\n3 1 0\n0 0 0\n{number + 1} 0 0\n0 2 0\n3 0 1 2\n")
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_pack__folder(tmp_path: Path) -> None:
    summary = pack(make_folder(tmp_path / "src"), tmp_path / "out", points=20, workers=1)
    data = PackedDataset(tmp_path / "out")
    assert (summary.clouds, summary.classes, summary.splits) == (10, ("bed", "lamp"), {"all": 10})
    assert [failure.path.name for failure in summary.failures] == ["m009.off", "m004.off"]  # bed comes before lamp
    assert data.manifest.failures[0]["file"] == "bed/m009.off"
    assert data.manifest.failures[0]["reason"] == "cannot be read: it does not begin with OFF and two counts"
    assert str(tmp_path) not in (tmp_path / "out/manifest.json").read_text()
    assert data.labels is not None
    assert data.labels.tolist() == [0] * 5 + [1] * 5
    assert data[0].origin == "bed/m001.off"
    assert data.xyz(0).shape == (20, 3)
    assert set(data[0].channels) == {"normal"}
    data.verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "src"]


def test_pack__same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src")
    for workers in (1, 2):
        pack(source, tmp_path / f"w{workers}" / "out", points=20, workers=workers, shard_clouds=4)
    assert contents(tmp_path / "w1") == contents(tmp_path / "w2")


def test_pack__seed_changes_the_draw(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 4)
    for seed in (0, 1):
        pack(source, tmp_path / f"out{seed}", points=20, workers=1, seed=seed)
    first, second = (PackedDataset(tmp_path / f"out{seed}") for seed in (0, 1))
    assert (first.xyz(0) != second.xyz(0)).any()


def test_pack__larger_clouds_are_reduced_with_their_channels(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(90).reshape(30, 3), np.arange(30)]).astype("<f4")
    (tmp_path / "src").mkdir()
    table.tofile(tmp_path / "src/a.bin")
    table[:5].tofile(tmp_path / "src/b.bin")
    pack(tmp_path / "src", tmp_path / "out", points=10, workers=1)
    data = PackedDataset(tmp_path / "out")
    large, small = data[0], data[1]
    assert large.points.shape == (10, 3)
    assert len(np.unique(large.points[:, 0])) == 10  # ten different points of the file
    np.testing.assert_array_equal(large.channels["intensity"][:, 0], large.points[:, 0] / 3)  # x of point i is 3 i
    np.testing.assert_array_equal(small.points, table[:5, :3])  # too few points: kept as they are
    pack(tmp_path / "src", tmp_path / "whole", points=None, workers=1)
    np.testing.assert_array_equal(PackedDataset(tmp_path / "whole").xyz(0), table[:, :3])


def test_pack__data_set(tmp_path: Path) -> None:
    summary = pack(Numbered(5, "train", broken=3), tmp_path / "out")
    data = PackedDataset(tmp_path / "out")
    assert summary.splits == {"train": 4}
    assert [failure.reason for failure in summary.failures] == ["cloud 3 is broken"]
    assert [data.xyz(place)[0, 0] for place in range(4)] == [0, 1, 2, 4]
    assert (data.classes, data[3].name, data[3].label) == (("bed", "lamp"), "n4", 0)


def test_pack__data_sets_by_split(tmp_path: Path) -> None:
    pack({"train": Numbered(5, "x"), "test": Numbered(2, "y")}, tmp_path / "out", shard_clouds=4)
    assert [len(PackedDataset(tmp_path / "out", split)) for split in ("train", "test", "all")] == [5, 2, 7]


def test_pack__store_again_with_fewer_points(tmp_path: Path) -> None:
    pack({"train": Numbered(5, "x"), "test": Numbered(2, "y")}, tmp_path / "out")
    pack(tmp_path / "out", tmp_path / "small", points=2)
    test = PackedDataset(tmp_path / "small", "test")
    assert (len(test), test[1].name, test[1].label, test.xyz(1).tolist()) == (2, "n1", 1, [[1, 1, 1]] * 2)


def test_pack__set_file_keeps_splits(tmp_path: Path) -> None:
    points = np.random.default_rng(0).random((6, 4, 3), dtype=np.float32)
    np.savez(
        tmp_path / "a.npz", points=points, label=[0, 1] * 3, split=[0, 0, 0, 1, 1, 0], class_names=np.array(["x", "y"])
    )
    pack(tmp_path / "a.npz", tmp_path / "out", shard_clouds=4, workers=1)
    test = PackedDataset(tmp_path / "out", "test")
    assert test.classes == ("x", "y")
    np.testing.assert_array_equal([test.xyz(0), test.xyz(1)], points[3:5])
    assert test[0].origin == "a.npz[3]"


def test_pack__strict_stops_on_the_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bed/m009\.off .* \(strict: every file must be readable\)"):
        pack(make_folder(tmp_path / "src"), tmp_path / "out", points=20, workers=1, strict=True)
    assert not (tmp_path / "out").exists()


def test_pack__mostly_unreadable(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 4)
    for file in sorted(source.rglob("*.off"))[1:]:
        file.write_text("broken")
    with pytest.raises(DataError, match="only 1 of 4 files can be read"):
        pack(source, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_pack__target_exists(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="exists already"):
        pack(make_folder(tmp_path / "src"), tmp_path / "out")


def test_pack__changed_settings_start_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_folder(tmp_path / "src")
    stop_after(tmp_path, source, shards=1)
    summary = pack(source, tmp_path / "out", points=30, workers=1, shard_clouds=4)
    assert summary.reused == 0
    assert "starting over" in "".join(capsys.readouterr()).replace("\n", " ")
    assert PackedDataset(tmp_path / "out").xyz(0).shape == (30, 3)


def stop_after(tmp_path: Path, source: Path, shards: int) -> None:
    """Leave an unfinished store of `shards` shards of four clouds behind, by pressing Ctrl-C."""
    left = [shards + 1]  # the plan is written in the same way

    def stopping(path: Path, value: object) -> None:
        files.write_json(path, value)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumable, "write_json", stopping)
        with pytest.raises(Interrupted, match=f"{shards} finished shards are kept"):
            pack(source, tmp_path / "out", points=20, workers=1, shard_clouds=4)


def test_pack__interrupted_and_finished(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src")
    pack(source, tmp_path / "unbroken" / "out", points=20, workers=1, shard_clouds=4)
    stop_after(tmp_path, source, shards=2)
    with pytest.raises(DataError, match="was not finished; run the same pack command again"):
        PackedDataset(tmp_path / "out")
    summary = pack(source, tmp_path / "out", points=20, workers=1, shard_clouds=4)
    assert summary.reused == 2
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken" / "out")


def test_pack__full_disk_keeps_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_folder(tmp_path / "src")
    save, calls = dataset._save, [0]

    def failing(path: Path, values: NDArray[Any]) -> None:
        calls[0] += 1
        if calls[0] > 2:  # the first shard has two arrays
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, values)

    monkeypatch.setattr(dataset, "_save", failing)
    with pytest.raises(DiskFullError, match="no space left while writing"):
        pack(source, tmp_path / "out", points=20, workers=1, shard_clouds=4)
    monkeypatch.undo()
    assert pack(source, tmp_path / "out", points=20, workers=1, shard_clouds=4).reused == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs process groups and /proc")
def test_pack__killed_in_the_middle_and_finished(tmp_path: Path) -> None:
    source = make_folder(tmp_path / "src", 60)
    pack(source, tmp_path / "unbroken" / "out", points=2000, workers=1, shard_clouds=4)
    script = tmp_path / "run.py"
    script.write_text(
        "from pointssl.data.store.pack import pack\n"
        "if __name__ == '__main__':\n"
        f"    pack({str(source)!r}, {str(tmp_path / 'out')!r}, points=2000, workers=2, shard_clouds=4)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL, start_new_session=True)
    work = tmp_path / "out.partial" / resumable.WORK
    deadline = time.monotonic() + 120
    while len(list(work.glob("0*.json"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)  # the parent alone: its workers must notice by themselves
    process.wait()
    while children_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children_of(process.pid)
    assert not (tmp_path / "out").exists()
    summary = pack(source, tmp_path / "out", points=2000, workers=1, shard_clouds=4)
    assert 2 <= summary.reused < 15
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken" / "out")


def children_of(session: int) -> list[int]:
    """Return the processes of a session that are still running."""
    alive = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(group) == session and state != "Z":
            alive.append(int(folder.name))
    return alive


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here; a simulated full disk is tested besides")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_pack__disk_that_is_really_full(tmp_path: Path, small_disk: Path) -> None:
    source = make_folder(tmp_path / "src", 100)  # 80 clouds of 48 kB
    with pytest.raises(DiskFullError, match="no space left while writing"):
        pack(source, small_disk / "out", points=2000, workers=2, shard_clouds=4)
    done = len(list((small_disk / "out.partial" / resumable.WORK).glob("0*.json")))
    assert 0 < done <= 7  # 1 MB holds 21 such clouds, and a shard has three or four
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert pack(source, small_disk / "out", points=2000, workers=1, shard_clouds=4).reused == done


def test_pack__real_shapes(shared_data: Path, tmp_path: Path) -> None:
    summary = pack(shared_data / "psb-shrec12/originals", tmp_path / "out", workers=1)
    assert (summary.clouds, len(summary.classes), summary.failures) == (60, 60, ())
    assert PackedDataset(tmp_path / "out").manifest.shards[0].clouds == 60
