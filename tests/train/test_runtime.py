"""Devices by name, and one process as the simplest case of many."""

import pytest
import torch

from pointssl.errors import SettingError
from pointssl.runs.device import choose_device
from pointssl.train.runtime import Runtime, bf16_is_slow, start


@pytest.mark.parametrize(
    ("name", "message"), [("gpu", "device must be cpu, cuda or cuda:NUMBER, got 'gpu'"), ("cuda:99", "cuda:99")]
)
def test_choose_device__unknown(name: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        choose_device(name)


def test_choose_device__by_default_the_best_there_is() -> None:
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_start__alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with start("cpu") as runtime:
        assert runtime == Runtime(device=torch.device("cpu"), rank=0, world=1)
        assert runtime.is_main
        assert runtime.any(True)
        assert not runtime.any(False)
        assert float(runtime.total(torch.tensor(2.0))) == 2.0
        runtime.wait()


@pytest.mark.parametrize(
    ("machine", "avx512", "amx", "slow"),
    [
        ("x86_64", False, False, True),
        ("x86_64", True, False, False),
        ("x86_64", False, True, False),
        ("aarch64", False, False, False),
    ],
)
def test_bf16_is_slow__only_on_x86_without_its_instructions(
    monkeypatch: pytest.MonkeyPatch, machine: str, avx512: bool, amx: bool, slow: bool
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert bf16_is_slow(torch.device("cpu")) is slow


def test_bf16_is_slow__claims_nothing_where_torch_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert not bf16_is_slow(torch.device("cpu"))
