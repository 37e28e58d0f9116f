"""What the explorer shows, against what was planted: groups, neighbours, names, predictions, small clouds."""

import numpy as np
import pytest

from pointssl.show.explore.atlas import shrunk
from pointssl.show.explore.clusters import find_clusters, name_clusters, words_of
from tests.show.explore.worlds import planted


def test_atlas__neighbours_are_of_the_same_group_and_never_oneself() -> None:
    atlas = planted()
    view = atlas.views[0]
    assert (view.places != np.arange(60)[:, None]).all()
    assert (atlas.label[view.places] == atlas.label[:, None]).all()
    assert (np.diff(view.distances, axis=1) >= -1e-7).all()
    assert view.predicted is not None
    np.testing.assert_array_equal(view.predicted, atlas.label)


def test_atlas__clusters_are_the_groups_and_are_called_by_their_words() -> None:
    atlas = planted(120)
    assert sorted(atlas.cluster_names) == ["bolt", "gear", "plate"]
    for number, name in enumerate(atlas.cluster_names):
        members = np.flatnonzero(atlas.cluster == number)
        assert {atlas.names[i].split("_")[0] for i in members} == {name}


def test_atlas__few_shapes_have_fewer_neighbours_and_no_clusters() -> None:
    atlas = planted(4)
    assert (atlas.views[0].places[:, 3:] == -1).all()
    assert (atlas.cluster == -1).all()
    assert [one.title for one in atlas.views[0].maps] == ["PCA"]


def test_find_clusters__two_balls_far_apart() -> None:
    generator = np.random.default_rng(0)
    places = np.concatenate([generator.normal(size=(40, 2)), generator.normal(size=(40, 2)) + 100])
    found = find_clusters(places)
    assert {int(one) for one in found[:40]} | {int(one) for one in found[40:]} <= {-1, 0, 1}
    assert (found[:40] >= 0).mean() > 0.7
    assert set(found[:40][found[:40] >= 0]).isdisjoint(found[40:][found[40:] >= 0])


def test_words__end_at_signs_digits_and_capitals() -> None:
    assert words_of("HexBolt-M4x20_DIN933") == ["hex", "bolt", "din"]
    assert name_clusters(np.array([0, 0, 1, 1, -1]), ["a_1", "b_2", "LongScrew", "long_pin", "x"]) == [
        "group 1",
        "long",
    ]


def test_shrunk__keeps_the_shape_to_a_127th() -> None:
    cloud = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * 40 + 7
    small = shrunk(cloud, 120, seed=0).astype(float) / 127
    middle = cloud - cloud.mean(axis=0)
    unit = middle / np.linalg.norm(middle, axis=1).max()
    assert small.shape == (120, 3)
    far = np.linalg.norm(small[:, None] - unit[None], axis=2).min(axis=1)
    assert far.max() < 3**0.5 / 254 + 1e-3


@pytest.mark.parametrize("views", [1, 2])
def test_atlas__as_many_views_as_encoders(views: int) -> None:
    assert [view.name for view in planted(views=views).views] == [f"encoder {i}" for i in range(views)]
