"""Features are those of the encoder on the drawn points, in evaluation mode, and are kept on disk by content."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.batches import stack
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, RunError, SettingError
from pointssl.evaluation.features import EncodeConfig, encode, encode_cached
from pointssl.runs.weights import digest
from tests.evaluation.doubles import Extent, boxes

SMALL = PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)


def test_encode__is_the_maximum_by_hand() -> None:
    data = boxes((3, 2))
    rows = encode(Extent(), data, EncodeConfig(reading=ReadConfig(points=64, normalise=False)))
    clouds = np.stack([data.xyz(i) for i in range(5)])
    np.testing.assert_allclose(rows, np.concatenate([clouds.max(axis=1), -clouds.min(axis=1)], axis=1), rtol=1e-6)


def test_encode__does_not_depend_on_the_batch_size_and_keeps_the_mode() -> None:
    data, network = boxes((4, 3)), PointNet(SMALL).train()
    one = encode(network, data, EncodeConfig(reading=ReadConfig(points=16), batch_size=1), seed=3)
    many = encode(network, data, EncodeConfig(reading=ReadConfig(points=16), batch_size=5), seed=3)
    np.testing.assert_allclose(one, many, atol=1e-6)
    assert network.training  # batch norm would have made the sizes differ in training mode


def test_encode__draws_the_points_of_the_seed() -> None:
    data = boxes((4,))
    batch = stack(data, np.arange(4), 8, seed=5)
    expected = Extent()(batch.xyz).pooled.detach().numpy()
    np.testing.assert_allclose(encode(Extent(), data, EncodeConfig(reading=ReadConfig(points=8)), seed=5), expected)
    assert not np.allclose(encode(Extent(), data, EncodeConfig(reading=ReadConfig(points=8)), seed=6), expected)


def test_encode__bf16_is_close() -> None:
    data, network = boxes((4, 3)), PointNet(SMALL)
    exact = encode(network, data, EncodeConfig(reading=ReadConfig(points=32)))
    rounded = encode(network, data, EncodeConfig(reading=ReadConfig(points=32), bf16=True))
    np.testing.assert_allclose(rounded, exact, atol=0.05)  # bfloat16 has 8 bits: 2^-8 a product
    assert not np.array_equal(rounded, exact)


def test_encode__refuses_nothing_too_few_and_nan() -> None:
    data = boxes((2,))
    with pytest.raises(DataError, match="holds no clouds"):
        encode(Extent(), ArrayDataset(np.zeros((0, 4, 3), dtype=np.float32), name="void"), EncodeConfig())
    with pytest.raises(SettingError, match="points must be at least 2 for Extent, got 1"):
        encode(Extent(), data, EncodeConfig(reading=ReadConfig(points=1)))
    with pytest.raises(RunError, match="not finite for 2 of 2 clouds"):
        encode(Extent(float("nan")), data, EncodeConfig(reading=ReadConfig(points=4)))


def test_encode_cached__reads_what_the_same_weights_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, reading = boxes((3,)), EncodeConfig(reading=ReadConfig(points=8))
    first = encode_cached(Extent(), data, reading, tmp_path)
    monkeypatch.setattr(Extent, "forward", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(encode_cached(Extent(), data, reading, tmp_path), first)


@pytest.mark.parametrize("change", ["weights", "data", "points", "seed", "repeats"])
def test_encode_cached__any_change_is_another_file(change: str, tmp_path: Path) -> None:
    encode_cached(Extent(), boxes((3,)), EncodeConfig(reading=ReadConfig(points=8)), tmp_path)
    encode_cached(
        Extent(2.0 if change == "weights" else 1.0),
        boxes((3,), seed=int(change == "data")),
        EncodeConfig(reading=ReadConfig(points=9 if change == "points" else 8, allow_repeats=change == "repeats")),
        tmp_path,
        seed=int(change == "seed"),
    )
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_digest__sees_plain_settings_and_buffers() -> None:
    def layer(slope: float, mean: float) -> nn.Module:
        norm = nn.BatchNorm1d(2)
        assert norm.running_mean is not None
        norm.running_mean.fill_(mean)
        return nn.Sequential(nn.LeakyReLU(slope), norm)

    same = digest(layer(0.2, 0.0))
    assert same == digest(layer(0.2, 0.0).eval())
    assert len({same, digest(layer(0.1, 0.0)), digest(layer(0.2, 1.0))}) == 3


def test_digest__bf16_weights_have_one() -> None:
    assert digest(nn.Linear(2, 2).to(torch.bfloat16)) != digest(nn.Linear(2, 2))
