"""What was measured, in one file that reads back: clouds, regions, and the value of every coalition."""

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from pointssl import files
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError
from pointssl.interpret.config import InteractConfig
from pointssl.ops.games.dividends import completeness_error, moebius

FORMAT = 1
COMPLETE = 1e-9
"""Largest error of the sums of interactions, as a share of the largest value; float64 leaves about 1e-14."""
_ARRAYS = ("index", "label", "predicted", "xyz", "region", "v")


@dataclass(frozen=True, kw_only=True)
class InteractionTable:
    """All values of one network on m clouds, cut into n regions each."""

    network: str
    """What to call it."""
    weights: str
    """Digest of the network."""
    data: str
    fingerprint: str
    """Digest of the whole data set."""
    classes: tuple[str, ...]
    settings: InteractConfig
    index: Int64[np.ndarray, " m"]
    """Place of each cloud in the data set."""
    label: Int64[np.ndarray, " m"]
    predicted: Int64[np.ndarray, " m"]
    """What the network says of the whole cloud."""
    xyz: Float32[np.ndarray, "m n 3"]
    """The points as the network saw them."""
    region: Int64[np.ndarray, "m n"]
    v: Float64[np.ndarray, "m c"]
    """Score of every coalition, in the order of their numbers (bit i: region i is kept)."""

    @property
    def accuracy(self) -> float:
        """Share of these clouds that the network gets right."""
        return float((self.predicted == self.label).mean())

    def values(self) -> Float64[Tensor, "m c"]:
        """Return v as a tensor."""
        return torch.from_numpy(self.v)

    def dividends(self) -> Float64[Tensor, "m c"]:
        """Return all interactions, which are transformed and checked once.

        Raises:
            RunError: they do not give every value back; the table is damaged or holds numbers that are not finite.
        """
        return self._dividends

    @cached_property
    def _dividends(self) -> Float64[Tensor, "m c"]:
        v = self.values()
        found = moebius(v)
        error = completeness_error(v, found)
        if not bool((error <= COMPLETE).all()):  # a NaN is not complete either
            worst = int(error.nan_to_num(torch.inf).argmax())
            raise RunError(
                f"the interactions of {self.network} do not add up to its values for cloud {self.index[worst]} (off by "
                f"{float(error[worst]):.1e} of the largest); the table is damaged, measure again"
            )
        return found


def same_question(a: InteractionTable, b: InteractionTable) -> bool:
    """Whether two tables are of the same clouds, points, regions and scores."""
    alike = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("index", "label", "xyz", "region"))
    how = [(t.settings.masking, t.settings.score, t.settings.target, t.v.shape) for t in (a, b)]
    return alike and how[0] == how[1]


def save(table: InteractionTable, path: Path) -> None:
    """Write a table, atomically, as `.npz`, or as `.parquet` with a row per cloud (needs pyarrow).

    Raises:
        SettingError: another ending, or parquet without pyarrow.
    """
    if path.suffix == ".npz":
        arrays = {name: getattr(table, name) for name in _ARRAYS}
        with files.atomic_file(path) as partial, partial.open("wb") as handle:
            np.savez_compressed(handle, about=np.array(json.dumps(_about(table))), **arrays)
    elif path.suffix == ".parquet":
        pa, pq = _pyarrow(path)
        columns = {name: pa.array(list(getattr(table, name).reshape(len(table.index), -1))) for name in _ARRAYS[3:]}
        columns |= {name: pa.array(getattr(table, name)) for name in _ARRAYS[:3]}
        written = pa.table(columns).replace_schema_metadata({"pointssl": json.dumps(_about(table))})
        with files.atomic_file(path) as partial:
            pq.write_table(written, partial)
    else:
        raise SettingError(f"a table must be written as .npz or .parquet, got {path.name}")


def load(path: Path) -> InteractionTable:
    """Read what `save` wrote; raises `RunError` where it is missing, damaged or something else."""
    if not path.is_file():
        raise RunError(f"{path} does not exist; make it with `pointssl interpret`")
    try:
        if path.suffix == ".parquet":
            _, pq = _pyarrow(path)
            read = pq.read_table(path)
            about = json.loads(read.schema.metadata[b"pointssl"])
            arrays = {name: np.array(read[name].to_pylist(), dtype=_kind(name)) for name in _ARRAYS}
            arrays["xyz"] = arrays["xyz"].reshape(*arrays["region"].shape, 3)
        else:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as kept:
                about = json.loads(str(kept["about"]))
                arrays = {name: kept[name] for name in _ARRAYS}
        return _from(about, arrays)
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError, MemoryError),
        *(zipfile.BadZipFile, zlib.error, NotImplementedError),
    ) as error:
        raise RunError(f"{path} is no table of interactions, damaged, or of another version; measure again") from error


def _about(table: InteractionTable) -> dict[str, Any]:
    named = {name: getattr(table, name) for name in ("network", "weights", "data", "fingerprint", "classes")}
    return {"format": FORMAT, **named, "settings": asdict(table.settings)}


def _from(about: dict[str, Any], arrays: dict[str, Any]) -> InteractionTable:
    if about.pop("format") != FORMAT:
        raise ValueError("another version")
    kept = about.pop("settings")
    settings = InteractConfig(**(kept | {"reading": ReadConfig(**kept["reading"])}))
    return InteractionTable(classes=tuple(about.pop("classes")), settings=settings, **about, **arrays)


def _kind(name: str) -> str:
    return {"xyz": "float32", "v": "float64"}.get(name, "int64")


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SettingError(f"{path.name} needs pyarrow: pip install 'pointssl[parquet]', or take .npz") from error
    return pa, pq
