"""Clouds and where they come from: files, folders, packed stores, generated shapes and the public data sets.

`open_dataset` in `open.py` turns whatever stands for a data set into a `Dataset`. `DATASETS` lists the layouts that go
by name. To add one, write its module and test, and add a line here; to use one's own class in Python nothing is
registered at all, anything that fits the `Dataset` protocol will do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.public.modelnet import open_modelnet
from pointssl.data.public.s3dis import AREAS, open_s3dis
from pointssl.data.public.scanobjectnn import open_scanobjectnn
from pointssl.data.public.shapenet import open_shapenet, shapenet_splits
from pointssl.data.public.shapenetpart import SPLITS, open_shapenetpart

__all__ = ["DATASETS", "Cloud", "Dataset", "Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a public data set lies on a disk."""

    open: Callable[[Path, str], Dataset]
    """From a folder and a split (or `all`) to the clouds."""
    splits: tuple[str, ...] | Callable[[Path], tuple[str, ...]] = ("train", "test")
    """The splits that it has, or how to learn them from the folder without reading clouds."""


DATASETS: Mapping[str, Layout] = {
    "modelnet10": Layout(partial(open_modelnet, classes=10)),
    "modelnet40": Layout(partial(open_modelnet, classes=40)),
    "s3dis": Layout(open_s3dis, (*AREAS, "train", "test")),
    "scanobjectnn-obj_bg": Layout(partial(open_scanobjectnn, variant="obj_bg")),
    "scanobjectnn-obj_only": Layout(partial(open_scanobjectnn, variant="obj_only")),
    "scanobjectnn-pb_t50_rs": Layout(partial(open_scanobjectnn, variant="pb_t50_rs")),
    "shapenet": Layout(open_shapenet, shapenet_splits),
    "shapenetpart": Layout(open_shapenetpart, tuple(SPLITS)),
}
"""Named layouts, written `NAME:PATH` where a data set is asked for."""
