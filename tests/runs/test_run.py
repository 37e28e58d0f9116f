"""A run knows what it is: what it was trained on, by which network, and what it takes to open it again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones import PointNet, PointNetConfig
from pointssl.backbones.adapt import Adapted
from pointssl.backbones.image import AdaptedImages
from pointssl.data.cloud import Dataset
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError
from pointssl.evaluation.embed import embed
from pointssl.evaluation.suite import evaluate
from pointssl.methods import MMPoint, MMPointConfig, ParAE, ParAEConfig
from pointssl.methods.pictures import PictureConfig
from pointssl.runs.config import DataConfig
from pointssl.runs.passed import Passed
from pointssl.runs.run import Run, load
from pointssl.show.run.report import write_report
from pointssl.train.pretrain import pretrain
from tests.doubles import tiny_config

CONFIG = tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=4), steps=2)


class Foreign(nn.Module):
    """A network that knows nothing of the library."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4))

    def forward(self, xyz: Tensor) -> Tensor:
        features: Tensor = self.layers(xyz)
        return features


def foreign() -> Adapted:
    return Adapted(Foreign(), point_dim=4, pooled_dim=6)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of labelled files with a training and a test split."""
    root = tmp_path_factory.mktemp("made") / "clouds"
    for split, count in (("train", 8), ("test", 4)):
        for number in range(count):
            place = root / split / ("cup", "jug")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            np.savetxt(place / f"{number}.xyz", np.random.default_rng([count, number]).normal(size=(32, 3)))
    return root


def test_run__the_readme_example_names_the_clouds_that_were_given(clouds: Path, tmp_path: Path) -> None:
    run = Run.open(pretrain(CONFIG, tmp_path / "run", data=open_dataset(clouds)))
    assert run.config.data.source is None  # an object was passed: nothing can open it again
    assert run.trained_on is not None
    assert (run.trained_on.name, run.trained_on.clouds) == ("clouds/all", 12)
    found = evaluate(run, clouds, protocols=("knn-1",), seeds=(0,))
    assert found.pretraining == "clouds/all (12 clouds)"
    assert found.notes == ("test clouds were in the pre-training data (clouds/all (12 clouds)), without labels",)
    page = write_report(run, shapes=1).read_text(encoding="utf-8")
    assert "the run was given its clouds as an object" in page
    assert "synthetic" not in page
    page = write_report(run, tmp_path / "shown", data=clouds, shapes=1).read_text(encoding="utf-8")
    assert "clouds/all" in page


@pytest.mark.parametrize("form", ["word", "path", "pair"])
def test_run__trained_on_the_training_split_has_not_seen_the_test_clouds(
    clouds: Path, tmp_path: Path, form: str
) -> None:
    data: object = {"word": str(clouds), "path": clouds, "pair": (clouds, clouds)}[form]
    config = tiny_config(data=DataConfig(reading=ReadConfig(points=24), split="train", batch_size=4), steps=1)
    if form == "pair":
        data = (open_dataset(clouds, "train"), open_dataset(clouds, "test"))
    run = Run.open(pretrain(config, tmp_path / "run", data=data))  # type: ignore[arg-type]
    assert run.trained_on is not None
    assert run.trained_on.name == "clouds/train"
    assert run.config.data.source == (None if form == "pair" else str(clouds))
    assert evaluate(run, clouds, protocols=("knn-1",), seeds=(0,)).notes == ()


def test_run__a_leak_is_found_whatever_the_path_looks_like(
    clouds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pretrain(CONFIG, tmp_path / "run", data=str(clouds))
    monkeypatch.chdir(clouds.parent)
    for same in ("clouds", "./clouds", Path("clouds")):
        assert len(evaluate(run, same, protocols=("knn-1",), seeds=(0,), out=tmp_path / "out").notes) == 1


def test_pretrain__forgotten_clouds_are_an_error_and_no_toys(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no clouds are named: give --data PATH"):
        pretrain(CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_run__own_network_is_opened_by_passing_it(clouds: Path, tmp_path: Path) -> None:
    folder = pretrain(CONFIG, tmp_path / "run", data=clouds, backbone=foreign())
    assert Run.open(folder).config.backbone == Passed(class_name="Adapted")
    net = foreign()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    run = Run.open(folder, backbone=net)
    xyz = torch.randn(2, 24, 3)
    trained = run.encoder()(xyz).pooled
    assert not torch.equal(trained, net.eval()(xyz).pooled)
    assert torch.equal(load(folder, backbone=net)(xyz).pooled, trained)
    assert torch.equal(run.method().backbone(xyz).pooled, trained)
    assert torch.equal(run.untrained(3)(xyz).pooled, run.untrained(3)(xyz).pooled)
    assert not torch.equal(run.untrained(3)(xyz).pooled, run.untrained(4)(xyz).pooled)
    assert not torch.equal(run.untrained(3)(xyz).pooled, trained)
    found = evaluate(folder, clouds, backbone=net, protocols=("knn-1",), seeds=(0,))
    assert {score.arm for score in found.scores} == {"pretrained", "untrained"}
    assert embed(folder, clouds, tmp_path / "e.npz", backbone=net).features.shape == (12, 6)
    assert "Untrained" in write_report(folder, backbone=net, shapes=1).read_text(encoding="utf-8")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_run__own_network_that_is_not_passed_says_so_first(clouds: Path, tmp_path: Path) -> None:
    folder = pretrain(CONFIG, tmp_path / "run", data=clouds, backbone=foreign())
    told = r"^the backbone of .*run was passed as an object \(Adapted\).*pointssl\.Run\.open\(.*backbone=\.\.\.\)$"
    for use in (
        lambda: load(folder),
        lambda: Run.open(folder).untrained(0),
        lambda: evaluate(folder, clouds),
        lambda: embed(folder, clouds, tmp_path / "e.npz"),
        lambda: write_report(folder),
    ):
        with pytest.raises(RunError, match=told):
            use()
    with pytest.raises(SettingError, match=r"^the backbone of this run was passed as an object \(Adapted\)"):
        pretrain(Run.open(folder).config, tmp_path / "other")


def test_run__own_network_of_another_shape_is_a_report_of_keys(clouds: Path, tmp_path: Path) -> None:
    folder = pretrain(CONFIG, tmp_path / "run", data=clouds, backbone=foreign())
    with pytest.raises(RunError, match="of another shape"):
        load(folder, backbone=Adapted(Foreign(), point_dim=4, pooled_dim=7))


def test_run__untrained_refuses_weights_that_nothing_draws(clouds: Path, tmp_path: Path) -> None:
    class Stubborn(Foreign):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1))

        def forward(self, xyz: Tensor) -> Tensor:
            return super().forward(xyz) + self.token

    net = Adapted(Stubborn(), point_dim=4, pooled_dim=6)
    folder = pretrain(CONFIG, tmp_path / "run", data=clouds, backbone=net)
    with pytest.raises(RunError, match=r"'network' \(Stubborn\) has weights .* reset_parameters\(\)"):
        Run.open(folder, backbone=net).untrained(0)


def test_run__our_network_passed_as_an_object_is_still_ours(clouds: Path, tmp_path: Path) -> None:
    small = PointNetConfig(local=(4,), hidden=(5,), pooled_dim=7)
    run = Run.open(pretrain(CONFIG, tmp_path / "run", data=clouds, backbone=PointNet(small)))
    assert run.config.backbone == small
    assert run.encoder().pooled_dim == 7
    assert isinstance(run.method(), ParAE)


def test_run__own_method_is_named_and_opened_by_passing_it(clouds: Path, tmp_path: Path) -> None:
    def mm_point() -> MMPoint:
        small = PointNet(PointNetConfig(local=(4,), hidden=(5,), pooled_dim=16))
        drawn = PictureConfig(kind="depth", size=16)
        settings = MMPointConfig(views=2, hidden=(8, 8), intra_dim=8, view_dim=8, pictures=drawn)
        return MMPoint(small, settings, AdaptedImages(Tiny(), 3, 1))

    folder = pretrain(CONFIG, tmp_path / "run", data=clouds, method=mm_point())
    run = Run.open(folder)
    assert run.config.method == Passed(class_name="MMPoint")
    assert run.encoder().pooled_dim == 16  # the settings no longer claim the default network
    with pytest.raises(RunError, match=r"^the method of .* was passed as an object \(MMPoint\)"):
        run.method()
    assert isinstance(Run.open(folder, method=mm_point()).method(), MMPoint)


class Tiny(nn.Module):
    """An image encoder of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(256, 3)

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.layer(images.flatten(1))
        return vectors


def test_run__method_of_parae_has_its_heads(clouds: Path, tmp_path: Path) -> None:
    run = Run.open(pretrain(CONFIG, tmp_path / "run", data=clouds))
    method = run.method()
    assert isinstance(method, ParAE)
    assert isinstance(run.config.method, ParAEConfig)
    with pytest.raises(RunError, match="holds an encoder, no classifier"):
        run.classifier()


def test_open_dataset__an_object_of_ones_own(clouds: Path) -> None:
    data: Dataset = open_dataset(clouds, "train")
    assert open_dataset(data) is data
    assert open_dataset((data, open_dataset(clouds, "test")), "train") is data
