"""Kinds and names of files, and compressed ones."""

import gzip
from pathlib import Path

import pytest

from pointssl.data.files.kinds import contents, kind_of, name_of


@pytest.mark.parametrize(
    ("file", "kind", "name"),
    [
        ("a/chair.PLY", ".ply", "chair"),
        ("chair.v2.obj.GZ", ".obj", "chair.v2"),
        ("hill.copc.laz", ".laz", "hill"),
        ("plain.gz", "", "plain"),
        ("none", "", "none"),
    ],
)
def test_kind_of__and_name_of(file: str, kind: str, name: str) -> None:
    assert (kind_of(Path(file)), name_of(Path(file))) == (kind, name)


def test_contents__unpacked(tmp_path: Path) -> None:
    file = tmp_path / "a.obj.gz"
    file.write_bytes(gzip.compress(b"v 0 0 0\n") + gzip.compress(b"v 1 0 0\n") + b"\0\0")
    assert contents(file) == b"v 0 0 0\nv 1 0 0\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(bytes(range(256)) * 9)[:-9], "cut short"),
        (b"no gzip at all", "damaged"),
        (gzip.compress(bytes(1 << 27)), "more than 100 times"),
    ],
)
def test_contents__damaged(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.obj.gz").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        contents(tmp_path / "a.obj.gz")
