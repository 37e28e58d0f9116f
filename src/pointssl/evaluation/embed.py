"""Write the feature of every cloud of a data set to a file that other programs read.

They can be whitened first, by the whitening that travels with the encoder or by one fitted on the clouds themselves
(`ops/whitening.py`): neighbours by cosine or distance get better, and nothing but the clouds is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from pointssl import files
from pointssl.backbones import Backbone
from pointssl.data.open import Data, open_dataset
from pointssl.errors import SettingError, nearest
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.ops.whitening import fit_whitening
from pointssl.runs.run import Run
from pointssl.runs.whitening import place_for, read_whitening, write_whitening

FORMATS = (".parquet", ".npz", ".csv")
Whiten = Literal["no", "kept", "own"]
"""Not at all, by what travels with the encoder, or by a whitening fitted on the clouds that are embedded."""
LEAST_TO_WHITEN = 100
"""Fewest clouds to fit a whitening on: with 100 it helped in one set and harmed in another (LOG.md)."""


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
    whiten: Whiten = "no",
    defuse: bool = False,
) -> Embeddings:
    """Encode `data` with the encoder of `run` and write it to `out`, atomically; the ending is the format.

    parquet: columns name, label, class, feature (a list); npz: arrays names, labels, classes, features; csv: columns
    name, label, class, f0, f1, ... `backbone` is the network of a run that it was passed to; `whiten` is what is
    done to the features; `defuse` is `write`'s. Raises `SettingError` for another ending, for a place that cannot be
    written, where parquet's library is missing, and for too few clouds to whiten by; `RunError` where no whitening is
    kept.
    """
    path = Path(out)
    check_format(path)
    files.require_place(path)
    opened = Run.open(run, backbone=backbone)
    dataset = open_dataset(data, split)
    reading = opened.reading.with_points(points)
    config = EncodeConfig(reading=reading, batch_size=batch_size, device=device, bf16=bf16)
    encoder = opened.encoder()
    kept = read_whitening(opened, encoder.pooled_dim) if whiten == "kept" else None
    if whiten == "own":
        require_enough(len(dataset), dataset.name)
    features = encode(encoder, dataset, config, seed=seed, title=f"features of {dataset.name}")
    whitened = fit_whitening(features) if whiten == "own" else kept
    found = Embeddings(
        names=tuple(dataset[i].name for i in range(len(dataset))),
        labels=dataset.labels,
        classes=dataset.classes,
        features=features if whitened is None else whitened(features),
    )
    write(found, path, defuse=defuse)
    return found


def keep_whitening(
    run: Run | Path | str,
    data: Data,
    *,
    backbone: Backbone | None = None,
    split: str = "all",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
    axes: int = 128,
    power: float = 0.5,
) -> Path:
    """Fit a whitening on unlabelled clouds and keep it beside the run's encoder; return the file.

    `axes` and `power` are those of `ops.whitening.fit_whitening`. Raises `SettingError` for too
    few clouds and `RunError` for an unfinished run and for an encoder of the package.
    """
    opened = Run.open(run, backbone=backbone)
    file = place_for(opened)
    dataset = open_dataset(data, split)
    require_enough(len(dataset), dataset.name)
    config = EncodeConfig(reading=opened.reading.with_points(points), device=device)
    features = encode(opened.encoder(), dataset, config, seed=seed, title=f"features of {dataset.name}")
    write_whitening(fit_whitening(features, axes=axes, power=power), file)
    return file


def require_enough(clouds: int, name: str) -> None:
    """Raise `SettingError` for too few clouds to fit a whitening on."""
    if clouds < LEAST_TO_WHITEN:
        raise SettingError(
            f"{name} has {clouds} clouds, and a whitening is fitted on {LEAST_TO_WHITEN} or more; use the one that "
            "travels with the encoder (whiten 'kept'), or none"
        )


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


def write(found: Embeddings, path: Path, *, defuse: bool = False) -> None:
    """Write embeddings in the format of the ending.

    With `defuse`, names in a csv that a spreadsheet would take for formulas (`=HYPERLINK(...)`) begin with an
    apostrophe; they are then no longer the names of the clouds, so it is not done unasked.
    """
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
                _csv(found, partial, _harmless if defuse else str)


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


def _harmless(cell: str) -> str:
    """Return a text that no spreadsheet computes."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _csv(found: Embeddings, path: Path, told: Callable[[str], str]) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["name", "label", "class", *(f"f{i}" for i in range(found.features.shape[1]))])
        labels = [""] * len(found.names) if found.labels is None else found.labels.tolist()
        for name, label, kind, row in zip(found.names, labels, _class_names(found), found.features, strict=True):
            # Nine digits bring a float32 back exactly.
            writer.writerow([told(name), label, told(kind or ""), *(f"{value:.9g}" for value in row)])
