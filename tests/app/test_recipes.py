"""Recipes can be found, changed and written down."""

import pytest

from pointssl.app.recipes import RECIPES, recipe
from pointssl.errors import SettingError
from pointssl.train.config import from_json, to_json


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
        assert (config.method.components, config.data.points, config.epochs) == (32, 1024, 25)
        assert config.backbone.pooled_dim == 1024
        assert config.data.augment.is_none
