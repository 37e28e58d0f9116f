"""One file that hangs, takes all memory or ends its process costs itself alone, and is named."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.cloud import Cloud
from pointssl.data.files import isolation
from pointssl.data.files.dataset import read_entries
from pointssl.data.files.scan import Failure, scan
from pointssl.data.store.dataset import PackedDataset
from pointssl.data.store.pack import pack

PARSER = """
import os, time
import numpy as np
from pointssl.data.files import readers
from pointssl.data.files.isolation import serve

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
serve()
"""


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the child have a parser that does, by the file's name, what parsers do on damaged files."""
    start = "import sys; sys.path[:] = {path!r}\n" + PARSER.replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(isolation, "_START", start)
    isolation._MINE.__dict__.clear()
    monkeypatch.setenv("POINTSSL_READ_SECONDS", "20")
    yield
    isolation._MINE.__dict__.clear()


def _folder(path: Path, *bad: str) -> Path:
    path.mkdir()
    random = np.random.default_rng(0)
    for name in ("a", "c", "e", "z", *bad):
        np.savetxt(path / f"{name}.xyz", random.normal(size=(8, 3)))
    return path


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("b-crash", "it ended the process that read it"),
        pytest.param(
            "b-huge",
            "more than 2048 MiB of memory",
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


def test_pack__file_that_ends_its_process_is_listed(parser: None, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "set", "b-crash", "d-crash")
    summary = pack(folder, tmp_path / "out", points=None, workers=1)
    assert sorted(failure.path.name for failure in summary.failures) == ["b-crash.xyz", "d-crash.xyz"]
    assert PackedDataset(tmp_path / "out").names == ["a", "c", "e", "z"]


def test_read_entries__caller_that_leaves_early_gets_its_own_answers_next(tmp_path: Path) -> None:
    listing = scan(_folder(tmp_path / "set"))
    first = read_entries(listing.entries, listing.classes, points=8, seed=0)
    next(first)
    first.close()
    [(entry, cloud)] = read_entries(listing.entries[3:], listing.classes, points=8, seed=0)
    assert isinstance(cloud, Cloud)
    assert entry.path.stem == cloud.name == "z"


def test_limits__grow_with_the_file_and_are_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.xyz"
    file.write_bytes(bytes(1_000_000))
    assert isolation.Limits.of(file) == isolation.Limits(seconds=61.0, memory=2**31 + 32_000_000)
    monkeypatch.setenv("POINTSSL_READ_SECONDS", "nan")
    with pytest.raises(isolation.SettingError, match="must be a number above 0, got 'nan'"):
        isolation.Limits.of(file)
