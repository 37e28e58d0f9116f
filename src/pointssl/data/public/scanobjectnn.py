"""ScanObjectNN, real scans of 15 kinds of objects; its three variants are three data sets and are never mixed.

Source: M. A. Uy et al., "Revisiting Point Cloud Classification: A New Benchmark Dataset and Classification Model on
Real-World Data", ICCV 2019. OBJ_BG has objects with the background around them, OBJ_ONLY without it, PB_T50_RS is the
hardest: boxes moved by up to half their size, turned and scaled, with background.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from pointssl.data.arrays import ArrayDataset
from pointssl.data.public.h5 import cloud_points, read_h5
from pointssl.data.split_names import check_split
from pointssl.errors import DataError

Variant = Literal["obj_bg", "obj_only", "pb_t50_rs"]

CLASSES = (
    "bag", "bin", "box", "cabinet", "chair", "desk", "display", "door", "shelf", "table", "bed", "pillow", "sink",
    "sofa", "toilet",
)  # fmt: skip
"""In the order of the numbers in the files."""

FILES: Mapping[Variant, tuple[str, str]] = {
    "obj_bg": ("main_split", "{}_objectdataset.h5"),
    "obj_only": ("main_split_nobg", "{}_objectdataset.h5"),
    "pb_t50_rs": ("main_split", "{}_objectdataset_augmentedrot_scale75.h5"),
}
"""Folder and file name of each variant; the folder tells OBJ_BG from OBJ_ONLY, the file names do not."""

OFFICIAL = {"train": "training", "test": "test"}


def open_scanobjectnn(path: Path, split: str = "all", *, variant: Variant) -> ArrayDataset:
    """Open one variant; `path` is the folder that was unpacked, `h5_files`, or the split folder itself.

    The channel `object` (n, 1) is 1 on the object and 0 on the background.
    """
    name = f"scanobjectnn-{variant}"
    check_split(split, tuple(OFFICIAL), name)
    folder, pattern = FILES[variant]
    places = [path / folder, path / "h5_files" / folder, *([path] if path.resolve().name == folder else [])]
    home = next((place for place in places if place.is_dir()), None)
    if home is None:
        raise DataError(
            f"{path} holds no ScanObjectNN {variant.upper()}; expected is a folder {folder} with "
            f"{pattern.format('training')} and {pattern.format('test')}; see `pointssl data get {name}`"
        )
    splits = OFFICIAL if split == "all" else {split: OFFICIAL[split]}
    paths = [home / pattern.format(word) for word in splits.values()]
    arrays = read_h5(paths, ("data", "label"), ("mask",))
    points, label = cloud_points(arrays["data"], home), arrays["label"].reshape(-1).astype(np.int64)
    if len(label) != len(points) or label.min(initial=0) < 0 or label.max(initial=0) >= len(CLASSES):
        raise DataError(f"{home}: labels must be one of 0 to {len(CLASSES) - 1} for each of {len(points)} clouds")
    channels = {}
    if "mask" in arrays:
        channels["object"] = (arrays["mask"].reshape(*points.shape[:2], 1) >= 0).astype(np.int32)
    return ArrayDataset(
        points, name=f"{name}/{split}", classes=CLASSES, labels=label, channels=channels, origin=str(home)
    )
