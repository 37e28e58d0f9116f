"""Generated shapes: repeatable, posed, labelled; meshes whose areas and normals are known by hand."""

import numpy as np
import pytest
from jaxtyping import Float

from pointssl.data.synthetic import FAMILIES, PARTS, SyntheticShapes
from pointssl.data.synthetic.mesh import (
    Mesh,
    box,
    cylinder,
    disc,
    ellipsoid,
    hoop,
    joined,
    lathe,
    moved,
    plate,
    rod,
    sample_surface,
    tube,
    turned,
)
from pointssl.data.synthetic.shapes import VERSION
from pointssl.errors import DataError, SettingError

SQUARE = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])


def area(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces.T]
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive only where faces are closed and look outwards."""
    a, b, c = mesh.vertices[mesh.faces.T]
    return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6)


def test_box__area_and_volume() -> None:
    made = box((1, 2, 3), (4, 5, 6))
    assert area(made) == pytest.approx(22)
    assert volume(made) == pytest.approx(6)
    np.testing.assert_allclose([made.vertices.min(0), made.vertices.max(0)], [[3.5, 4, 4.5], [4.5, 6, 7.5]])


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (cylinder(1, 2), 2 * np.pi),
        (cylinder(1, 3, top=1e-6), np.pi),
        (lathe([(1, 0), (1, 2)], (3, 3, 3)), 2 * np.pi),
        (ellipsoid((1, 2, 3), (1, 1, 1)), 8 * np.pi),
        (rod((0, 0, 0), (0, 3, 4), 0.5, sides=40), 1.25 * np.pi),
        (rod((0, 0, 5), (0, 0, 0), 0.5, sides=40), 1.25 * np.pi),
        (tube([(0, 0, 0), (1, 0, 0), (1, 0, 4)], 0.1, sides=40), 0.05 * np.pi),
        (disc(2, 0.5, (1, 0, 0)), 2 * np.pi),
        (plate(SQUARE, 0.3, axis=0), 0.3),
        (plate(SQUARE, 0.3, axis=1), 0.3),
        (hoop(2, 0.2, (0, 0, 1), sides=60), 2 * np.pi * 2 * np.pi * 0.04),
    ],
)
def test_bodies__closed_and_outward(mesh: Mesh, expected: float) -> None:
    """Volumes of the round bodies they approximate; inscribed polygons have up to a fifth less."""
    assert 0.75 * expected < volume(mesh) < 1.02 * expected


def test_turned_moved_joined__move_as_told() -> None:
    quarter = turned(box((2, 1, 1), (3, 0, 0)), np.pi / 2)  # about z: from +x to +y
    np.testing.assert_allclose(quarter.vertices.mean(0), [0, 3, 0], atol=1e-12)
    pair = joined([quarter, moved(quarter, (0, 0, 9))])
    assert volume(pair) == pytest.approx(4)
    assert len(pair.faces) == 2 * len(quarter.faces)


def test_sample_surface__uniform_by_area_with_true_normals() -> None:
    # A box of 1 x 1 x 4: two ends of area 1, four sides of area 4.
    xyz, normal, face = sample_surface(box((1, 1, 4)), 18000, np.random.default_rng(0))
    ends = np.abs(normal[:, 2]) > 0.5
    assert ends.sum() == pytest.approx(2000, abs=5 * np.sqrt(2000))  # five standard deviations
    np.testing.assert_allclose(xyz[ends, 2], 2 * normal[ends, 2], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-6)
    sides = xyz[~ends, 2]
    assert np.histogram(sides, 4, (-2, 2))[0] == pytest.approx([4000] * 4, abs=5 * np.sqrt(4000))
    assert face.max() < 20


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_family__every_draw_is_a_shape(family: str) -> None:
    """Twenty draws: finite, outward faces, more than one extent, known parts, and no two alike."""
    extents = []
    for seed in range(20):
        pieces = FAMILIES[family](np.random.default_rng(seed))
        assert {name for name, _ in pieces} <= set(PARTS)
        for _, mesh in pieces:
            assert np.isfinite(mesh.vertices).all()
            assert mesh.faces.max() < len(mesh.vertices)
            assert volume(moved(mesh, tuple(-mesh.vertices.mean(0)))) > 0
        corners: Float[np.ndarray, "v 3"] = joined([mesh for _, mesh in pieces]).vertices
        extents.append(np.ptp(corners, axis=0))
    assert np.min(extents) > 0
    spread = np.std(np.log(np.array(extents) / np.linalg.norm(extents, axis=1, keepdims=True)), axis=0)
    assert spread.max() > 0.05  # proportions differ from draw to draw


def test_parts__all_are_used() -> None:
    used = {name for family in FAMILIES.values() for i in range(12) for name, _ in family(np.random.default_rng(i))}
    assert used == set(PARTS)


def test_shapes__function_of_seed_and_index() -> None:
    one, two = SyntheticShapes(30, 5, "test"), SyntheticShapes(30, 5, "test")
    two.xyz(7)  # asking for other clouds first changes nothing
    np.testing.assert_array_equal(one.xyz(3), two.xyz(3))
    np.testing.assert_array_equal(one[3].points, one.xyz(3))
    assert not np.array_equal(one.xyz(3), SyntheticShapes(30, 6, "test").xyz(3))
    # A split hands out the same clouds as the whole set.
    whole = {SyntheticShapes(30, 5)[i].name: SyntheticShapes(30, 5).xyz(i) for i in (2, 5)}
    for i in range(2):
        np.testing.assert_array_equal(one.xyz(i), whole[one[i].name])


def test_shapes__more_clouds_leave_the_first_ones_alone() -> None:
    np.testing.assert_array_equal(SyntheticShapes(9).xyz(8), SyntheticShapes(90).xyz(8))


def test_shapes__splits_are_disjoint_and_balanced() -> None:
    train, test = SyntheticShapes(600, split="train"), SyntheticShapes(600, split="test")
    assert (len(train), len(test)) == (400, 200)
    names = [{data[i].name for i in range(0, len(data), 7)} for data in (train, test)]
    assert not names[0] & names[1]
    for data in (train, test):
        counts = np.bincount(data.labels, minlength=len(FAMILIES))
        assert counts.max() - counts.min() <= 1
        assert data[5].label == data.labels[5]


def test_shapes__content_belongs_to_the_version() -> None:
    """When this fails, clouds have changed: raise VERSION, then write the new figures here."""
    data = SyntheticShapes(48, 0)
    figures = [float(np.abs(data.xyz(i)).mean()) for i in (0, 13, 26, 39)]
    assert VERSION == 1
    assert figures == pytest.approx([0.1592, 0.26107, 0.28881, 0.24812], abs=1e-4)


def test_fingerprint__changes_with_every_argument() -> None:
    variants = [SyntheticShapes(), SyntheticShapes(599), SyntheticShapes(seed=1), SyntheticShapes(split="train")]
    variants.append(SyntheticShapes(points=64))
    assert len({data.fingerprint for data in variants}) == 5


def test_shapes__what_cannot_be() -> None:
    with pytest.raises(SettingError, match="at least 1, got 0"):
        SyntheticShapes(0)
    with pytest.raises(SettingError, match="seed of synthetic shapes must be at least 0, got -1"):
        SyntheticShapes(3, -1)
    with pytest.raises(DataError, match=r"no split 'tset' \(did you mean 'test'"):
        SyntheticShapes(split="tset")
    with pytest.raises(SettingError, match="at least 3 shapes"):
        SyntheticShapes(2, split="test")
