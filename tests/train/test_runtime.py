"""Devices by name, and one process as the simplest case of many."""

import pytest
import torch

from pointssl.errors import SettingError
from pointssl.train.runtime import Runtime, choose_device, start


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
