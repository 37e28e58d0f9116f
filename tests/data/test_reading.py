"""How clouds are read, and which way is up: said once, by the data set, overridden by one setting."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pointssl.data.arrays import ArrayDataset
from pointssl.data.augment import AugmentConfig
from pointssl.data.batches import stack
from pointssl.data.cloud import up_of
from pointssl.data.mixture import Mixture
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig, oriented
from pointssl.data.splits import hold_out
from pointssl.data.store.pack import pack
from pointssl.errors import SettingError
from pointssl.methods import MMPointConfig
from pointssl.runs.config import DataConfig, OptimConfig
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from tests.data import layouts
from tests.doubles import tiny_config


def _standing(up: str, clouds: int = 8) -> ArrayDataset:
    points = np.random.default_rng(0).normal(size=(clouds, 32, 3)).astype(np.float32)
    return ArrayDataset(points, name="standing", labels=[0, 1] * (clouds // 2), up=up)  # type: ignore[arg-type]


def test_batch__is_stack_with_these_settings() -> None:
    data = _standing("y")
    config = ReadConfig(points=40, normalise=False, allow_repeats=True)
    expected = stack(data, [3, 1], 40, seed=7, normalise=False, allow_repeats=True)
    assert torch.equal(config.batch(data, [3, 1], seed=7).xyz, expected.xyz)


def test_read_config__points() -> None:
    with pytest.raises(ValueError, match="points must be at least 1, got 0"):
        ReadConfig(points=0)


def test_up__is_the_data_sets_own_unless_said() -> None:
    assert ReadConfig().up_in(_standing("z")) == "z"
    assert ReadConfig(up="x").up_in(_standing("z")) == "x"
    assert up_of(hold_out(_standing("z")).train) == "z"
    assert up_of(open_dataset("synthetic:9")) == "y"


def test_up__of_the_public_layouts(tmp_path: Path) -> None:
    for folder in ("off", "h5", "rooms"):
        (tmp_path / folder).mkdir()
    assert up_of(open_dataset(f"modelnet10:{layouts.modelnet_off(tmp_path / 'off')}")) == "z"
    assert up_of(open_dataset(f"modelnet40:{layouts.modelnet_h5(tmp_path / 'h5')}")) == "y"
    assert up_of(open_dataset(f"s3dis:{layouts.s3dis_rooms(tmp_path / 'rooms')}")) == "z"


def test_up__goes_into_a_store_and_comes_back(tmp_path: Path) -> None:
    pack(_standing("z"), tmp_path / "own")
    pack(_standing("z"), tmp_path / "said", up="x")
    assert (up_of(open_dataset(tmp_path / "own")), up_of(open_dataset(tmp_path / "said"))) == ("z", "x")


def test_up__of_a_mixture_must_agree() -> None:
    assert up_of(Mixture([(_standing("z"), 1.0), (_standing("z"), 2.0)])) == "z"
    with pytest.raises(SettingError, match="do not stand alike"):
        up_of(Mixture([(_standing("z"), 1.0), (_standing("y"), 2.0)]))


def test_oriented__fills_what_was_left_to_the_data_set_and_nothing_else() -> None:
    method = oriented(MMPointConfig(), "z")
    assert (method.pictures.up, method.augment.up) == ("z", "z")
    assert oriented(AugmentConfig(up="x"), "z").up == "x"
    assert oriented(OptimConfig(), "z") == OptimConfig()


def test_pretrain__rotates_about_the_axis_of_the_data_set(tmp_path: Path) -> None:
    def loss(name: str, up: str, said: str | None = None) -> float:
        reading = ReadConfig(points=24, up=said)  # type: ignore[arg-type]
        data = DataConfig(reading=reading, batch_size=4, augment=AugmentConfig(rotation="up"))
        run = Run.open(pretrain(tiny_config(data=data, steps=1), tmp_path / name, data=_standing(up)))
        assert run.reading.up == (said or up)
        assert run.config.data.reading.up == said  # the settings say what was asked for, the record what was done
        return float(run.metrics()[0]["loss"])

    assert loss("z", "z") == loss("z said", "y", "z")
    assert loss("y", "y") != loss("z again", "z")
