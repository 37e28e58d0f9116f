"""A note says where the encoder saw the test clouds in pre-training, by the clouds themselves and not by their name."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.evaluation import suite
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.train.pretrain import pretrain
from tests.doubles import tiny_config


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set in one file: two classes, sixteen training clouds, eight test clouds."""
    random = np.random.default_rng(0)
    file = tmp_path / "sets" / "two.npz"
    file.parent.mkdir()
    split = np.array([0] * 16 + [1] * 8)
    points = random.normal(size=(24, 32, 3)).astype(np.float32)
    np.savez(file, points=points, label=np.arange(24) % 2, split=split, classes=np.array(["a", "b"]))
    return file


def settings(**changes: object) -> PretrainConfig:
    return tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=4, **changes), steps=1)  # type: ignore[arg-type]


def notes(run: Path, data: object) -> list[str]:
    found = suite.evaluate(run, data, protocols=("knn-1",), seeds=(0,))  # type: ignore[arg-type]
    return [note for note in found.notes if "test clouds were in the pre-training data" in note]


def test_note__is_given_where_all_clouds_were_trained_on(data: Path, tmp_path: Path) -> None:
    run = pretrain(settings(source=str(data)), tmp_path / "run")
    assert len(notes(run, str(data))) == 1
    # The same file by another path, and as data sets that were opened before.
    assert len(notes(run, str(data.parent / "." / ".." / "sets" / "two.npz"))) == 1


def test_note__is_not_given_for_the_training_split(data: Path, tmp_path: Path) -> None:
    run = pretrain(settings(source=str(data), split="train"), tmp_path / "run")
    assert notes(run, str(data)) == []


def test_note__knows_objects_that_were_passed(data: Path, tmp_path: Path) -> None:
    train, test = open_dataset(str(data), "train"), open_dataset(str(data), "test")
    assert len(notes(pretrain(settings(), tmp_path / "a", data=test), (train, test))) == 1
    assert notes(pretrain(settings(), tmp_path / "b", data=train), (train, test)) == []
