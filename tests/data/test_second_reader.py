"""Readers against files that hypothesis makes up, written by other libraries, and against other libraries' readers."""

import tempfile
from pathlib import Path
from typing import Any

import h5py
import laspy
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from pointssl.data.cloud import Cloud
from pointssl.data.files import readers

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 50)


def coordinates(seed: int, count: int, far: float) -> np.ndarray:
    """Return points of a few metres, to the millimetre, at most some thousand kilometres away."""
    generator = np.random.default_rng(seed)
    return np.round(generator.uniform(-5, 5, (count, 3)) + far * generator.uniform(-1, 1, 3), 3)


def absolute(cloud: Cloud) -> np.ndarray:
    """Return the coordinates of the file: the shift that stands in the origin is added again."""
    _, minus, shift = cloud.origin.partition(" minus (")
    return cloud.points.astype(np.float64) + ([float(word) for word in shift.rstrip(")").split(",")] if minus else 0)


def read(name: str, write: Any, **options: Any) -> Cloud:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        [cloud] = readers.read_clouds(Path(folder) / name, **options)
        return cloud


@QUICK
@given(
    seed=SEEDS,
    count=COUNTS,
    far=st.sampled_from([0.0, 100.0, 5e6]),
    order=st.permutations(["x", "y", "z", "intensity", "red", "green", "blue", "label", "gps_time", "name"]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    index=st.booleans(),
    upper=st.booleans(),
    ending=st.sampled_from(["csv", "txt", "csv.gz"]),
)
def test_csv__as_pandas_writes_it(
    seed: int, count: int, far: float, order: list[str], separator: str, index: bool, upper: bool, ending: str
) -> None:
    generator = np.random.default_rng(seed)
    table: dict[str, Any] = dict(zip("xyz", coordinates(seed, count, far).T, strict=True))
    table |= {"intensity": generator.random(count), "gps_time": generator.random(count), "name": ["a tree"] * count}
    table |= {name: generator.integers(0, 256, count) for name in ("red", "green", "blue", "label")}
    table["red"][0] = 255
    frame = pd.DataFrame(table)[order]
    frame.columns = pd.Index([name.upper() if upper else name for name in order])
    cloud = read(f"a.{ending}", lambda path: frame.to_csv(path, sep=separator, index=index))
    np.testing.assert_allclose(absolute(cloud), np.stack([table[axis] for axis in "xyz"], axis=1), atol=2e-6)
    np.testing.assert_allclose(cloud.channels["intensity"][:, 0], table["intensity"], rtol=1e-6)
    np.testing.assert_array_equal(cloud.channels["part"][:, 0], table["label"])
    np.testing.assert_allclose(
        cloud.channels["color"] * 255, np.stack([table[name] for name in ("red", "green", "blue")], axis=1), atol=1e-4
    )
    assert set(cloud.channels) == {"intensity", "part", "color"}


@pytest.mark.case("53-pcd-odd-fields")
@QUICK
@given(
    seed=SEEDS,
    count=COUNTS,
    fields=st.permutations(["x", "y", "z", "intensity", "label", "ring", "time"]),
    kinds=st.lists(st.sampled_from(["f4", "f8", "u1", "u2", "i4"]), min_size=4, max_size=4),
    precise=st.booleans(),
    encoding=st.sampled_from(["ASCII", "BINARY", "BINARY_COMPRESSED"]),
)
def test_pcd__as_pypcd4_writes_and_reads_it(
    seed: int, count: int, fields: list[str], kinds: list[str], precise: bool, encoding: str
) -> None:
    pypcd4 = pytest.importorskip("pypcd4")
    generator = np.random.default_rng(seed)
    types = dict.fromkeys("xyz", "f8" if precise else "f4")
    types |= dict(zip(("intensity", "label", "ring", "time"), kinds, strict=True))
    values = dict(zip("xyz", coordinates(seed, count, 5e6 if precise else 0).T, strict=True))
    values |= {name: generator.integers(0, 200, count) for name in ("intensity", "label", "ring", "time")}
    columns = [values[name].astype(types[name]) for name in fields]
    cloud = pypcd4.PointCloud.from_points(columns, tuple(fields), tuple(column.dtype.type for column in columns))
    again: dict[str, Any] = {}

    def write(path: Path) -> None:
        cloud.save(path, encoding=getattr(pypcd4.Encoding, encoding))
        again["read"] = pypcd4.PointCloud.from_path(path).numpy(("x", "y", "z", "intensity"))

    own = read("a.pcd", write)
    np.testing.assert_allclose(absolute(own), again["read"][:, :3].astype(np.float64), atol=2e-6)
    np.testing.assert_allclose(own.channels["intensity"][:, 0], values["intensity"])
    np.testing.assert_array_equal(own.channels["part"][:, 0], values["label"])


@QUICK
@given(
    values=nps.arrays(
        st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<i2", ">i4", "<i8", "u1", "<u4", "<f2"]),
        st.tuples(st.integers(1, 4), st.integers(17, 40), st.integers(3, 16)),
        elements=st.integers(0, 120),
    ),
    fortran=st.booleans(),
    kind=st.sampled_from(["npy", "npz", "h5"]),
)
def test_arrays__any_type_order_and_width(values: np.ndarray, fortran: bool, kind: str) -> None:
    values = np.asfortranarray(values) if fortran else values
    if values.dtype == np.dtype("<i2"):
        values = values.astype("<i4")  # whole numbers of 16 bits are fractions of 1024, see docs/data.md
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        if kind == "npy":
            np.save(path, values)
        elif kind == "npz":
            np.savez_compressed(path, points=values)
        else:
            with h5py.File(path, "w") as file:
                file.create_dataset("data", data=values, compression="gzip")
        clouds = readers.read_clouds(path)
    assert len(clouds) == len(values)
    for cloud, written in zip(clouds, values, strict=True):
        np.testing.assert_array_equal(absolute(cloud), written[:, :3].astype(np.float64))


@pytest.mark.case("52-las-colours-8-bit")
@QUICK
@given(
    seed=SEEDS,
    count=COUNTS,
    form=st.sampled_from([0, 1, 2, 3, 6, 7, 8]),
    full=st.sampled_from([255, 65535]),
    ending=st.sampled_from(["las", "laz"]),
)
def test_las__every_point_format(seed: int, count: int, form: int, full: int, ending: str) -> None:
    generator = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=form, version="1.4" if form > 5 else "1.2")
    xyz = coordinates(seed, count, 5e6)
    header.scales, header.offsets = np.full(3, 0.001), np.round(xyz.mean(axis=0))
    header.add_extra_dim(laspy.ExtraBytesParams(name="amplitude", type=np.float32))
    scan = laspy.LasData(header)
    scan.x, scan.y, scan.z = xyz.T
    scan.intensity = generator.integers(1, 60000, count)
    scan.classification = generator.integers(1, 20, count)
    color = generator.integers(0, full + 1, (count, 3))
    color[0, 0] = full
    if form in (2, 3, 7, 8):
        scan.red, scan.green, scan.blue = color.T
    cloud = read(f"a.{ending}", scan.write)
    np.testing.assert_allclose(absolute(cloud), xyz, atol=2e-6)
    np.testing.assert_array_equal(cloud.channels["intensity"][:, 0], np.asarray(scan.intensity))
    np.testing.assert_array_equal(cloud.channels["part"][:, 0], np.asarray(scan.classification))
    if form in (2, 3, 7, 8):
        np.testing.assert_allclose(cloud.channels["color"], color / full, rtol=1e-6)
