"""Write the feature of every cloud of a data set to a file that other programs read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from pointssl import files
from pointssl.backbones import Backbone
from pointssl.data.open import Data, open_dataset
from pointssl.errors import SettingError, nearest
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.runs.run import Run

FORMATS = (".parquet", ".npz", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """Features with the names and, where there are labels, the classes of their clouds."""

    names: tuple[str, ...]
    labels: Int64[np.ndarray, " m"] | None
    classes: tuple[str, ...]
    features: Float32[np.ndarray, "m d"]


def embed(
    run: Run | Path | str,
    data: Data,
    out: Path | str,
    *,
    backbone: Backbone | None = None,
    split: str = "all",
    points: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    bf16: bool = False,
) -> Embeddings:
    """Encode `data` with the encoder of `run` and write it to `out`, atomically; the ending is the format.

    parquet: columns name, label, class, feature (a list); npz: arrays names, labels, classes, features; csv: columns
    name, label, class, f0, f1, ... `backbone` is the network of a run that it was passed to. Raises
    `SettingError` for another ending or where parquet's library is missing.
    """
    path = Path(out)
    check_format(path)
    opened = Run.open(run, backbone=backbone)
    dataset = open_dataset(data, split)
    reading = opened.reading.with_points(points)
    config = EncodeConfig(reading=reading, batch_size=batch_size, device=device, bf16=bf16)
    features = encode(opened.encoder(), dataset, config, seed=seed, title=f"features of {dataset.name}")
    found = Embeddings(
        names=tuple(dataset[i].name for i in range(len(dataset))),
        labels=dataset.labels,
        classes=dataset.classes,
        features=features,
    )
    write(found, path)
    return found


def check_format(path: Path) -> None:
    """Raise `SettingError` unless the ending is one that `write` knows and can write here; costs nothing."""
    if path.suffix not in FORMATS:
        raise SettingError(f"{path} must end in .parquet, .npz or .csv{nearest(path.suffix, FORMATS)}")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            message = f"writing {path} needs pyarrow; pip install 'pointssl[parquet]', or write .npz or .csv"
            raise SettingError(message) from error


def write(found: Embeddings, path: Path) -> None:
    """Write embeddings in the format of the ending."""
    with files.atomic_file(path) as partial:
        match path.suffix:
            case ".parquet":
                _parquet(found, partial)
            case ".npz":
                arrays = {"names": np.array(found.names), "features": found.features}
                if found.labels is not None:
                    arrays |= {"labels": found.labels, "classes": np.array(found.classes)}
                with partial.open("wb") as handle:
                    np.savez(handle, allow_pickle=False, **arrays)
            case _:
                _csv(found, partial)


def _class_names(found: Embeddings) -> Sequence[str | None]:
    if found.labels is None:
        return [None] * len(found.names)
    return [found.classes[label] if found.classes else None for label in found.labels]


def _parquet(found: Embeddings, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    flat = pa.array(found.features.reshape(-1))
    labels = [None] * len(found.names) if found.labels is None else found.labels.tolist()
    table = pa.table(
        {
            "name": pa.array(found.names, pa.string()),
            "label": pa.array(labels, pa.int64()),
            "class": pa.array(_class_names(found), pa.string()),
            "feature": pa.FixedSizeListArray.from_arrays(flat, found.features.shape[1]),
        }
    )
    parquet.write_table(table, path)


def _csv(found: Embeddings, path: Path) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["name", "label", "class", *(f"f{i}" for i in range(found.features.shape[1]))])
        labels = [""] * len(found.names) if found.labels is None else found.labels.tolist()
        for name, label, kind, row in zip(found.names, labels, _class_names(found), found.features, strict=True):
            # Nine digits bring a float32 back exactly.
            writer.writerow([name, label, kind or "", *(f"{value:.9g}" for value in row)])
