"""Both arms get the same recipe and seeds, training learns, and finished arms are not trained twice."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.errors import DataError, TrainingStopped
from pointssl.evaluate import finetune as module
from pointssl.evaluate.features import Reading
from pointssl.evaluate.finetune import Labelled, finetune, finetune_cached
from pointssl.evaluate.recipes import RECIPES, FinetuneConfig
from pointssl.runs.config import OptimConfig
from pointssl.runs.weights import digest
from tests.evaluate.doubles import boxes

READING = Reading(points=32)
QUICK = FinetuneConfig(
    epochs=2, batch_size=8, hidden=(16,), dropout=0.1, augment=AugmentConfig(), optim=OptimConfig(lr=0.01)
)


def _network() -> PointNet:
    torch.manual_seed(1)
    return PointNet(PointNetConfig(local=(16,), hidden=(16,), pooled_dim=32))


def _data(each: int = 12, seed: int = 0) -> Labelled:
    data = boxes((each, each, each), seed=seed)
    assert data.labels is not None
    return Labelled(data, np.arange(len(data)), data.labels)


def test_finetune__learns_to_tell_boxes_apart() -> None:
    longer = dataclasses.replace(QUICK, epochs=14)
    result = finetune(_network(), _data(), _data(seed=1), 3, longer, READING, seed=0)
    assert result.losses[-1] < 0.5 * math.log(3)  # a guess costs ln 3
    assert result.last > 0.8  # a guess is right in 1/3
    assert result.best >= result.last
    assert result.last == pytest.approx(np.mean(np.array(result.predictions) == _data(seed=1).label))


def test_finetune__is_a_function_of_the_seed_and_leaves_the_encoder_alone() -> None:
    network = _network()
    before = digest(network)
    torch.manual_seed(5)
    first = finetune(network, _data(), _data(seed=1), 3, QUICK, READING, seed=0)
    torch.manual_seed(6)
    assert finetune(network, _data(), _data(seed=1), 3, QUICK, READING, seed=0) == first
    assert finetune(network, _data(), _data(seed=1), 3, QUICK, READING, seed=1).losses != first.losses
    assert digest(network) == before


def test_finetune__does_not_disturb_the_callers_randomness() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    finetune(_network(), _data(2), _data(2), 3, dataclasses.replace(QUICK, epochs=1), READING, seed=0)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), expected)


def test_finetune__a_last_batch_of_one_is_left_out() -> None:
    data = _data(3)  # 9 clouds in batches of 8
    result = finetune(_network(), data, data, 3, dataclasses.replace(QUICK, epochs=1), READING, seed=0)
    assert math.isfinite(result.losses[0])


def test_finetune__refuses_one_cloud_and_stops_on_nan() -> None:
    data = _data(2)
    with pytest.raises(DataError, match="at least 2 clouds to learn from"):
        finetune(_network(), Labelled(data.dataset, data.index[:1], data.label[:1]), data, 3, QUICK, READING, seed=0)
    broken = _network()
    torch.nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(TrainingStopped, match="diverged in epoch 1"):
        finetune(broken, data, data, 3, QUICK, READING, seed=0)


def test_finetune_cached__a_finished_arm_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, short = _data(2), dataclasses.replace(QUICK, epochs=1)
    first = finetune_cached(_network(), data, data, 3, short, READING, tmp_path, seed=0)
    finetune_cached(_network(), data, data, 3, short, READING, tmp_path, seed=1)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(module, "finetune", lambda *_, **__: pytest.fail("trained again"))
    assert finetune_cached(_network(), data, data, 3, short, READING, tmp_path, seed=0) == first


def test_recipes__published_values() -> None:
    dgcnn, occo = RECIPES["dgcnn"], RECIPES["occo-pointnet"]
    assert (dgcnn.optim.kind, dgcnn.optim.lr, dgcnn.optim.final_lr, dgcnn.label_smoothing) == ("sgd", 0.1, 1e-3, 0.2)
    assert (occo.optim.kind, occo.optim.lr, occo.optim.step_factor, occo.batch_size) == ("adam", 1e-3, 0.5, 24)
    assert occo.augment.is_none


def test_finetune_config__refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1"):
        FinetuneConfig(batch_size=1)
    with pytest.raises(ValueError, match="label_smoothing must be at least 0 and below 1"):
        FinetuneConfig(label_smoothing=1.0)
