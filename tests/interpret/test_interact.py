"""Values of real networks: both ways against each other and against single masked clouds, resumed, and refused."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones import DGCNN, DGCNNConfig, PointNet, PointNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, RunError, SettingError
from pointssl.interpret import InteractConfig, interact, max_pooled, memory, table
from pointssl.interpret.players import Clouds, gather, given
from pointssl.ops.games.coalitions import Masking, log_odds, mask
from tests.interpret import networks
from tests.interpret.networks import Counting, EncoderAndHead, Planted

SMALL = InteractConfig(clouds=4, regions=5, reading=ReadConfig(points=40), device="cpu")


def _settings(**change: Any) -> InteractConfig:
    return dataclasses.replace(SMALL, **change)


@pytest.mark.parametrize("how", get_args(Masking))
@pytest.mark.parametrize("activate", [False, True])
def test_interact__max_pooled_way_is_the_batched_way(how: Masking, activate: bool) -> None:
    network, data = EncoderAndHead(activate=activate), networks.clouds()
    fast = interact({"a": network}, data, _settings(masking=how))["a"]
    slow = interact({"a": network}, data, _settings(masking=how, max_pooled=False))["a"]
    np.testing.assert_allclose(fast.v, slow.v, atol=1e-5 * float(np.abs(slow.v).max()), rtol=0)
    np.testing.assert_array_equal(fast.predicted, slow.predicted)
    assert np.ptp(slow.v) > 0.01


@pytest.mark.parametrize("how", get_args(Masking))
def test_interact__a_head_that_is_no_sequence_and_regions_without_points(how: Masking) -> None:
    data = networks.clouds()
    network = EncoderAndHead(head=_Head())
    found = gather(data, _settings())
    hollow = Clouds(found.index, found.label, found.xyz, np.where(found.region == 2, 3, found.region))
    fast = interact({"a": network}, data, _settings(masking=how), clouds=hollow)["a"]
    slow = interact({"a": network}, data, _settings(masking=how, max_pooled=False), clouds=hollow)["a"]
    np.testing.assert_allclose(fast.v, slow.v, atol=1e-5 * float(np.abs(slow.v).max()), rtol=0)
    dummy = [number for number in range(32) if number >> 2 & 1]
    assert float(slow.dividends()[:, dummy].abs().max()) < 1e-5  # a region without points does nothing


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(20, 3)

    def forward(self, pooled: Tensor) -> Tensor:
        scores: Tensor = self.only(pooled.tanh())
        return scores


def test_interact__values_are_those_of_one_masked_cloud_at_a_time() -> None:
    network, data = Counting(networks.spread), networks.clouds()
    found = interact({"a": network}, data, _settings(batch=7))["a"]
    for row, number in ((0, 0), (1, 31), (2, 5), (3, 20)):
        kept = torch.tensor([[[bool(number >> i & 1) for i in range(5)]]])
        xyz, region = torch.from_numpy(found.xyz[row]), torch.from_numpy(found.region[row])
        logits = networks.spread(mask(xyz[None], region[None], kept)[0]).double()
        expected = log_odds(logits, torch.tensor([int(found.label[row])]))
        assert found.v[row, number] == pytest.approx(float(expected), abs=1e-6)


def test_interact__planted_regions_are_found_and_nothing_else() -> None:
    data = networks.clouds(count=1, classes=2)
    found = gather(data, _settings(clouds=1))
    needed = torch.stack([torch.from_numpy(found.xyz[0, found.region[0] == k][0]) for k in (0, 2, 3)])
    made = interact({"planted": Planted(needed)}, data, _settings(clouds=1), clouds=found)["planted"]
    expected = np.zeros(32)
    expected[0b01101] = 5.0
    np.testing.assert_allclose(made.dividends()[0].numpy(), expected, atol=1e-9)


def test_interact__a_forward_that_is_no_head_of_the_max_takes_the_batched_way() -> None:
    network = EncoderAndHead()
    turned = _Turned(network)
    assert max_pooled.parts(turned) is not None
    found = interact({"a": turned}, networks.clouds(), SMALL)["a"]
    plain = interact({"a": network}, networks.clouds(), SMALL)["a"]
    exact = interact({"a": turned}, networks.clouds(), _settings(max_pooled=False))["a"]
    np.testing.assert_array_equal(found.v, exact.v)
    assert np.abs(found.v - plain.v).max() > 1e-3


class _Turned(nn.Module):
    """Shows the clouds upside down to an encoder and a head that look like all others."""

    def __init__(self, network: EncoderAndHead) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def forward(self, xyz: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(-xyz).pooled)
        return logits


def test_parts__networks_that_do_not_pool_by_max() -> None:
    torch.manual_seed(0)
    assert max_pooled.parts(networks.Counting(networks.spread)) is None
    network = EncoderAndHead()
    network.backbone = PointNet(PointNetConfig(transforms=True))
    assert max_pooled.parts(network) is None
    other = nn.ModuleDict({"backbone": DGCNN(DGCNNConfig(k=3, widths=(4,), pooled_dim=8)), "head": nn.Linear(8, 3)})
    assert max_pooled.parts(other) is None


def test_interact__every_network_sees_the_same_clouds_and_keeps_its_mode() -> None:
    a, b = EncoderAndHead(seed=0), EncoderAndHead(seed=1)
    b.backbone.train()
    found = interact({"a": a, "b": b}, networks.clouds(count=12), SMALL)
    assert table.same_question(found["a"], found["b"])
    assert sorted(found["a"].label.tolist()) in ([0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2])  # as many of each class
    assert not a.training
    assert b.backbone.training
    assert b.backbone.pool.training
    assert not b.training
    assert not np.array_equal(found["a"].v, found["b"].v)


def test_interact__predicted_class_and_other_scores() -> None:
    network, data = EncoderAndHead(), networks.clouds()
    found = interact({"a": network}, data, _settings(target="predicted", score="logit"))["a"]
    with torch.no_grad():
        logits = network(torch.from_numpy(found.xyz))
    np.testing.assert_array_equal(found.predicted, logits.argmax(dim=1).numpy())
    np.testing.assert_allclose(found.v[:, -1], logits.amax(dim=1).numpy(), atol=1e-5)


def test_interact__stopped_in_between_goes_on_and_finds_the_same(tmp_path: Path) -> None:
    data, settings = networks.clouds(count=20), _settings(clouds=20)
    whole = interact({"a": Counting(networks.spread)}, data, settings)["a"]
    stopping = Counting(networks.spread)

    def stop(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if stopping.seen > 32 * 12:
            raise KeyboardInterrupt

    handle = stopping.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        interact({"a": stopping}, data, settings, out=tmp_path)
    assert not (tmp_path / "a.npz").exists()
    handle.remove()
    again = Counting(networks.spread)
    found = interact({"a": again}, data, settings, out=tmp_path)["a"]
    np.testing.assert_array_equal(found.v, whole.v)
    assert again.seen < 20 * 32  # eight of the twenty clouds were there
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]
    idle = Counting(networks.spread)
    np.testing.assert_array_equal(interact({"a": idle}, data, settings, out=tmp_path)["a"].v, whole.v)
    assert idle.seen == 0
    other = Counting(networks.spread)
    torch.nn.init.ones_(other.weight)
    interact({"a": other}, data, settings, out=tmp_path)
    assert other.seen > 0  # other weights are another question


def test_interact__nan_for_a_masked_cloud_is_told_with_the_regions() -> None:
    def divides(xyz: Tensor) -> Tensor:
        spread = xyz.std(dim=1)
        return networks.spread(xyz) * (spread / spread)[:, :1]

    with pytest.raises(RunError, match=r"bad, cloud \d: the logits are NaN or infinite for 1 of 32 .* nothing is kept"):
        interact({"bad": Counting(divides)}, networks.clouds(), SMALL)


def test_interact__dropout_inside_forward_is_noticed() -> None:
    def drops(xyz: Tensor) -> Tensor:
        return nn.functional.dropout(networks.spread(xyz), 0.5, training=True)

    with pytest.raises(RunError, match="loose gives other logits when it is called again"):
        interact({"loose": Counting(drops)}, networks.clouds(), SMALL)


def test_interact__classes_that_are_not_the_datas() -> None:
    with pytest.raises(DataError, match="a tells 3 classes apart, but cubes/test has 2 classes"):
        interact({"a": EncoderAndHead()}, networks.clouds(classes=2), SMALL)
    named = EncoderAndHead()
    named.classes = ("class0", "class1", "lamp")  # type: ignore[assignment]
    with pytest.raises(DataError, match="they differ in class2, lamp"):
        interact({"a": named}, networks.clouds(), SMALL)
    named.classes = ("class1", "class0", "class2")  # type: ignore[assignment]
    with pytest.raises(DataError, match="the same names in another order"):
        interact({"a": named}, networks.clouds(), SMALL)


def test_interact__more_regions_than_points() -> None:
    with pytest.raises(ValueError, match=r"regions must be at most the number of points \(8\), got 9"):
        InteractConfig(regions=9, reading=ReadConfig(points=8))


def test_interact__more_regions_than_coalitions_can_be_tried_for() -> None:
    with pytest.raises(SettingError, match=r"regions must be at most 16 .* estimates for more"):
        interact({"a": EncoderAndHead()}, networks.clouds(), _settings(regions=17))


def test_interact__too_little_memory_is_told_before_with_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda: memory.needed(4, 4))
    with pytest.raises(SettingError, match=r"regions = 5 with 4 clouds needs .* is free; regions = 4 fits"):
        interact({"a": EncoderAndHead()}, networks.clouds(), SMALL)
    monkeypatch.setattr(memory, "free", lambda: 10)
    with pytest.raises(SettingError, match="take fewer clouds"):
        interact({"a": EncoderAndHead()}, networks.clouds(), SMALL)


def test_free_memory__is_something() -> None:
    assert (memory.free() or 1) > 0


def test_interact__data_without_labels_and_no_network() -> None:
    bare = ArrayDataset(np.zeros((2, 50, 3), dtype=np.float32), name="bare")
    with pytest.raises(DataError, match="bare has no labels"):
        interact({"a": EncoderAndHead()}, bare, SMALL)
    with pytest.raises(SettingError, match="at least one classifier"):
        interact({}, networks.clouds(), SMALL)
    with pytest.raises(SettingError, match="plain word without slashes, got 'a/b'"):
        interact({"a/b": EncoderAndHead()}, networks.clouds(), SMALL)


def test_interact__something_that_gives_no_logits() -> None:
    with pytest.raises(SettingError, match=r"must map clouds \(2, points, 3\) to logits .* got a tensor of shape"):
        interact({"a": Counting(lambda xyz: xyz.mean(dim=(1, 2)))}, networks.clouds(), SMALL)


def test_players__regions_of_the_callers_own() -> None:
    data, network = networks.clouds(), EncoderAndHead()
    found = gather(data, SMALL)
    halves = (found.xyz[:, :, 0] > 0).astype(np.int64)
    own = given(data, found.index, found.xyz, halves)
    made = interact({"a": network}, data, _settings(regions=2), clouds=own)["a"]
    np.testing.assert_array_equal(made.region, halves)
    assert made.v.shape == (4, 4)
    with pytest.raises(SettingError, match="regions must be at least 5 for these clouds, got 2"):
        interact({"a": network}, data, _settings(regions=2), clouds=found)


def test_players__parts_of_the_data_stay_with_their_points() -> None:
    xyz = np.random.default_rng(0).uniform(-1, 1, (3, 60, 3)).astype(np.float32)
    part = 4 + 3 * (xyz[..., :1] > 0)  # two parts, called 4 and 7
    data = ArrayDataset(xyz, name="parts", labels=[0, 1, 0], classes=("a", "b"), channels={"part": part})
    chosen = _settings(
        segmentation="parts", clouds=3, regions=3, reading=dataclasses.replace(SMALL.reading, normalise=False)
    )
    found = gather(data, chosen)
    np.testing.assert_array_equal(found.region, (found.xyz[..., 0] > 0).astype(np.int64))
    with pytest.raises(DataError, match="cubes/test has no part labels"):
        gather(networks.clouds(), _settings(segmentation="parts"))
