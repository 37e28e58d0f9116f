"""Kept features that changed on the disk are computed again, and a full disk is one line that leaves nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.data.reading import ReadConfig
from pointssl.errors import DiskFullError
from pointssl.evaluation.features import EncodeConfig, encode_cached
from tests.evaluation.doubles import Extent, boxes

CONFIG = EncodeConfig(reading=ReadConfig(points=8))


def _flipped(content: bytes) -> bytes:
    return content[:-2] + bytes([content[-2] ^ 64]) + content[-1:]


@pytest.mark.case("cached-features-damaged")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-3],
        lambda _: b"",
        lambda _: b"junk" * 40,
        lambda content: bytes(len(content)),
        lambda content: content[:-12] + bytes(12),  # whole, but the numbers are zeros
        _flipped,
    ],
    ids=["cut", "empty", "junk", "zeros", "zero features", "bit"],
)
def test_features__that_changed_are_computed_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    data = boxes((3,))
    right = encode_cached(Extent(), data, CONFIG, tmp_path)
    [kept] = tmp_path.glob("*.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert kept.read_bytes() != whole
    np.testing.assert_array_equal(encode_cached(Extent(), data, CONFIG, tmp_path), right)
    assert kept.read_bytes() == whole


class _Full:
    """A file on a disk without room."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> "_Full":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.case("full-disk")
def test_features__on_a_full_disk_are_one_line_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: every write of a file of weights says that there is no room."""
    opened = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        file = opened(path, mode, *more, **named)
        return _Full(file) if path.suffix == ".safetensors" and "w" in mode else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(DiskFullError, match="no space left while writing") as caught:
            encode_cached(Extent(), boxes((3,)), CONFIG, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    encode_cached(Extent(), boxes((3,)), CONFIG, tmp_path)
