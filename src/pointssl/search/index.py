"""An index: the unit vector of every shape of a data set, with names, classes and where each came from, in one file.

    parts.index     safetensors: vectors (m, d), label (m,), the whitening, and all else as JSON in bytes

Nothing in the file is run when it is opened, and a checksum covers all of it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from pointssl.data.cloud import Dataset
from pointssl.data.open import Data, open_dataset
from pointssl.errors import DataError, RunError, SettingError
from pointssl.files import atomic_file
from pointssl.ops.whitening import Whitening
from pointssl.progress import track
from pointssl.runs.run import Run
from pointssl.runs.weights import read_shapes, read_tensors, write_tensors
from pointssl.search.encoder import Encoder, Whiten, open_encoder

FORMAT = 1
_AT_ONCE = 1024
"""Queries that are compared with all shapes at once."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The vectors of some shapes and what is known of them."""

    vectors: Float32[np.ndarray, "m d"]
    """Of length 1, so that a product is a cosine."""
    names: tuple[str, ...]
    origins: tuple[str, ...]
    """File, and place in it, that each shape was read from."""
    label: Int64[np.ndarray, " m"]
    """Class of each shape, -1 where it has none."""
    classes: tuple[str, ...]
    source: str
    """What stands behind `--data`."""
    split: str
    encoder: str
    key: str
    """Of the encoder: vectors of another key cannot be compared with these."""
    points: int
    seed: int
    whitening: Whitening | None

    def __len__(self) -> int:
        return len(self.names)

    def class_of(self, place: int) -> str | None:
        """Return the name of a shape's class, None where it has none."""
        label = int(self.label[place])
        return None if label < 0 or not self.classes else self.classes[label]


def build_index(
    data: Data,
    *,
    run: Run | Path | str | None = None,
    split: str = "all",
    whiten: Whiten = "best",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Index:
    """Encode all shapes of `data` with the encoder of `run`, or with the first that ships."""
    dataset = open_dataset(data, split)
    if len(dataset) == 0:
        raise DataError(f"{dataset.name} holds no shapes; there is nothing to index")
    encoder = open_encoder(run, dataset, whiten=whiten, points=points, seed=seed, device=device)
    source = str(data) if isinstance(data, str | Path) else dataset.name
    return index_of(dataset, encoder, source=source, split=split)


def index_of(dataset: Dataset, encoder: Encoder, *, source: str, split: str = "all") -> Index:
    """Encode all shapes of an open data set; `source` and `split` say how to open it again."""
    vectors = encoder.vectors(dataset, title=f"vectors of {dataset.name}")
    clouds = [dataset[i] for i in track(range(len(dataset)), "names", len(dataset))]
    labels = dataset.labels
    return Index(
        vectors=vectors,
        names=tuple(cloud.name for cloud in clouds),
        origins=tuple(cloud.origin for cloud in clouds),
        label=np.full(len(dataset), -1, dtype=np.int64) if labels is None else labels,
        classes=tuple(dataset.classes),
        source=source,
        split=split,
        encoder=encoder.name,
        key=encoder.key,
        points=encoder.config.reading.points,
        seed=encoder.seed,
        whitening=encoder.whitening,
    )


def save_index(index: Index, path: Path | str) -> None:
    """Write an index to one file, atomically."""
    told = {name: getattr(index, name) for name in _TOLD} | {"format": FORMAT}
    tensors = {
        "about": torch.from_numpy(np.frombuffer(json.dumps(told).encode(), dtype=np.uint8).copy()),
        "vectors": torch.from_numpy(index.vectors),
        "label": torch.from_numpy(index.label),
    }
    if index.whitening is not None:
        tensors |= {
            "mean": torch.from_numpy(index.whitening.mean),
            "turn": torch.from_numpy(np.ascontiguousarray(index.whitening.turn)),
        }
    with atomic_file(Path(path)) as partial:
        write_tensors(partial, tensors)


_TOLD = ("names", "origins", "classes", "source", "split", "encoder", "key", "points", "seed")


def is_index(path: Path) -> bool:
    """Tell whether a file is an index, by its list of contents alone."""
    try:
        return path.is_file() and {"about", "vectors"} <= set(read_shapes(path))
    except RunError:
        return False


def load_index(path: Path | str) -> Index:
    """Read an index; raises `RunError` for a file that is missing, damaged or none."""
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist; make it with: pointssl index CLOUDS --out {path}")
    tensors = read_tensors(path)
    try:
        told: dict[str, Any] = json.loads(tensors["about"].numpy().tobytes())
        if told["format"] != FORMAT:
            raise RunError(f"{path} is of format {told['format']}, this version reads {FORMAT}; make it again")
        vectors, label = tensors["vectors"].numpy(), tensors["label"].numpy()
        lengths = {len(told["names"]), len(told["origins"]), len(vectors), len(label)}
        whitening = None
        if "turn" in tensors:
            whitening = Whitening(mean=tensors["mean"].numpy(), turn=tensors["turn"].numpy())
        made = Index(
            vectors=vectors.astype(np.float32),
            label=label.astype(np.int64),
            points=int(told["points"]),
            seed=int(told["seed"]),
            names=tuple(map(str, told["names"])),
            origins=tuple(map(str, told["origins"])),
            classes=tuple(map(str, told["classes"])),
            source=str(told["source"]),
            split=str(told["split"]),
            encoder=str(told["encoder"]),
            key=str(told["key"]),
            whitening=whitening,
        )
    except (KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is no index, or of another program; make it again with: pointssl index") from error
    if len(lengths) > 1 or made.vectors.ndim != 2:
        raise RunError(f"{path} contradicts itself about how many shapes it has; make it again with: pointssl index")
    return made


def encoder_of(index: Index, *, device: str | None = None) -> Encoder:
    """Return the encoder that made an index; raises `RunError` where its weights are gone or are others now."""
    none = open_encoder(index.encoder, None, whiten="no", points=index.points, seed=index.seed, device=device)
    made = Encoder(none.name, none.network, none.config, index.whitening, index.seed)
    if made.key != index.key:
        raise RunError(
            f"the index was made by another encoder than {index.encoder} is now, so nothing can be compared with it; "
            f"make it again: pointssl index {index.source} --run {index.encoder} --out FILE"
        )
    return made


def nearest(
    vectors: Float32[np.ndarray, "m d"], queries: Float32[np.ndarray, "q d"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]:
    """Return the places of the k nearest of `vectors` to every query, nearest first, and 1 - cosine to each.

    Exact; of equally near ones that are returned the first comes first. With fewer than k vectors there are as many
    columns as vectors.
    """
    if k < 1:
        raise SettingError(f"k must be at least 1, got {k}")
    k = min(k, len(vectors))
    places, distances = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    for start in range(0, len(queries), _AT_ONCE):
        cosine = queries[start : start + _AT_ONCE] @ vectors.T
        some = np.argpartition(-cosine, k - 1, axis=1)[:, :k] if k < len(vectors) else _all(cosine)
        value = np.take_along_axis(cosine, some, axis=1)
        order = np.lexsort((some, -value), axis=1)
        places[start : start + _AT_ONCE] = np.take_along_axis(some, order, axis=1)
        distances[start : start + _AT_ONCE] = 1 - np.take_along_axis(value, order, axis=1)
    return places, np.maximum(distances, 0.0)


def _all(cosine: Float32[np.ndarray, "q m"]) -> Int64[np.ndarray, "q m"]:
    return np.broadcast_to(np.arange(cosine.shape[1]), cosine.shape).copy()
