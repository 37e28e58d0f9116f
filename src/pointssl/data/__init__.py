"""Clouds and where they come from: files, folders, packed stores, generated shapes and the public data sets.

`open_dataset` in `open.py` turns one word into a `Dataset`. `DATASETS` lists the layouts that go by name: a layout is a
function from a folder and a split to a `Dataset`. To add one, write its module and test, and add a line here; to use
one's own class in Python nothing is registered at all, anything that fits the `Dataset` protocol will do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pointssl.data.cloud import Cloud, Dataset
from pointssl.data.public.modelnet import open_modelnet
from pointssl.data.public.s3dis import open_s3dis
from pointssl.data.public.scanobjectnn import open_scanobjectnn
from pointssl.data.public.shapenet import open_shapenet
from pointssl.data.public.shapenetpart import open_shapenetpart

__all__ = ["DATASETS", "Cloud", "Dataset"]

DATASETS: Mapping[str, Callable[[Path, str], Dataset]] = {
    "modelnet10": partial(open_modelnet, classes=10),
    "modelnet40": partial(open_modelnet, classes=40),
    "s3dis": open_s3dis,
    "scanobjectnn-obj_bg": partial(open_scanobjectnn, variant="obj_bg"),
    "scanobjectnn-obj_only": partial(open_scanobjectnn, variant="obj_only"),
    "scanobjectnn-pb_t50_rs": partial(open_scanobjectnn, variant="pb_t50_rs"),
    "shapenet": open_shapenet,
    "shapenetpart": open_shapenetpart,
}
"""Named layouts, written `NAME:PATH` where a data set is asked for."""
