"""What the clouds of a data set are called, all at once: the word by which other files about them are found."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pointssl.data.cloud import Dataset
from pointssl.progress import track


@runtime_checkable
class Named(Protocol):
    """A data set that knows its clouds' names without reading their points."""

    @property
    def names(self) -> Sequence[str]:
        """`Cloud.name` of every cloud, in order."""


def cloud_names(dataset: Dataset) -> list[str]:
    """Return the name of every cloud; a data set that has no `names` is read through once."""
    if isinstance(dataset, Named):
        return list(dataset.names)
    places = track(range(len(dataset)), f"reading names of {dataset.name}", len(dataset))
    return [dataset[place].name for place in places]


def cloud_groups(dataset: Dataset) -> list[str]:
    """Return the class name of every cloud; empty texts for unlabelled data."""
    labels, classes = dataset.labels, dataset.classes
    if labels is None or not classes:
        return [""] * len(dataset)
    return [classes[int(label)] for label in labels]
