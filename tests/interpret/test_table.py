"""A table of interactions on disk and back, and what is no table."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError
from pointssl.interpret import InteractConfig, InteractionTable, interact, table
from tests.interpret import networks


@pytest.fixture(scope="module")
def made() -> InteractionTable:
    settings = InteractConfig(clouds=3, regions=4, reading=ReadConfig(points=20), device="cpu")
    return interact({"tiny": networks.EncoderAndHead()}, networks.clouds(), settings)["tiny"]


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_table__reads_back_as_it_was(made: InteractionTable, tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="install pyarrow to write parquet")
    path = tmp_path / f"t.{ending}"
    table.save(made, path)
    back = table.load(path)
    for field in dataclasses.fields(InteractionTable):
        kept, read = getattr(made, field.name), getattr(back, field.name)
        if isinstance(kept, np.ndarray):
            assert kept.dtype == read.dtype
            np.testing.assert_array_equal(kept, read)
        else:
            assert kept == read


def test_table__missing_damaged_and_foreign_files(made: InteractionTable, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        table.load(tmp_path / "none.npz")
    path = tmp_path / "t.npz"
    table.save(made, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="damaged"):
        table.load(path)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(RunError, match="is no table of interactions"):
        table.load(tmp_path / "other.npz")
    with pytest.raises(SettingError, match=r"must be written as \.npz or \.parquet, got t\.csv"):
        table.save(made, tmp_path / "t.csv")


def test_dividends__of_a_table_that_is_not_finite(made: InteractionTable) -> None:
    v = made.v.copy()
    v[1, 3] = np.nan
    with pytest.raises(RunError, match=f"do not add up to its values for cloud {made.index[1]}"):
        dataclasses.replace(made, v=v).dividends()
