"""Encoders without training, as folders that every command takes; descriptors among them have no weights at all."""

from pathlib import Path

import numpy as np
import pytest
import torch

import pointssl
from pointssl.app.cli import main
from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.errors import RunError, SettingError
from pointssl.runs.publish import save_untrained
from pointssl.runs.run import Run


@pytest.mark.parametrize("name", ["point-nn", "spherical-harmonics"])
def test_descriptor__embeds_clouds(name: str, tmp_path: Path) -> None:
    main(["untrained", name, "--out", str(tmp_path / "encoder"), "--points", "64"])
    assert Run.open(tmp_path / "encoder").encoder().state_dict() == {}
    main(["embed", str(tmp_path / "encoder"), "--data", "synthetic:6", "--out", str(tmp_path / "features.npz")])
    with np.load(tmp_path / "features.npz") as found:
        assert len(found["features"]) == 6
        assert np.isfinite(found["features"]).all()
        assert len(np.unique(found["features"], axis=0)) == 6


def test_network__is_what_its_seed_draws(tmp_path: Path) -> None:
    loaded = pointssl.load(save_untrained("pointnet", tmp_path / "encoder", seed=3))
    torch.manual_seed(3)
    again = build_backbone(PointNetConfig())
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in again.state_dict().items())


def test_refused__unknown_names_and_folders_that_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="there is no backbone 'point-n'"):
        save_untrained("point-n", tmp_path / "encoder")
    with pytest.raises(RunError, match="exists; choose another folder"):
        save_untrained("point-nn", tmp_path)
