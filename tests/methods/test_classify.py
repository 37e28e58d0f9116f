"""Supervised classification as a method: its loss, what the interaction loss adds to it and what that leaves alone."""

import dataclasses

import pytest
import torch

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.methods import METHODS, SUPERVISED, Classify, ClassifyConfig, build_method
from pointssl.methods.interaction import InteractionConfig
from pointssl.types import CloudBatch

INTERACTION = InteractionConfig(regions=5, low=(1, 2), high=(4, 5), alpha=0.5, ramp=0.0)
CONFIG = ClassifyConfig(classes=3, hidden=(8,), dropout=0.0)


def fresh(config: ClassifyConfig, seed: int = 0, backbone: object = None) -> Classify:
    torch.manual_seed(seed)
    given = backbone or PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)
    made = build_method(config, build_backbone(given))  # type: ignore[arg-type]
    assert isinstance(made, Classify)
    return made


def batch(b: int = 6) -> CloudBatch:
    torch.manual_seed(5)
    return CloudBatch(xyz=torch.randn(b, 40, 3), label=torch.arange(b) % 3)


def test_list__is_apart_from_the_pretext_tasks() -> None:
    assert SUPERVISED["classify"] == (ClassifyConfig, Classify)
    assert "classify" not in METHODS


def test_loss__is_the_cross_entropy_of_its_logits() -> None:
    made, given = fresh(CONFIG).eval(), batch()
    output = made(given)
    label = torch.arange(6) % 3
    expected = torch.nn.functional.cross_entropy(made.logits(given.xyz), label)
    torch.testing.assert_close(output.loss, expected)
    right = made.logits(given.xyz).argmax(dim=1).eq(label).float().mean()
    assert output.logs["train_accuracy"] == right


def test_loss__interaction_is_added_with_its_weight() -> None:
    made = fresh(dataclasses.replace(CONFIG, interaction=INTERACTION))
    output = made(batch(), torch.Generator().manual_seed(0))
    logs = output.logs
    assert output.loss.item() == pytest.approx(logs["cross_entropy"].item() + 0.5 * logs["interaction"].item())
    parts = logs["interaction_low"] - logs["interaction_high"]
    torch.testing.assert_close(parts, logs["interaction"])
    assert all(not value.requires_grad for value in logs.values())


@pytest.mark.parametrize("backbone", [None, DGCNNConfig(k=4, widths=(8, 8), pooled_dim=16)])
def test_statistics__are_bit_for_bit_those_without_the_interaction_loss(backbone: object) -> None:
    with_loss = fresh(dataclasses.replace(CONFIG, dropout=0.5, interaction=INTERACTION), backbone=backbone)
    without = fresh(dataclasses.replace(CONFIG, dropout=0.5), backbone=backbone)
    for made in (with_loss, without):
        for step in range(3):
            torch.manual_seed(step)
            made(batch(), torch.Generator().manual_seed(step)).loss.backward()
    kept = with_loss.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in without.state_dict().items())
    assert all(part.training for part in with_loss.modules())


def test_ways__same_loss_for_the_whole_method() -> None:
    one = fresh(dataclasses.replace(CONFIG, interaction=INTERACTION))
    slow = dataclasses.replace(INTERACTION, max_pooled=False)
    two = fresh(dataclasses.replace(CONFIG, interaction=slow))
    losses = [made(batch(), torch.Generator().manual_seed(1)).loss for made in (one, two)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


def test_forward__every_parameter_gets_a_gradient() -> None:
    made = fresh(dataclasses.replace(CONFIG, interaction=INTERACTION))
    made(batch(), torch.Generator()).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_after_step__is_in_the_state() -> None:
    made = fresh(dataclasses.replace(CONFIG, interaction=INTERACTION))
    made.after_step(0.25)
    twin = fresh(made.config, seed=1)
    twin.load_state_dict(made.state_dict())
    assert twin.interaction is not None
    assert (float(twin.interaction.progress), int(twin.interaction.updates)) == (0.25, 1)
    fresh(CONFIG).after_step(0.5)  # nothing to follow


def test_forward__refuses_clouds_without_labels() -> None:
    with pytest.raises(ValueError, match="batch must carry labels"):
        fresh(CONFIG)(CloudBatch(xyz=torch.randn(2, 40, 3)))


def test_config__refuses_what_cannot_be() -> None:
    for change, said in (
        ({"classes": 1}, "classes must be at least 2"),
        ({"hidden": (0,)}, "hidden must be positive"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing must be"),
    ):
        with pytest.raises(ValueError, match=said):
            ClassifyConfig(**change)
    with pytest.raises(ValueError, match=r"set method\.classes"):
        fresh(ClassifyConfig())
