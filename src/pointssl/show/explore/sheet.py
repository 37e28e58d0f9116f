"""A query and what was found, side by side on one picture."""

from collections.abc import Sequence
from pathlib import Path

from pointssl.data.open import open_dataset
from pointssl.files import atomic_file
from pointssl.search.duplicates import require_same
from pointssl.search.index import Index
from pointssl.search.query import Hit, place_of
from pointssl.show.run.cloud_sheet import cloud_sheet


def write_sheet(index: Index, query: Path | str, hits: Sequence[Hit], path: Path) -> None:
    """Write a PNG of the query and the shapes that were found; the data of the index must still be there."""
    dataset = open_dataset(index.source, index.split)
    require_same(index, dataset)
    asked = dataset.xyz(place_of(index, str(query))) if not Path(query).exists() else open_dataset(query).xyz(0)
    clouds = [(f"asked: {query}", asked)]
    clouds += [(f"{hit.rank}: {hit.name} ({hit.distance:.3f})", dataset.xyz(hit.place)) for hit in hits]
    with atomic_file(path) as partial:
        partial.write_bytes(cloud_sheet(clouds, title=f"most like {query}").png)
