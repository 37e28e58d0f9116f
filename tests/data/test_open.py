"""What may follow `--data`, and what is said where it means nothing."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.open import open_dataset
from pointssl.data.store.pack import pack
from pointssl.errors import DataError, SettingError
from tests.data import layouts


def test_open__generated_shapes() -> None:
    assert len(open_dataset("synthetic")) == 600
    assert len(open_dataset("synthetic:30", "test")) == 10
    assert open_dataset("synthetic:30:4").name == "synthetic:30:4/all"


@pytest.mark.parametrize("spec", ["synthetic:", "synthetic:many", "synthetic:3:4:5", "synthetic:3.5"])
def test_open__generated_shapes_misspelt(spec: str) -> None:
    with pytest.raises(SettingError, match="must read synthetic, synthetic:COUNT or"):
        open_dataset(spec)


def test_open__a_store_a_folder_and_a_file(tmp_path: Path) -> None:
    layouts.modelnet_h5(tmp_path / "m")
    pack(open_dataset(f"modelnet40:{tmp_path / 'm'}", "train"), tmp_path / "store", points=None)
    packed = open_dataset(str(tmp_path / "store"))
    np.testing.assert_array_equal(packed.xyz(1), layouts.points(0))
    assert packed.classes[int(packed[1].label or 0)] == "chair"

    (tmp_path / "folder" / "chair").mkdir(parents=True)
    np.savetxt(tmp_path / "folder" / "chair" / "a.xyz", layouts.points(3))
    folder = open_dataset(str(tmp_path / "folder"))
    assert folder.classes == ("chair",)
    np.testing.assert_allclose(folder.xyz(0), layouts.points(3), atol=1e-6)

    single = open_dataset(str(tmp_path / "m" / "ply_data_train0.h5"))
    assert len(single) == 2
    np.save(tmp_path / "many.npy", layouts.clouds(0, 3))
    assert len(open_dataset(str(tmp_path / "many.npy"))) == 3


def test_open__layout_by_name(tmp_path: Path) -> None:
    layouts.scanobjectnn(tmp_path)
    assert len(open_dataset(f"scanobjectnn-pb_t50_rs:{tmp_path}", "test")) == 2


def test_open__names_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"unknown data set 'modelnet4' \(did you mean 'modelnet40'\?\)"):
        open_dataset(f"modelnet4:{tmp_path}")
    with pytest.raises(DataError, match=r"'synthetik' \(did you mean 'synthetic'\?\)"):
        open_dataset("synthetik")
    with pytest.raises(SettingError, match="needs the folder that it lies in: modelnet40:PATH"):
        open_dataset("modelnet40")
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_dataset(f"modelnet40:{tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_dataset(str(tmp_path / "nowhere"))
