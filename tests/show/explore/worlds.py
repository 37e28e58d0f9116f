"""An atlas without an encoder: vectors are planted."""

import numpy as np

from pointssl.data.arrays import ArrayDataset
from pointssl.search.duplicates import Duplicates
from pointssl.search.index import Index
from pointssl.show.explore.atlas import Atlas, build_atlas


def planted(count: int = 60, *, views: int = 1, points: int = 64, evil: str = "") -> Atlas:
    """Return an atlas of three far groups of shapes; shape 1 is a copy of shape 0."""
    generator = np.random.default_rng(0)
    group = np.arange(count) % 3
    dataset = ArrayDataset(generator.normal(size=(count, 200, 3)).astype(np.float32), name="planted")
    indices = []
    for view in range(views):
        vectors = np.eye(8, dtype=np.float32)[group + view] + generator.normal(scale=0.05, size=(count, 8))
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        indices.append(
            Index(
                vectors=vectors.astype(np.float32),
                names=tuple(f"{('bolt', 'gear', 'plate')[g]}_{i:03d}{evil}" for i, g in enumerate(group)),
                origins=tuple(f"/srv/somebody/parts/{i:03d}.stl" for i in range(count)),
                label=group.astype(np.int64),
                classes=("bolt", "gear", f"plate{evil}"),
                source="planted",
                split="all",
                encoder=f"encoder {view}",
                key=str(view),
                points=64,
                seed=0,
                whitening=None,
            )
        )
    copies = Duplicates(pairs=(), groups=((0, 1),))
    return build_atlas(indices, dataset, title=f"parts{evil}", up="z", points=points, copies=copies)
