"""Corruptions by what they promise, and the protocol on worlds whose scores are known."""

import numpy as np
import pytest
import torch

from pointssl.evaluation.corruptions import STRENGTHS, corrupt
from pointssl.evaluation.protocols import PROTOCOLS
from pointssl.evaluation.record import Score
from pointssl.evaluation.robustness import damaged
from tests.evaluation.planted import context, placed

KINDS = tuple(STRENGTHS)


def sphere(n: int = 400) -> np.ndarray:
    """Return points on the unit sphere, no two equal."""
    drawn = np.random.default_rng(1).normal(size=(n, 3))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def changed(kind: str, strength: int, xyz: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(corrupt(sphere() if xyz is None else xyz, kind, strength, np.random.default_rng(5)))


@pytest.mark.parametrize("kind", KINDS)
def test_corrupt__keeps_size_and_type_and_gets_worse(kind: str) -> None:
    xyz = sphere() * np.array([1.0, 0.5, 0.2], dtype=np.float32)  # a turned sphere would be the same one
    far = []
    for strength in range(1, 6):
        made = changed(kind, strength, xyz)
        assert made.shape == xyz.shape
        assert made.dtype == np.float32
        # How far the old points lie from the new ones, both ways: 0 for the same set.
        away = np.linalg.norm(xyz[:, None] - made[None], axis=2)
        far.append(away.min(axis=1).mean() + away.min(axis=0).mean())
    assert far[0] > 0
    assert far == sorted(far)


def test_corrupt__noise_has_its_deviation() -> None:
    moved = changed("noise", 3, np.zeros((4000, 3), dtype=np.float32))
    assert moved.std() == pytest.approx(0.03, rel=0.03)  # 12,000 draws: a relative deviation of 0.6 %


@pytest.mark.parametrize(("kind", "strength", "left"), [("dropout", 1, 300), ("dropout", 5, 60), ("occlusion", 2, 320)])
def test_corrupt__only_points_that_stay(kind: str, strength: int, left: int) -> None:
    kept = {tuple(row) for row in changed(kind, strength).tolist()}
    assert kept < {tuple(row) for row in sphere().tolist()}
    assert len(kept) == left


def test_corrupt__occlusion_cuts_one_side_off() -> None:
    xyz = sphere()
    kept = {tuple(row) for row in changed("occlusion", 5).tolist()}
    inside = np.array([tuple(row) in kept for row in xyz.tolist()])
    # One plane parts the two: the mean of those that are gone points to their side.
    way = xyz @ xyz[~inside].mean(axis=0)
    assert (way[~inside] > 0).mean() > 0.8
    assert (way[inside] < 0).mean() > 0.8


@pytest.mark.parametrize("strength", [1, 5])
def test_corrupt__rotation_by_its_angle(strength: int) -> None:
    basis = np.eye(3, dtype=np.float32)
    turn = changed("rotation", strength, basis)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1, abs=1e-5)
    angle = np.degrees(np.arccos((np.trace(turn) - 1) / 2))  # of any rotation
    assert angle == pytest.approx(STRENGTHS["rotation"][strength - 1], abs=0.05)


def test_corrupt__outliers_replace_their_share() -> None:
    made, xyz = changed("outliers", 4), sphere()
    assert (made != xyz).any(axis=1).sum() == 40
    assert np.abs(made).max() <= 1


def test_corrupt__scale_is_one_factor_per_axis() -> None:
    factor = changed("scale", 5) / sphere()
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:1], factor.shape), rtol=1e-4)
    assert ((factor >= 0.5) & (factor <= 2)).all()


def test_corrupt__density_thins_one_side() -> None:
    kept = {tuple(row) for row in changed("density", 5).tolist()}
    inside = np.array([tuple(row) in kept for row in sphere().tolist()])
    # The chance to stay falls from 1 to exp(-5); on a sphere the way there is uniform, so (1 - exp(-5)) / 5 stay: 20 %.
    assert inside.mean() == pytest.approx(0.199, abs=0.06)
    assert np.linalg.norm(sphere()[inside].mean(axis=0)) > 0.4


def test_corrupt__one_point_is_no_trouble() -> None:
    for kind in KINDS:
        assert corrupt(np.ones((1, 3), dtype=np.float32), kind, 5, np.random.default_rng(0)).shape == (1, 3)


def test_damaged__by_the_place_in_the_data_set_whatever_the_batch() -> None:
    xyz = torch.from_numpy(np.stack([sphere(30), -sphere(30), sphere(30)]))
    whole = damaged(xyz, np.array([4, 7, 9]), kind="noise", strength=2, seed=3, again=False)
    alone = damaged(xyz[1:2], np.array([7]), kind="noise", strength=2, seed=3, again=False)
    assert torch.equal(whole[1:2], alone)
    other = damaged(xyz[1:2], np.array([7]), kind="noise", strength=2, seed=4, again=False)
    assert not torch.equal(alone, other)
    again = damaged(xyz, np.array([4, 7, 9]), kind="noise", strength=2, seed=3, again=True)
    torch.testing.assert_close(again.norm(dim=-1).amax(dim=1), torch.ones(3))


def test_protocol__scores_damaged_test_clouds_with_what_clean_ones_taught() -> None:
    """A class has its own axis: a turn of 90 degrees about any axis moves two of three means, noise of 0.05 none."""
    world = context(placed([(20, 0)], "planted/train"), placed([(10, 0)], "planted/test"))
    scores = {(s.protocol, s.arm): s for s in PROTOCOLS["robustness"].run(world) if isinstance(s, Score)}
    assert len(scores) == 2 * 36
    assert scores["robustness clean", "pretrained"].accuracy.mean == 1
    assert scores["robustness noise 5", "pretrained"].accuracy.mean == 1
    assert scores["robustness rotation 5", "pretrained"].accuracy.mean < 0.9
    assert scores["robustness rotation 5", "untrained"].accuracy.mean == pytest.approx(1 / 3)
    assert scores["robustness rotation 1", "pretrained"].accuracy.mean == 1
