"""What every pretext task promises, over `METHODS`, on the small networks that it can be put around."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pointssl.backbones import Backbone, DGCNNConfig, PatchTransformerConfig, PointNetConfig, build_backbone
from pointssl.backbones.image import ResNetConfig
from pointssl.data.batches import stack
from pointssl.data.reading import ReadConfig
from pointssl.data.synthetic import SyntheticShapes
from pointssl.errors import Interrupted
from pointssl.methods import METHODS, ParAEConfig, PretextMethod, STRLConfig, build_method
from pointssl.methods.pictures import PictureConfig
from pointssl.ops.batch_rng import Draws
from pointssl.runs import layout
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.run import load
from pointssl.runs.weights import read_tensors
from pointssl.train.loop import Step
from pointssl.train.observe import Observer
from pointssl.train.pretrain import pretrain
from pointssl.types import CloudBatch, StepOutput

SMALL: dict[str, dict[str, Any]] = {
    "mm-point": {"image": ResNetConfig(width=4, channels=1), "pictures": PictureConfig(size=32)},
    "crosspoint": {"image": ResNetConfig(width=4, channels=1), "pictures": PictureConfig(size=32)},
    "rotation3d": {"rotations": 6},
    "autoencoder": {"points": 64},
    "folding": {"code": 32, "side": 8, "hidden": 32},
    "occo": {"coarse": 32, "side": 2, "hidden": 32, "pixels": 32},
    "point-mae": {"depth": 1, "heads": 2},
    "point-jepa": {"width": 16, "depth": 1, "heads": 2, "momentum": (0.9, 1.0)},
    "point-contrast": {"pairs": 16, "dim": 8, "head": (16,)},
    "iae": {"queries": 128, "width": 16, "blocks": 2},
    "mix": {"tasks": (ParAEConfig(), STRLConfig(hidden=32, dim=16))},
    "distillation": {"prototypes": 32, "hidden": 32, "bottleneck": 64, "local_crops": 1, "momentum": 0.99},
    "strl": {"hidden": 32, "dim": 16, "momentum": 0.9},
}
"""What is made smaller than the default, to spare time."""
ROOT = Path(__file__).parents[2]
BACKBONES: dict[str, Any] = {
    "pointnet": PointNetConfig(local=(16,), hidden=(16,), pooled_dim=32),
    "dgcnn": DGCNNConfig(k=4, widths=(8, 8), pooled_dim=32),
    "patch-transformer": PatchTransformerConfig(patches=8, patch_points=8, width=24, depth=2, heads=2),
}
OF_PATCHES = ("point-mae", "point-jepa")
"""Methods that hide patches and so need a network that cuts them."""

AIM = {"distillation": "disagreement"}
"""What falls in place of the loss, where a target that becomes less certain lifts that."""


def backbones_of(name: str) -> tuple[str, ...]:
    """Return the networks that a method is tried on, the first one in most tests."""
    return ("patch-transformer",) if name in OF_PATCHES else ("pointnet", "dgcnn")


def fresh(name: str, backbone: str | None = None, seed: int = 0) -> PretextMethod:
    """Build a method around a small network, all weights drawn from `seed`."""
    torch.manual_seed(seed)
    encoder: Backbone = build_backbone(BACKBONES[backbone or backbones_of(name)[0]])
    return build_method(METHODS[name][0](**SMALL.get(name, {})), encoder)


def without_gradient(method: PretextMethod) -> list[str]:
    """Name the parameters that training would not reach; teachers want no gradient and have none."""
    named = dict(method.named_parameters())
    assert all(p.grad is None for p in named.values() if not p.requires_grad)
    wanting = {name: p.grad for name, p in named.items() if p.requires_grad}
    return [name for name, grad in wanting.items() if grad is None or not grad.isfinite().all()]


def score(method: PretextMethod, xyz: Tensor, seed: int = 0) -> Tensor:
    """Return the loss of one batch, with all chance drawn from `seed`."""
    torch.manual_seed(seed)
    output: StepOutput = method(CloudBatch(xyz=xyz), torch.Generator().manual_seed(seed))
    return output.loss


@pytest.fixture(scope="module")
def shapes() -> Tensor:
    """Sixteen generated shapes of 128 points."""
    return stack(SyntheticShapes(16, points=256), range(16), 128, seed=0).xyz


@pytest.mark.parametrize("name", METHODS)
def test_list__builds_the_class_it_names(name: str) -> None:
    method = fresh(name)
    assert type(method) is METHODS[name][1]
    assert isinstance(method.backbone, Backbone)


@pytest.mark.parametrize(
    ("name", "backbone"), [(name, backbone) for name in METHODS for backbone in backbones_of(name)]
)
def test_forward__every_parameter_gets_a_gradient(name: str, backbone: str, shapes: Tensor) -> None:
    method = fresh(name, backbone)
    loss = score(method, shapes)
    assert loss.dtype == torch.float32
    loss.backward()
    assert without_gradient(method) == []
    assert all(not value.requires_grad for value in method(CloudBatch(xyz=shapes)).logs.values())


@pytest.mark.parametrize("name", METHODS)
def test_forward__same_seed_same_loss(name: str, shapes: Tensor) -> None:
    assert torch.equal(score(fresh(name), shapes), score(fresh(name), shapes))
    assert not torch.equal(score(fresh(name, seed=1), shapes), score(fresh(name), shapes))


@pytest.mark.parametrize("case", ["flat", "line", "coincident", "tiny", "far away", "fewest points"])
@pytest.mark.parametrize("name", METHODS)
def test_forward__finite_on_degenerate_clouds(name: str, case: str) -> None:
    xyz = torch.randn(4, 64, 3)
    scale = {"flat": (1.0, 1, 0), "line": (1.0, 0, 0), "coincident": (0.0, 0, 0), "tiny": (1e-6, 1e-6, 1e-6)}
    xyz = xyz * torch.tensor(scale.get(case, (1.0, 1, 1)))
    if case == "far away":
        xyz = xyz + 1000
    method = fresh(name)
    if case == "fewest points":
        xyz = xyz[:, : max(method.min_points, method.backbone.min_points)]
    loss = score(method, xyz)
    loss.backward()
    assert loss.isfinite()
    assert without_gradient(method) == []


@pytest.mark.parametrize("name", METHODS)
def test_forward__close_under_bf16_autocast(name: str, shapes: Tensor) -> None:
    method = fresh(name)
    exact = score(method, shapes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = score(method, shapes)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", METHODS)
def test_state_dict__carries_the_whole_method(name: str, shapes: Tensor) -> None:
    method = fresh(name)
    score(method, shapes)  # moves the running statistics
    twin = fresh(name, seed=1)
    twin.load_state_dict(method.state_dict())
    assert torch.equal(score(twin.eval(), shapes), score(method.eval(), shapes))


@pytest.mark.parametrize("name", METHODS)
def test_resume__ends_with_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PretrainConfig(
        method=METHODS[name][0](**SMALL.get(name, {})),
        backbone=BACKBONES[backbones_of(name)[0]],
        data=DataConfig(reading=ReadConfig(points=64), batch_size=8),
        ema=0.9,
        steps=4,
        checkpoint_every=2,
    )
    shapes = SyntheticShapes(16, points=128)
    whole = pretrain(config, tmp_path / "whole", data=shapes)
    see = Observer.see

    def seeing(self: Observer, now: Step, *rest: Any) -> None:
        see(self, now, *rest)
        if now.index == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Observer, "see", seeing)
    with pytest.raises(Interrupted):
        pretrain(config, tmp_path / "stopped", data=shapes)
    again = pretrain(config, tmp_path / "stopped", data=shapes, resume=True)
    for file in (layout.WEIGHTS, layout.AVERAGE, layout.OPTIMIZER):
        one, two = (read_tensors(run / "checkpoints" / "step-00000004" / file) for run in (whole, again))
        assert one.keys() == two.keys()
        assert [key for key, value in one.items() if not torch.equal(value, two[key])] == []
    # What ships is the encoder and nothing else of the method.
    assert read_tensors(whole / layout.ENCODER / layout.WEIGHTS).keys() == load(whole).state_dict().keys()


@pytest.mark.parametrize("name", METHODS)
def test_training__lowers_the_loss_on_generated_shapes(name: str, shapes: Tensor) -> None:
    method = fresh(name)
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        optimiser.zero_grad()
        torch.manual_seed(step)
        output = method(CloudBatch(xyz=shapes), torch.Generator().manual_seed(step))
        output.loss.backward()
        optimiser.step()
        method.after_step((step + 1) / 30)
        losses.append((output.logs[AIM[name]] if name in AIM else output.loss).item())
    assert sum(losses[-5:]) < sum(losses[:5]) - 0.25


@pytest.mark.parametrize("name", METHODS)
def test_house__source_test_page_and_recipe_exist(name: str) -> None:
    from pointssl.app.recipes import RECIPES

    config, method = METHODS[name]
    module = sys.modules[method.__module__]
    assert "Source:" in (module.__doc__ or "")
    assert (ROOT / "tests" / "methods" / f"test_{module.__name__.split('.')[-1]}.py").is_file()
    assert (ROOT / "docs" / "methods" / f"{name}.md").is_file()
    assert [recipe for recipe, settings in RECIPES.items() if isinstance(settings.method, config)] != []


def test_house__every_page_has_its_method() -> None:
    assert {page.stem for page in (ROOT / "docs" / "methods").glob("*.md")} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_pages__a_method_says_what_is_shown_of_it(name: str, shapes: Tensor) -> None:
    method = fresh(name).eval()
    logged = method(CloudBatch(xyz=shapes), torch.Generator().manual_seed(0)).logs
    assert {figure.key for figure in method.figures} <= logged.keys()
    found = method.explain(shapes[:1])
    assert len(found.features) == shapes.shape[1]
    assert (found.assignment is None) == (found.mixture is None)
    draws = Draws(torch.Generator().manual_seed(0), 2)
    if not method.views:
        with pytest.raises(NotImplementedError, match="works with clouds alone"):
            method.see_views(CloudBatch(xyz=shapes[:2]), draws)
    else:
        seen = method.see_views(CloudBatch(xyz=shapes[:2]), draws)
        assert seen.given.shape == seen.changed.shape == (2, method.views, *seen.given.shape[2:])
        assert [len(row) for row in seen.captions] == [method.views] * 2
