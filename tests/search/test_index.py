"""An index: neighbours against all distances worked out, the file and back, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.errors import RunError, SettingError
from pointssl.search import approximate
from pointssl.search.index import build_index, encoder_of, is_index, load_index, nearest, save_index
from tests.search.worlds import write_folder


def unit(rows: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, 16)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def test_nearest__agrees_with_all_distances_worked_out() -> None:
    vectors, queries = unit(300), unit(1100, seed=1)  # more queries than are compared at once
    places, distances = nearest(vectors, queries, 7)
    cosine = queries.astype(np.float64) @ vectors.astype(np.float64).T
    expected = np.argsort(-cosine, axis=1)[:, :7]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_allclose(distances, 1 - np.take_along_axis(cosine, expected, axis=1), atol=1e-6)


def test_nearest__with_fewer_vectors_than_asked_for_gives_all() -> None:
    places, distances = nearest(unit(3), unit(2, seed=1), 10)
    assert places.shape == distances.shape == (2, 3)
    assert sorted(places[0].tolist()) == [0, 1, 2]
    with pytest.raises(SettingError, match="k must be at least 1, got 0"):
        nearest(unit(3), unit(2), 0)


def test_approximate__finds_nearly_all_and_says_true_distances() -> None:
    pytest.importorskip("usearch")
    vectors, queries = unit(2000), unit(50, seed=1)
    exact, _ = nearest(vectors, queries, 10)
    places, distances = approximate.nearest(vectors, queries, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.tolist(), places.tolist(), strict=True)])
    assert recall > 0.9
    true = 1 - np.einsum("qkd,qd->qk", vectors[places], queries)
    np.testing.assert_allclose(distances, np.maximum(true, 0), atol=1e-6)
    assert (np.diff(distances, axis=1) >= -1e-7).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("search") / "shapes")


def test_save__and_back(folder: Path, tmp_path: Path) -> None:
    made = build_index(folder, points=256)
    save_index(made, tmp_path / "a.index")
    back = load_index(tmp_path / "a.index")
    assert (back.names, back.origins, back.key, back.source) == (made.names, made.origins, made.key, str(folder))
    np.testing.assert_array_equal(back.vectors, made.vectors)
    assert encoder_of(back).key == made.key
    assert is_index(tmp_path / "a.index")
    assert not is_index(folder)


def test_load__says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none\.index does not exist; make it with: pointssl index"):
        load_index(tmp_path / "none.index")
    (tmp_path / "junk.index").write_bytes(b"no index at all, but some bytes")
    with pytest.raises(RunError, match="cannot be read as safetensors"):
        load_index(tmp_path / "junk.index")
    save_index(build_index(folder, points=64), tmp_path / "b.index")
    content = bytearray((tmp_path / "b.index").read_bytes())
    content[-5] ^= 1
    (tmp_path / "b.index").write_bytes(content)
    with pytest.raises(RunError, match="has changed since it was written"):
        load_index(tmp_path / "b.index")


def test_encoder_of__another_encoder_is_refused(folder: Path) -> None:
    made = build_index(folder, points=64)
    object.__setattr__(made, "encoder", "contrast-pointnet-generated")
    with pytest.raises(RunError, match="the index was made by another encoder"):
        encoder_of(made)
