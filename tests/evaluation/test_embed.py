"""Features in files are the features of the encoder, with names and classes; the transformer keeps sklearn's ways."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError
from pointssl.evaluation.embed import embed, keep_whitening
from pointssl.evaluation.embedder import PointEmbedder
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.ops.whitening import fit_whitening
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.run import load, write_encoder
from tests.evaluation.doubles import Extent, boxes

SMALL = PointNetConfig(local=(4,), hidden=(4,), pooled_dim=8)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = PretrainConfig(backbone=SMALL, data=DataConfig(reading=ReadConfig(points=16)))
    write_encoder(PointNet(SMALL), config, {}, tmp_path / "run")
    return tmp_path / "run"


def _expected(run: Path) -> np.ndarray:
    return encode(load(run), boxes((3, 2)), EncodeConfig(reading=ReadConfig(points=16)))


def test_embed__npz(run: Path, tmp_path: Path) -> None:
    embed(run, boxes((3, 2)), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["features"], _expected(run))
        assert found["labels"].tolist() == [0, 0, 0, 1, 1]
        assert found["classes"].tolist() == ["box0", "box1"]
        assert found["names"][4] == "boxes/train-4"


def test_embed__csv_brings_every_bit_back(run: Path, tmp_path: Path) -> None:
    embed(run, boxes((3, 2)), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as handle:
        rows = list(csv.reader(handle))
    assert rows[0][:4] == ["name", "label", "class", "f0"]
    assert rows[4][:3] == ["boxes/train-3", "1", "box1"]
    np.testing.assert_array_equal(np.array([row[3:] for row in rows[1:]], dtype=np.float32), _expected(run))


def test_embed__parquet(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embed(run, boxes((3, 2)), tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert list(table) == ["name", "label", "class", "feature"]
    np.testing.assert_array_equal(np.array(table["feature"], dtype=np.float32), _expected(run))
    assert table["class"] == ["box0"] * 3 + ["box1"] * 2


@pytest.mark.parametrize("name", ["out.npz", "out.csv", "out.parquet"])
def test_embed__unlabelled(name: str, run: Path, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    clouds = np.random.default_rng(0).normal(size=(2, 16, 3)).astype(np.float32)
    found = embed(run, ArrayDataset(clouds, name="bare"), tmp_path / name)
    assert found.labels is None
    assert (tmp_path / name).stat().st_size > 0


def test_embed__refuses_other_endings_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"must end in .parquet, .npz or .csv \(did you mean '.parquet'"):
        embed(tmp_path / "no-run", "synthetic", tmp_path / "out.parqet")


def test_embed__parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingError, match=r"needs pyarrow; pip install 'pointssl\[parquet\]'"):
        embed(tmp_path / "no-run", "synthetic", tmp_path / "out.parquet")


def _clouds(count: int = 6) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(generator.integers(10, 40), 3 + i % 2)) for i in range(count)]


def test_point_embedder__rows_do_not_depend_on_company_or_order(run: Path) -> None:
    embedder, clouds = PointEmbedder(run), _clouds()
    rows = embedder.fit_transform(clouds)
    assert rows.shape == (6, 8)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(embedder.transform(clouds[::-1]), rows[::-1], atol=1e-6)
    np.testing.assert_allclose(embedder.transform([clouds[2]])[0], rows[2], atol=1e-6)
    np.testing.assert_array_equal(PointEmbedder(run).fit(clouds).transform(clouds), rows)


def test_point_embedder__small_clouds_use_points_twice() -> None:
    cloud = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]])
    row = PointEmbedder(Extent(), points=8, normalise=False).fit_transform([cloud])
    np.testing.assert_allclose(row, [[1, 2, 0, 0, 0, 0]])


def test_point_embedder__clone_params_pipeline_names(run: Path) -> None:
    embedder = PointEmbedder(run, points=12, seed=3)
    again = clone(embedder)
    assert again.get_params() == embedder.get_params()
    assert again.set_params(points=10).points == 10
    clouds, y = _clouds(), [0, 1, 0, 1, 0, 1]
    pipeline = make_pipeline(PointEmbedder(run), LogisticRegression()).fit(clouds, y)
    assert len(pipeline.predict(clouds)) == 6
    assert list(embedder.fit(clouds).get_feature_names_out())[:2] == ["pointembedder0", "pointembedder1"]
    assert "PointEmbedder" in repr(embedder)


def test_point_embedder__not_fitted() -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        PointEmbedder(Extent()).transform(_clouds())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.zeros((4, 2)), r"X\[1\] must be a cloud of numbers.*got float64 \(4, 2\)"),
        (np.zeros((0, 3)), r"X\[1\] must be a cloud"),
        (np.full((4, 3), np.nan), r"X\[1\] must have finite coordinates"),
        (np.array([["a", "b", "c"]]), r"X\[1\] must be a cloud of numbers"),
    ],
)
def test_point_embedder__names_the_cloud_that_is_none(bad: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PointEmbedder(Extent()).fit([np.zeros((4, 3)), bad])


def test_point_embedder__refuses_an_empty_list() -> None:
    with pytest.raises(ValueError, match="at least one cloud"):
        PointEmbedder(Extent()).fit([])


@pytest.mark.case("02-utm-embedder")
@pytest.mark.parametrize(("unit", "kind"), [(1, np.float64), (1000, np.int64)])
def test_embedder__survey_coordinates_give_the_vector_of_the_same_cloud_near_zero(
    run: Path, unit: int, kind: type
) -> None:
    local = np.round(np.random.default_rng(0).normal(size=(3, 40, 3)), 3)
    far = np.round((local + np.array([500000.123, 5400000.456, 100.0])) * unit, 3).astype(kind)
    near, same = (PointEmbedder(run).fit_transform(list(clouds)) for clouds in (local, far))
    np.testing.assert_allclose(same, near, rtol=1e-3, atol=1e-5)


@pytest.mark.case("25-channels-first")
def test_embedder__channels_first_are_refused(run: Path) -> None:
    with pytest.raises(ValueError, match=r"X\[0\]: an array of shape \(3, 1024\) looks transposed"):
        PointEmbedder(run).fit([np.zeros((3, 1024))])


def _many(n: int = 120) -> ArrayDataset:
    stretch = np.random.default_rng(1).uniform(0.2, 1, size=(n, 1, 3))
    points = np.random.default_rng(0).normal(size=(n, 16, 3)) * stretch
    return ArrayDataset(points.astype(np.float32), name="many")


def test_embed__whitened_by_its_own_clouds(run: Path, tmp_path: Path) -> None:
    found = embed(run, _many(), tmp_path / "out.npz", whiten="own")
    plain = encode(load(run), _many(), EncodeConfig(reading=ReadConfig(points=16)))
    np.testing.assert_array_equal(found.features, fit_whitening(plain)(plain))
    assert not np.allclose(found.features[:, 0], plain[:, 0])


def test_whiten__travels_with_the_encoder_and_is_of_the_clouds_that_it_was_fitted_on(run: Path, tmp_path: Path) -> None:
    file = keep_whitening(run, _many())
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    found = embed(moved, boxes((3, 2)), tmp_path / "out.npz", whiten="kept")
    plain = encode(load(run), _many(), EncodeConfig(reading=ReadConfig(points=16)))
    np.testing.assert_array_equal(found.features, fit_whitening(plain)(_expected(run)))
    assert file.parent == run
    embedder = PointEmbedder(moved, whiten="kept").fit([np.zeros((3, 3)) + np.eye(3)])
    assert embedder.transform([np.eye(3)]).shape == (1, embedder.n_features_out_)
    assert embedder.n_features_out_ == found.features.shape[1]


def test_whiten__own_is_learned_in_fit_and_used_on_others(run: Path) -> None:
    clouds = [_many().xyz(i) for i in range(120)]
    whitened, plain = PointEmbedder(run, whiten="own").fit(clouds), PointEmbedder(run).fit(clouds)
    expected = fit_whitening(plain.transform(clouds))(plain.transform(clouds[:3]))
    np.testing.assert_allclose(whitened.transform(clouds[:3]), expected, rtol=1e-4, atol=1e-5)


def test_whiten__bad_input_is_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no whitening; fit one on unlabelled clouds: pointssl whiten"):
        embed(run, boxes((3, 2)), tmp_path / "out.npz", whiten="kept")
    with pytest.raises(SettingError, match="has 5 clouds, and a whitening is fitted on 100 or more"):
        embed(run, boxes((3, 2)), tmp_path / "out.npz", whiten="own")
    with pytest.raises(SettingError, match="has 5 clouds"):
        keep_whitening(run, boxes((3, 2)))
    keep_whitening(run, _many())
    other = PointNetConfig(local=(4,), hidden=(4,), pooled_dim=6)
    config = PretrainConfig(backbone=other, data=DataConfig(reading=ReadConfig(points=16)))
    write_encoder(PointNet(other), config, {}, tmp_path / "other")
    shutil.copy(run / "whitening.safetensors", tmp_path / "other")
    with pytest.raises(RunError, match="does not fit features of 6 numbers"):
        embed(tmp_path / "other", boxes((3, 2)), tmp_path / "out.npz", whiten="kept")
    write_encoder(PointNet(SMALL), PretrainConfig(backbone=SMALL), {}, tmp_path / "twice")
    shutil.copy(run / "whitening.safetensors", tmp_path / "twice")
    with pytest.raises(RunError, match="was fitted to other weights than those beside it"):
        embed(tmp_path / "twice", boxes((3, 2)), tmp_path / "out.npz", whiten="kept")
    (tmp_path / "other" / "state.json").write_text("{}")
    with pytest.raises(RunError, match="is a checkpoint; a whitening travels with a finished encoder"):
        keep_whitening(tmp_path / "other", _many())
    with pytest.raises(RunError, match="belongs to the package; copy its folder"):
        keep_whitening("contrast-pointnet-generated", "no-such-clouds")
    with pytest.raises(ValueError, match="a network alone has no whitening"):
        PointEmbedder(load(run), whiten="kept").fit([np.eye(3)])
    assert not (tmp_path / "out.npz").exists()
