"""What will not fit into memory is told in one line, before it is asked for; and where it was not foreseen, after."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pointssl import memory
from pointssl.app import cli
from pointssl.backbones import PointNetConfig
from pointssl.data.files.readers import describe
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, SettingError
from pointssl.runs.config import DataConfig
from pointssl.train.estimate import estimate
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config


@pytest.mark.case("memory-estimates")
@pytest.mark.parametrize("width", [10**9, 10**18])
def test_pretrain_and_dry_run__weights_that_do_not_fit(tmp_path: Path, width: int) -> None:
    config = replace(tiny_config(), backbone=PointNetConfig(pooled_dim=width))
    for start in (
        lambda: estimate(config, data=ToyClouds()),
        lambda: pretrain(config, tmp_path / "r", data=ToyClouds()),
    ):
        with pytest.raises(SettingError, match=r"weights|make it smaller") as caught:
            start()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "r" / "config.json").exists()


@pytest.mark.case("memory-estimates")
def test_dry_run__a_batch_that_does_not_fit() -> None:
    reading = ReadConfig(points=10**9, allow_repeats=True)
    config = replace(tiny_config(), data=DataConfig(reading=reading, batch_size=64))
    with pytest.raises(SettingError, match=r"a batch of 64,000,000,000 points needs at least 1,536.0 GB .*lower data"):
        estimate(config, data=ToyClouds())


@pytest.mark.case("memory-estimates")
def test_what_is_free__decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated: a machine with so much memory left. 24 bytes a point for the batch and its copy."""
    config = tiny_config()
    batch = 24 * config.data.batch_size * config.data.reading.points
    monkeypatch.setattr(memory, "free", lambda: batch - 1)
    with pytest.raises(SettingError, match="a batch of"):
        estimate(config, data=ToyClouds())
    monkeypatch.setattr(memory, "free", lambda: None)  # a system that does not say
    estimate(config, data=ToyClouds(), steps=1)


@pytest.mark.case("memory-estimates")
@pytest.mark.parametrize(
    "words",
    [
        ["data", "pack", f"synthetic:{10**13}", "out"],
        ["data", "views", "synthetic:96", "out", "--size=1000000"],
        ["data", "views", "synthetic:96", "out", f"--views={10**12}"],
    ],
)
def test_commands__ask_for_no_more_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "needs at least" in said[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("memory-estimates")
def test_labels__without_end_are_no_classes(tmp_path: Path) -> None:
    """3 kB that once took 5 GB: a name for each of a milliard classes."""
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).random((4, 64, 3)), label=np.array([0, 1, 2, 10**9]))
    with pytest.raises(DataError, match="numbers of classes, 0 to 999999, got 1000000000"):
        describe(tmp_path / "a.npz")


@pytest.mark.case("memory-errors")
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 7.28 TiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("Storage size calculation overflowed with sizes=[1024, 1000000000000000000]"),
    ],
)
def test_memory_errors__are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def failing(_: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", failing)
    with pytest.raises(SystemExit) as left:
        cli.main(["embed"])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("pointssl: not enough memory (")


def test_other_errors__stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: list[str]) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(cli, "_run", failing)
    with pytest.raises(RuntimeError, match="of ours"):
        cli.main(["embed"])


@pytest.mark.case("memory-errors")
def test_memory_errors__are_recognised_as_torch_raises_them() -> None:
    for sizes in ((10**18,), (2**62, 2**62)):
        with pytest.raises(RuntimeError) as caught:
            torch.empty(sizes)
        assert memory.is_exhausted(caught.value), caught.value
