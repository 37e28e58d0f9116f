"""Generated sets: a function of (seed, index) for whoever asks, no two clouds alike, no end unless one is stated."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from pointssl.data.batches import Batches, prefetch, stack
from pointssl.data.check import check
from pointssl.data.endless import is_endless, size_of, spread_over
from pointssl.data.generated.formulas import FORMULAS
from pointssl.data.open import open_dataset, splits_of
from pointssl.data.splits import first_clouds, required_labels
from pointssl.errors import DataError, SettingError


@pytest.fixture(params=sorted(FORMULAS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def digest_of(spec: str, index: int) -> bytes:
    """Make one cloud, in another process."""
    return open_dataset(spec).xyz(index).tobytes()


def test_xyz__same_in_other_processes(kind: str) -> None:
    spec, index = f"generated:{kind}:points=64", [3, 10**12]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        elsewhere = list(processes.map(digest_of, [spec] * 2, index))
    assert elsewhere == [digest_of(spec, one) for one in index]


def test_xyz__alone_and_among_others(kind: str) -> None:
    data = open_dataset(f"generated:{kind}")
    together = data.sample(np.array([5, 900, 7]), 2048)  # type: ignore[attr-defined]
    for row, index in enumerate((5, 900, 7)):
        np.testing.assert_array_equal(data.xyz(index), together[row])
        np.testing.assert_array_equal(data[index].points, together[row])


def test_xyz__no_two_alike_over_indices_and_seeds(kind: str) -> None:
    seen = set()
    for seed in (0, 1):
        data = open_dataset(f"generated:{kind}:seed={seed}:points=32")
        clouds = data.sample(np.arange(500), 32)  # type: ignore[attr-defined]
        seen |= {np.round(cloud, 3).tobytes() for cloud in clouds}
    assert len(seen) == 1000


def test_xyz__centred_in_the_unit_sphere(kind: str) -> None:
    clouds = open_dataset(f"generated:{kind}").sample(np.arange(50), 256)  # type: ignore[attr-defined]
    assert clouds.dtype == np.float32
    np.testing.assert_allclose(clouds.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(clouds, axis=2).max(axis=1), 1, atol=1e-5)


def test_sample__another_seed_draws_other_points_of_the_same_shape(kind: str) -> None:
    data = open_dataset(f"generated:{kind}")
    one, two = (data.sample(3 * np.arange(8), 2000, seed=seed) for seed in (0, 1))  # type: ignore[attr-defined]
    assert not np.isclose(one, two).all(axis=(1, 2)).any()
    # The same shapes still: their second moments agree, those of different shapes do not.
    # Over their sum, because the farthest of the points that were drawn, by which clouds are scaled, is another one.
    moments = [np.einsum("bni,bnj->bij", cloud, cloud) for cloud in (one, two)]
    one, two = (moment / np.trace(moment, axis1=1, axis2=2)[:, None, None] for moment in moments)
    assert np.abs(one - two).max() < 0.04
    assert np.abs(one - two[::-1]).max() > 0.1


def test_mesh__the_points_lie_on_it(kind: str) -> None:
    data = open_dataset(f"generated:{kind}:points=256")
    mesh = data.mesh(4)  # type: ignore[attr-defined]
    if mesh is None:
        return
    import trimesh

    solid = trimesh.Trimesh(vertices=mesh[0], faces=mesh[1], process=False)
    _, distance, _ = trimesh.proximity.closest_point_naive(solid, data.xyz(4))  # type: ignore[no-untyped-call]
    # The triangles of round parts cut corners: a twentieth of a radius at most.
    assert distance.max() < 0.05
    assert np.median(distance) < 0.01


def test_len__of_an_endless_set_is_one_clear_line(kind: str) -> None:
    data = open_dataset(f"generated:{kind}")
    assert is_endless(data)
    assert size_of(data) is None
    assert data.labels is None
    with pytest.raises(SettingError, match=f"generated:{kind} has no end.*generated:{kind}:n=1000"):
        len(data)
    with pytest.raises(IndexError):
        data.xyz(-1)
    assert spread_over(data, 3).tolist() == [0, 1, 2]


def test_len__stated_number_and_its_parts(kind: str) -> None:
    spec = f"generated:{kind}:n=10:points=32"
    whole, train, test = (open_dataset(spec, split) for split in ("all", "train", "test"))
    assert (len(whole), len(train), len(test)) == (10, 7, 3)
    assert splits_of(spec) == ("train", "test")
    np.testing.assert_array_equal(test.xyz(0), whole.xyz(2))
    np.testing.assert_array_equal(whole.xyz(2), open_dataset(f"generated:{kind}:points=32").xyz(2))
    assert splits_of(f"generated:{kind}") == ()
    with pytest.raises(DataError, match="has no end and so no split 'test'"):
        open_dataset(f"generated:{kind}", "test")


def test_fingerprint__changes_with_everything_that_matters(kind: str) -> None:
    specs = ("", ":seed=1", ":n=9", ":points=100", ":n=9:points=100")
    assert len({open_dataset(f"generated:{kind}{rest}").fingerprint for rest in specs}) == len(specs)


def test_batches__read_on_and_on_from_a_place_of_the_seed(kind: str) -> None:
    data = open_dataset(f"generated:{kind}")
    batches = Batches(data, batch=4, points=64, seed=0)
    assert batches.steps_per_epoch is None
    seen = np.concatenate([batches.indices(step) for step in range(50)])
    np.testing.assert_array_equal(np.diff(seen), 1)
    assert seen[0] >= 2**36  # what comes before is for looking and measuring
    others = Batches(data, batch=4, points=64, seed=1).indices(0)
    assert abs(int(others[0]) - int(seen[0])) >= 2**36
    halves = [Batches(data, batch=2, points=64, seed=0, rank=rank, world=2) for rank in (0, 1)]
    for step in (0, 3):
        joined = np.concatenate([half(step).xyz.numpy() for half in halves])
        np.testing.assert_array_equal(joined, batches(step).xyz.numpy())
    made = list(prefetch(batches, range(2, 5), workers=2))
    np.testing.assert_array_equal(made[1].xyz.numpy(), batches(3).xyz.numpy())


def test_stack__of_a_stated_number_draws_fresh_points_every_epoch(kind: str) -> None:
    data = open_dataset(f"generated:{kind}:n=4")
    one, two = (stack(data, range(4), 64, seed=seed).xyz.numpy() for seed in (0, 1))
    assert not np.isclose(one, two).all(axis=(1, 2)).any()


def test_check__looks_at_the_first_of_an_endless_set(kind: str) -> None:
    report = check(open_dataset(f"generated:{kind}"))
    assert report.clouds == 256
    assert not report.fatal
    assert len(first_clouds(open_dataset(f"generated:{kind}"), 7)) == 7


def test_dataset__travels_to_worker_processes(kind: str) -> None:
    data = open_dataset(f"generated:{kind}:points=32")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data)).xyz(1), data.xyz(1))


def test_labels__refused_where_there_are_none() -> None:
    with pytest.raises(SettingError, match="generated:unions has no end"):
        required_labels(open_dataset("generated:unions"))
    with pytest.raises(DataError, match=r"generated:unions:n=9/all has no labels.*generated shapes with labels are"):
        required_labels(open_dataset("generated:unions:n=9"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("generated", r"must read generated:KIND, such as generated:unions \(choose from"),
        ("generated:union", r"must read generated:KIND.*did you mean 'unions'"),
        ("generated:unions:sed=3", r"there is no parameter 'sed' \(did you mean 'seed'\?\)"),
        ("generated:unions:n=0", "n must be at least 1, got 0"),
        ("generated:unions:n=many", "n must be a number, such as n=3, got 'many'"),
        ("generated:unions:points=1", "points must be at least 16"),
    ],
)
def test_open__misspelt_is_one_clear_line(spec: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as raised:
        open_dataset(spec)
    assert "\n" not in str(raised.value)
