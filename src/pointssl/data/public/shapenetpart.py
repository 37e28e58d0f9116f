"""ShapeNetPart: 16 categories of shapes, every point with one of 50 part labels, official train, val and test split.

Source: L. Yi et al., "A Scalable Active Framework for Region Annotation in 3D Shape Collections", SIGGRAPH Asia 2016.
Layouts: the h5 files of 2,048 points (`ply_data_{train,val,test}*.h5` with `data`, `label`, `pid`) and the text files
with normals (`synsetoffset2category.txt`, `SYNSET/ID.txt`, `train_test_split/*.json`). Most papers train on `trainval`.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from pointssl.data.arrays import ArrayDataset
from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.files.dataset import FileDataset, open_listed, read_one
from pointssl.data.files.scan import Entry
from pointssl.data.public.h5 import cloud_points, listed_files, listed_names, read_h5
from pointssl.data.split_names import check_split
from pointssl.errors import DataError

PARTS: Mapping[str, tuple[int, ...]] = {
    "Airplane": (0, 1, 2, 3),
    "Bag": (4, 5),
    "Cap": (6, 7),
    "Car": (8, 9, 10, 11),
    "Chair": (12, 13, 14, 15),
    "Earphone": (16, 17, 18),
    "Guitar": (19, 20, 21),
    "Knife": (22, 23),
    "Lamp": (24, 25, 26, 27),
    "Laptop": (28, 29),
    "Motorbike": (30, 31, 32, 33, 34, 35),
    "Mug": (36, 37),
    "Pistol": (38, 39, 40),
    "Rocket": (41, 42, 43),
    "Skateboard": (44, 45, 46),
    "Table": (47, 48, 49),
}
"""The parts of each category, numbered as in both layouts; a prediction is compared inside its category's parts."""

CATEGORIES = tuple(PARTS)

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val",),
    "test": ("test",),
    "trainval": ("train", "val"),
    "all": ("train", "val", "test"),
}

EXPECTED = (
    "expected are ply_data_train*.h5, ply_data_val*.h5 and ply_data_test*.h5, "
    "or synsetoffset2category.txt with train_test_split/shuffled_{train,val,test}_file_list.json"
)


def open_shapenetpart(path: Path, split: str = "all") -> Dataset:
    """Open ShapeNetPart; labels are categories, the channel `part` (n, 1) holds the 50 part numbers."""
    check_split(split, tuple(SPLITS), "shapenetpart")
    for folder in (path, path / "hdf5_data"):
        if listed_files(folder, ("train_hdf5_file_list.txt",), "ply_data_train*.h5"):
            return _open_h5(folder, split)
    if (path / "synsetoffset2category.txt").is_file():
        return _open_text(path, split)
    raise DataError(f"{path} holds no ShapeNetPart; {EXPECTED}; see `pointssl data get shapenetpart`")


def _open_h5(folder: Path, split: str) -> ArrayDataset:
    paths: list[Path] = []
    for part in SPLITS[split]:
        found = listed_files(folder, (f"{part}_hdf5_file_list.txt",), f"ply_data_{part}*.h5")
        if not found:
            raise DataError(f"{folder} has no {part} part (ply_data_{part}*.h5); {EXPECTED}")
        paths += found
    arrays = read_h5(paths, ("data", "label", "pid"))
    points, label = cloud_points(arrays["data"], folder), arrays["label"].reshape(-1).astype(np.int64)
    if arrays["pid"].shape != points.shape[:2] or len(label) != len(points):
        raise DataError(f"{folder}: pid must have a part for every point, got {arrays['pid'].shape} and {points.shape}")
    if label.min(initial=0) < 0 or label.max(initial=0) >= len(CATEGORIES):
        raise DataError(f"{folder}: labels must be 0 to {len(CATEGORIES) - 1}, got up to {label.max(initial=0)}")
    for row, category in enumerate(label):
        _check_parts(arrays["pid"][row], CATEGORIES[category], f"{folder}, cloud {row}")
    return ArrayDataset(
        points,
        name=f"shapenetpart/{split}",
        classes=CATEGORIES,
        labels=label,
        channels={"part": arrays["pid"][..., None].astype(np.int32)},
        origin=str(folder),
    )


def _open_text(path: Path, split: str) -> FileDataset:
    rows = [line.split() for line in (path / "synsetoffset2category.txt").read_text(encoding="utf-8").splitlines()]
    category = {row[1]: row[0] for row in rows if len(row) == 2}
    unknown = sorted(set(category.values()) - set(CATEGORIES))
    if unknown:
        raise DataError(f"{path / 'synsetoffset2category.txt'} names '{unknown[0]}', which ShapeNetPart does not have")
    files = []
    for part in SPLITS[split]:
        listed = path / "train_test_split" / f"shuffled_{part}_file_list.json"
        if not listed.is_file():
            raise DataError(f"{listed} is missing; {EXPECTED}")
        for entry in sorted(listed_names(listed)):
            synset, name = entry.split("/")[-2:]
            if synset not in category:
                raise DataError(f"{listed} names synset '{synset}', which synsetoffset2category.txt does not have")
            files.append(Entry(path=path / synset / f"{name}.txt", label=category[synset], name=name))
    return open_listed(files, partial(_read_text, category=category), name=f"shapenetpart/{split}", classes=CATEGORIES)


def _read_text(path: Path, *, category: Mapping[str, str]) -> Cloud:
    cloud = read_one(path, columns=("x", "y", "z", "nx", "ny", "nz", "part"))
    _check_parts(cloud.channels["part"], category[path.parent.name], str(path))
    return cloud


def _check_parts(part: Shaped[np.ndarray, "*n"], category: str, where: str) -> None:
    """Refuse points whose part the category does not have: a network could not be asked for it."""
    strange = np.setdiff1d(part, PARTS[category])
    if len(strange):
        own = ", ".join(map(str, PARTS[category]))
        raise DataError(f"{where} is of {category}, whose parts are {own}, but has a point of part {strange[0]}")
