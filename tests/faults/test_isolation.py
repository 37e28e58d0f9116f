"""One file that hangs, takes all memory or ends its process costs itself alone, and is named."""

import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import h5py
import laspy
import numpy as np
import pytest

from pointssl.data.cloud import Cloud
from pointssl.data.cut.cut import cut
from pointssl.data.files import child, isolation, readers
from pointssl.data.files.chunks import Scan, open_scans
from pointssl.data.files.dataset import read_entries, read_one
from pointssl.data.files.scan import Failure, scan
from pointssl.data.public.h5 import read_h5
from pointssl.data.store.dataset import PackedDataset
from pointssl.data.store.pack import pack
from pointssl.data.views.meshes import MeshFiles
from pointssl.errors import DataError, SettingError

PARSER = """
import os, time
import numpy as np
from pointssl.data.files import chunks, readers
from pointssl.data.files.child import serve
from pointssl.data.public import h5

honest = readers._read_one

def read(path, *rest):
    if "hang" in path.name:
        time.sleep(600)
    if "crash" in path.name:
        os.abort()
    if "huge" in path.name:
        np.ones(2**36, np.uint8)
    return honest(path, *rest)

readers._read_one = read

def crash(path, *rest, **named):
    os.abort()

readers.describe = readers.explain = readers.read_surface = readers.read_clouds = crash
h5._arrays = chunks.open_scans = chunks.Scan.chunks = crash
serve()
"""


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the child have a parser that does, by the file's name, what parsers do on damaged files."""
    start = "import sys; sys.path[:] = {path!r}\n" + PARSER.replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(child, "_START", start)
    monkeypatch.setattr(isolation, "FOREIGN", frozenset({".xyz"}))
    child._MINE.__dict__.clear()
    monkeypatch.setenv("POINTSSL_READ_SECONDS", "20")
    yield
    child._MINE.__dict__.clear()


def _folder(path: Path, *bad: str) -> Path:
    path.mkdir()
    random = np.random.default_rng(0)
    for name in ("a", "c", "e", "z", *bad):
        np.savetxt(path / f"{name}.xyz", random.normal(size=(8, 3)))
    return path


@pytest.mark.case("one-file-costs-itself")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("b-crash", "it ended the process that read it"),
        pytest.param(
            "b-huge",
            "it needs more memory than there is",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory is kept to on Linux alone"),
        ),
        ("b-hang", "more than 2 s"),
    ],
)
def test_read_entries__bad_file_is_named_and_others_go_on(
    parser: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, reason: str
) -> None:
    folder = _folder(tmp_path / "set", bad)
    listing = scan(folder)
    list(read_entries(listing.entries[:1], listing.classes, points=8, seed=0))  # the start of the child takes its time
    if "hang" in bad:
        monkeypatch.setenv("POINTSSL_READ_SECONDS", "2")
    read = list(read_entries(listing.entries, listing.classes, points=8, seed=0))
    assert [entry.path.stem for entry, _ in read] == ["a", bad, "c", "e", "z"]
    [failure] = [cloud for _, cloud in read if isinstance(cloud, Failure)]
    assert failure.path.name == f"{bad}.xyz"
    assert reason in failure.reason
    for entry, cloud in read:
        if isinstance(cloud, Cloud):
            np.testing.assert_allclose(cloud.points, np.loadtxt(entry.path), rtol=1e-5, atol=1e-6)


@pytest.mark.case("one-file-costs-itself")
def test_pack__file_that_ends_its_process_is_listed(parser: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "set", "b-crash", "d-crash")
    summary = pack(folder, tmp_path / "out", points=None, workers=1)
    assert sorted(failure.path.name for failure in summary.failures) == ["b-crash.xyz", "d-crash.xyz"]
    assert PackedDataset(tmp_path / "out").names == ["a", "c", "e", "z"]


def test_read_entries__caller_that_leaves_early_gets_its_own_answers_next(parser: None, tmp_path: Path) -> None:
    listing = scan(_folder(tmp_path / "set"))
    first = read_entries(listing.entries, listing.classes, points=8, seed=0)
    next(first)
    assert isinstance(first, Generator)
    first.close()
    [(entry, cloud)] = read_entries(listing.entries[3:], listing.classes, points=8, seed=0)
    assert isinstance(cloud, Cloud)
    assert entry.path.stem == cloud.name == "z"


def test_limits__grow_with_the_file_and_are_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.xyz"
    file.write_bytes(bytes(1_000_000))
    assert child.Limits.of(file) == child.Limits(seconds=61.0, memory=2**31 + 32_000_000)
    monkeypatch.setenv("POINTSSL_READ_SECONDS", "nan")
    with pytest.raises(SettingError, match="must be a number above 0, got 'nan'"):
        child.Limits.of(file)


def test_read_each__both_ways_give_the_same_in_the_order_of_the_requests(tmp_path: Path) -> None:
    cloud = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.savetxt(tmp_path / "a.xyz", cloud)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = np.stack([cloud, cloud + 1])
    np.save(tmp_path / "c.npy", cloud)
    (tmp_path / "d.h5").write_bytes(b"no such file")
    requests = [
        isolation.Request(tmp_path / name, 0, stop)
        for name, stop in (("a.xyz", 1), ("b.h5", 2), ("d.h5", 1), ("c.npy", 1))
    ]
    found = list(isolation.read_each(requests, points=9, seed=0, columns=None))
    assert [(number, place) for number, place, _ in found] == [(0, 0), (1, 0), (1, 1), (2, None), (3, 0)]
    assert isinstance(found[3][2], DataError)
    shifted = [one.points - one.points.mean(axis=0) for _, _, one in found if isinstance(one, Cloud)]
    for one in shifted:
        order = np.lexsort(one.T), np.lexsort((cloud - cloud.mean(axis=0)).T)
        np.testing.assert_allclose(one[order[0]], (cloud - cloud.mean(axis=0))[order[1]], atol=1e-5)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.h5", lambda path: isolation.apart(readers.explain, path)),
        ("a.h5", lambda path: MeshFiles([path], ["a"], [""], "one").mesh(0)),
        ("a.h5", lambda path: read_h5([path], ["data"])),
        ("a.las", lambda path: cut(path, path.with_suffix(""))),
        ("a.h5", read_one),
        ("a.h5", scan),
    ],
)
def test_doors__a_parser_that_ends_its_process_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(isolation, "FOREIGN", frozenset({".h5", ".las"}))
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(DataError, match="it ended the process that read it"):
        read(tmp_path / name)


def test_apart__same_as_at_once_and_errors_with_their_class(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = np.zeros((2, 9, 3))
    assert isolation.apart(readers.describe, tmp_path / "b.h5") == readers.describe(tmp_path / "b.h5")
    (tmp_path / "d.h5").write_bytes(b"no such file")
    with pytest.raises(DataError, match=r"d\.h5 cannot be read: "):
        isolation.apart(readers.describe, tmp_path / "d.h5")


def test_stream__one_reading_within_another(tmp_path: Path) -> None:
    las = laspy.LasData(laspy.LasHeader(point_format=0))
    las.x = las.y = las.z = np.arange(10.0)
    las.write(str(tmp_path / "a.laz"))
    [whole] = open_scans(tmp_path / "a.laz")
    places = []
    for outer in isolation.stream(Scan.chunks, whole.path, whole, 4):
        inner = list(isolation.stream(Scan.chunks, whole.path, whole, 5))
        places.append((outer.rows.tolist(), [len(one.rows) for one in inner]))
    assert places == [([0, 1, 2, 3], [5, 5]), ([4, 5, 6, 7], [5, 5]), ([8, 9], [5, 5])]
