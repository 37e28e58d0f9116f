"""Segmentation: the loss by hand, points without a label, the class of a cloud, and an encoder that stays as it is."""

from dataclasses import replace

import pytest
import torch

from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.methods import METHODS, SUPERVISED, Segment, SegmentConfig, build_method
from pointssl.types import CloudBatch

CONFIG = SegmentConfig(parts=3, categories=0, hidden=(8,), dropout=0.0)


def fresh(config: SegmentConfig = CONFIG) -> Segment:
    torch.manual_seed(0)
    made = build_method(config, build_backbone(PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10)))
    assert isinstance(made, Segment)
    return made


def batch(label: torch.Tensor, category: torch.Tensor | None = None) -> CloudBatch:
    xyz = torch.randn(*label.shape, 3, generator=torch.Generator().manual_seed(1))
    return CloudBatch(xyz=xyz, label=category, point_label=label)


def test_list__is_supervised_and_no_pretext_task() -> None:
    assert SUPERVISED["segment"] == (SegmentConfig, Segment)
    assert "segment" not in METHODS


def test_loss__is_the_cross_entropy_of_labelled_points() -> None:
    method = fresh()
    label = torch.tensor([[0, 1, 2, -1], [2, -1, -1, 1]])
    given = batch(label)
    output = method(given)
    log_p = method.segmenter()(given.xyz).log_softmax(dim=-1)
    by_hand = [-log_p[b, n, label[b, n]] for b in range(2) for n in range(4) if label[b, n] >= 0]
    torch.testing.assert_close(output.loss, torch.stack(by_hand).mean())
    right = [(log_p[b, n].argmax() == label[b, n]).float() for b in range(2) for n in range(4) if label[b, n] >= 0]
    torch.testing.assert_close(output.logs["train_accuracy"], torch.stack(right).mean())


def test_loss__points_without_a_label_teach_nothing() -> None:
    method = fresh()
    output = method(batch(torch.full((2, 4), -1)))
    assert output.loss.item() == 0
    output.loss.backward()
    assert all((p.grad == 0).all() for p in method.parameters() if p.grad is not None)


def test_loss__reaches_every_parameter_and_is_float32_under_autocast() -> None:
    method = fresh(replace(CONFIG, categories=2))
    given = batch(torch.randint(3, (4, 16)), torch.tensor([0, 1, 1, 0]))
    with torch.autocast("cpu", torch.bfloat16):
        assert method(given).loss.dtype == torch.float32
    method(given).loss.backward()
    assert [name for name, p in method.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_category__is_one_hot_beside_the_pooled_feature() -> None:
    method = fresh(replace(CONFIG, categories=4)).eval()
    xyz = torch.randn(1, 16, 3)
    network = method.segmenter()
    logits = [network(xyz, torch.tensor([category])) for category in range(4)]
    assert not torch.allclose(logits[0], logits[1])
    with torch.no_grad():
        method.head.context.weight[:, 10 + 1] = method.head.context.weight[:, 10]  # 10 pooled, then the classes
    torch.testing.assert_close(network(xyz, torch.tensor([0])), network(xyz, torch.tensor([1])))
    with pytest.raises(ValueError, match="category must be given"):
        network(xyz)


def test_frozen__encoder_keeps_weights_and_statistics() -> None:
    method = fresh(replace(CONFIG, frozen=True))
    before = {name: value.clone() for name, value in method.backbone.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    method.train()
    head = method.head.scores.weight.clone()
    method(batch(torch.randint(3, (4, 16)))).loss.backward()
    optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in method.backbone.state_dict().items())
    assert not torch.equal(method.head.scores.weight, head)
    assert not method.backbone.training
    assert method.head.training


def test_faults__are_named() -> None:
    with pytest.raises(ValueError, match="batch must carry point labels"):
        fresh()(CloudBatch(xyz=torch.randn(2, 8, 3)))
    with pytest.raises(ValueError, match="parts must be at least 2 and categories a number"):
        fresh(SegmentConfig())
    for wrong in ({"parts": 1}, {"categories": -1}, {"hidden": ()}, {"dropout": 1.0}, {"votes": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            SegmentConfig(**wrong)
    with pytest.raises(ValueError, match="point_fraction must be"):
        SegmentConfig(point_fraction=0.0)
