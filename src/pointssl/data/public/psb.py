"""How people cut the shapes of the Princeton Segmentation Benchmark into parts, as its archives hold it.

Source: X. Chen, A. Golovinskiy, T. Funkhouser, "A Benchmark for 3D Mesh Segmentation", SIGGRAPH 2009.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int64

from pointssl.data.files.scan import choose_split, scan
from pointssl.errors import DataError


def human_segmentations(path: Path, split: str = "all") -> list[Int64[np.ndarray, "s n"]]:
    """Return, for every cloud of `open_files(path, split)`, all human segmentations of its points, in stored order.

    Segment numbers have no meaning across people.
    """
    with np.load(path, allow_pickle=False) as archive:
        if "segment" not in archive.files or "segment_model" not in archive.files:
            raise DataError(f"{path} has no human segmentations (arrays 'segment' and 'segment_model')")
        segment, model = archive["segment"].astype(np.int64), archive["segment_model"]
    return [segment[model == entry.place] for entry in choose_split(scan(path), split)]
