"""Sets that are smaller than what is asked of them: fewer clouds than a batch, a class of one cloud."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, SettingError
from pointssl.evaluation.suite import evaluate
from pointssl.runs.config import DataConfig
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from tests.doubles import tiny_config


def place(root: Path, **clouds: int) -> Path:
    """Write so many clouds of each class, those of a class alike."""
    for number, (name, count) in enumerate(clouds.items()):
        (root / name).mkdir(parents=True)
        for place in range(count):
            cloud = np.random.default_rng(place).normal(size=(40, 3)) * (1, 1, 1 + 4 * number)
            np.savetxt(root / name / f"{name}{place}.xyz", cloud, fmt="%.4f")
    return root


@pytest.mark.case("57-batch-of-one")
@pytest.mark.parametrize(
    ("size", "reason"),
    [(1, "data.batch_size must be at least 2"), (8, "has 5 clouds, fewer than one batch of 8"), (2, None), (5, None)],
)
def test_pretrain__batches_of_one_and_more_than_there_are(tmp_path: Path, size: int, reason: str | None) -> None:
    data = place(tmp_path / "in", a=5)
    config = tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=size, workers=0), steps=3)
    if reason is None:
        run = Run.open(pretrain(config, tmp_path / "run", data=data))
        assert [np.isfinite(row["loss"]) for row in run.metrics()] == [True] * 3
        return
    with pytest.raises((DataError, SettingError), match=reason):
        pretrain(config, tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists()


@pytest.mark.case("62-tiny-evaluation")
def test_evaluate__a_class_of_one_cloud_and_more_neighbours_than_clouds(tmp_path: Path) -> None:
    data = place(tmp_path / "in", a=3, b=3, solo=1)
    config = tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=2, workers=0), steps=2)
    run = pretrain(config, tmp_path / "run", data=data)
    found = evaluate(run, data, seeds=(0,))  # all default protocols: 20 neighbours and 5 folds are more than there are
    assert found.scores
    for score in found.scores:
        assert 0 <= score.accuracy.mean <= 1
        assert score.test_interval is None or score.test_interval.low is not None
