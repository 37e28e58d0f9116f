"""ModelNet40 and ModelNet10 in the three layouts that are about, with the official train and test split.

Source: Z. Wu et al., "3D ShapeNets: A Deep Representation for Volumetric Shapes", CVPR 2015. Layouts: the original OFF
meshes (`class/{train,test}/*.off`); `modelnet40_normal_resampled`, text files of 10,000 points with normals; and
`modelnet40_ply_hdf5_2048`, 2,048 points in h5. ModelNet10 is also taken out of either ModelNet40 layout: its classes
and split are the same there, its poses were aligned by hand only in the OFF files.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from pointssl.data.arrays import ArrayDataset
from pointssl.data.cloud import Dataset
from pointssl.data.files.dataset import open_listed, read_one
from pointssl.data.files.scan import Entry
from pointssl.data.public.h5 import cloud_points, listed_files, listed_names, read_h5
from pointssl.data.split_names import check_split
from pointssl.errors import DataError

MODELNET40 = (
    "airplane", "bathtub", "bed", "bench", "bookshelf", "bottle", "bowl", "car", "chair", "cone", "cup",
    "curtain", "desk", "door", "dresser", "flower_pot", "glass_box", "guitar", "keyboard", "lamp", "laptop",
    "mantel", "monitor", "night_stand", "person", "piano", "plant", "radio", "range_hood", "sink", "sofa",
    "stairs", "stool", "table", "tent", "toilet", "tv_stand", "vase", "wardrobe", "xbox",
)  # fmt: skip
"""The 40 classes; the order is that of the numbers in the h5 files."""

MODELNET10 = ("bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet")
"""The ten classes, all of them also in ModelNet40."""

EXPECTED = (
    "expected are ply_data_train*.h5 and ply_data_test*.h5, or modelnet40_train.txt beside class folders of .txt, "
    "or class/train/*.off and class/test/*.off"
)


def open_modelnet(path: Path, split: str = "all", *, classes: Literal[10, 40] = 40) -> Dataset:
    """Open ModelNet in whichever layout lies at `path`; `split` is all, train or test."""
    name = f"modelnet{classes}"
    check_split(split, ("train", "test"), name)
    wanted = MODELNET10 if classes == 10 else MODELNET40
    splits = ("train", "test") if split == "all" else (split,)
    title = f"{name}/{split}"
    if listed_files(path, ("train_files.txt",), "ply_data_train*.h5"):
        return _open_h5(path, splits, wanted, title)
    for listing in (f"modelnet{classes}", "modelnet40"):
        if (path / f"{listing}_train.txt").is_file():
            return _open_resampled(path, listing, splits, wanted, title)
    if any((path / wanted_class / "train").is_dir() for wanted_class in wanted):
        return _open_meshes(path, splits, wanted, title)
    raise DataError(f"{path} holds no ModelNet; {EXPECTED}; see `pointssl data get {name}`")


def _open_h5(path: Path, splits: Sequence[str], wanted: Sequence[str], title: str) -> ArrayDataset:
    """Read the h5 files; the numbers in them always count the 40 classes."""
    paths: list[Path] = []
    for split in splits:
        found = listed_files(path, (f"{split}_files.txt",), f"ply_data_{split}*.h5")
        if not found:
            raise DataError(f"{path} has no {split} part (ply_data_{split}*.h5); {EXPECTED}")
        paths += found
    arrays = read_h5(paths, ("data", "label"), ("normal",))
    points, label = cloud_points(arrays["data"], path), arrays["label"].reshape(-1).astype(np.int64)
    if len(label) != len(points) or label.min(initial=0) < 0 or label.max(initial=0) >= len(MODELNET40):
        raise DataError(f"{path}: labels must be one of 0 to 39 for each of {len(points)} clouds")
    number = np.array([wanted.index(name) if name in wanted else -1 for name in MODELNET40])
    chosen = number[label] >= 0
    names = _names_of(paths)
    return ArrayDataset(
        points[chosen],
        name=title,
        classes=wanted,
        labels=number[label][chosen],
        channels={"normal": arrays["normal"][chosen]} if "normal" in arrays else None,
        names=np.array(names)[chosen] if len(names) == len(points) else None,
        origin=str(path),
        rows=np.flatnonzero(chosen),
    )


def _names_of(paths: Sequence[Path]) -> list[str]:
    """Return the shapes' names from the `*_id2file.json` beside every h5 file, or nothing where one is missing."""
    names: list[str] = []
    for path in paths:
        # ply_data_test0.h5 belongs to ply_data_test_0_id2file.json.
        stem = path.stem.rstrip("0123456789")
        beside = path.with_name(f"{stem}_{path.stem[len(stem) :]}_id2file.json")
        if not beside.is_file():
            return []
        names += [Path(entry).stem for entry in listed_names(beside)]
    return names


def _open_resampled(path: Path, listing: str, splits: Sequence[str], wanted: Sequence[str], title: str) -> Dataset:
    """List the text files that the official lists name; the class is the name without its number."""
    files = []
    for split in splits:
        listed = path / f"{listing}_{split}.txt"
        if not listed.is_file():
            raise DataError(f"{listed} is missing; {EXPECTED}")
        for name in listed.read_text(encoding="utf-8").split():
            family = name.rpartition("_")[0]
            if family in wanted:
                files.append(Entry(path=path / family / f"{name}.txt", label=family, name=name))
            elif family not in MODELNET40:
                raise DataError(f"{listed} names '{name}', which is of no class of ModelNet")
    columns = ("x", "y", "z", "nx", "ny", "nz")
    return open_listed(files, partial(read_one, columns=columns), name=title, classes=wanted)


def _open_meshes(path: Path, splits: Sequence[str], wanted: Sequence[str], title: str) -> Dataset:
    """List the OFF files; folder and file order give every split a fixed order. The meshes stand on z."""
    absent = [name for name in wanted if not (path / name).is_dir()]
    if absent:
        raise DataError(f"{path} is not complete: no folder for {', '.join(absent[:5])}; {EXPECTED}")
    files = [
        Entry(path=file, label=name, name=file.stem)
        for split in splits
        for name in wanted
        for file in sorted((path / name / split).glob("*.off"))
    ]
    return open_listed(files, read_one, name=title, classes=wanted, up="z")
