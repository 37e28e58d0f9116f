"""Recipes can be found, changed and written down."""

import pytest

from pointssl.app.recipes import RECIPES, recipe
from pointssl.backbones import DGCNNConfig, PointNetConfig
from pointssl.errors import SettingError
from pointssl.methods import CrossPointConfig, MMPointConfig, ParAEConfig
from pointssl.runs.config import from_json, to_json


@pytest.mark.parametrize("name", RECIPES)
def test_recipe__survives_json(name: str) -> None:
    assert from_json(to_json(recipe(name))) == RECIPES[name]


def test_recipe__unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'parae-pointnet'"):
        recipe("pare-pointnet")


def test_recipes__state_the_papers_settings() -> None:
    # Section 4 of the paper: J = 32, N = 1024, 25 epochs, a latent vector of 1024.
    for name in ("parae-pointnet", "parae-dgcnn"):
        config = RECIPES[name]
        assert isinstance(config.method, ParAEConfig)
        assert (config.method.components, config.data.reading.points, config.epochs) == (32, 1024, 25)
        assert isinstance(config.backbone, PointNetConfig | DGCNNConfig)
        assert config.backbone.pooled_dim == 1024
        assert config.data.augment.is_none


def test_recipes__state_what_is_known_of_mm_point_and_crosspoint() -> None:
    # The evaluation code of the released weights: DGCNN, k = 15, max and mean, 2,048 wide; the rest is CrossPoint's.
    for name in ("mm-point-dgcnn", "crosspoint-dgcnn"):
        config = RECIPES[name]
        assert isinstance(config.backbone, DGCNNConfig)
        assert isinstance(config.method, MMPointConfig | CrossPointConfig)
        assert (config.backbone.k, config.backbone.pooling, config.backbone.pooled_dim) == (15, "max_mean", 1024)
        assert (config.data.reading.points, config.data.batch_size, config.epochs) == (2048, 20, 100)
        assert (config.optim.lr, config.optim.weight_decay, config.method.temperature) == (1e-3, 1e-6, 0.1)
