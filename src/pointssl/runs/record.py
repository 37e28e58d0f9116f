"""What a run leaves behind about itself: its provenance, and one line of figures per logged step."""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, final

import torch

import pointssl
from pointssl.data.cloud import Dataset
from pointssl.data.endless import size_of
from pointssl.files import explain_full_disk, write_text
from pointssl.runs.layout import METRICS

_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "safetensors")


def provenance(dataset: Dataset, seed: int, device: torch.device, world: int) -> dict[str, Any]:
    """Return versions, code, machine, data, seed and command of this process, as JSON values."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": {"pointssl": _version("pointssl"), "python": platform.python_version()}
        | {name: _version(name) for name in _LIBRARIES},
        "commit": commit(),
        "seed": seed,
        "hardware": {
            "machine": platform.machine(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "processes": world,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        },
        "data": {"name": dataset.name, "clouds": size_of(dataset), "fingerprint": dataset.fingerprint},
    }


def commit() -> str | None:
    """Return the commit of the code that runs, with '+changes' where files differ from it; None outside git."""
    folder = Path(pointssl.__file__).parent
    try:
        # The package may be installed inside someone else's repository; only files under git's care count.
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@final
class Metrics:
    """Appends lines to `metrics.jsonl`, each on the disk before the next step, and to TensorBoard where installed."""

    def __init__(self, run: Path, step: int) -> None:
        """Open the metrics of `run` for updates from `step` on; lines of later updates are of a lost future."""
        path = run / METRICS
        truncate(path, step)
        with explain_full_disk(path):
            self._file = path.open("a", encoding="utf-8")
        self._path = path
        self._board = _tensorboard(run / "tensorboard", step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; figures that are not finite become null, which JSON has."""
        line = {"step": step} | {k: v if math.isfinite(v) else None for k, v in values.items()}
        with explain_full_disk(self._path):
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files; safe to call twice."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def truncate(path: Path, step: int) -> None:
    """Keep the lines of updates up to `step`; a last line cut short by a kill goes as well."""
    if not path.is_file():
        return
    kept = [line for line in _lines(path) if _step_of(line) <= step]
    write_text(path, "".join(line + "\n" for line in kept))


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics, oldest first: numbers by name, None where a figure was not finite.

    A line that is being written at this moment is passed over.
    """
    path = run / METRICS
    if not path.is_file():
        return []
    return [_figures(json.loads(line)) for line in _lines(path) if math.isfinite(_step_of(line))]


def _lines(path: Path) -> list[str]:
    """Return the lines of a log, in which anything may stand after a power loss: it must never block a run."""
    return path.read_bytes().decode("utf-8", errors="replace").splitlines()


def _figures(line: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is no figure."""
    return {name: value for name, value in line.items() if value is None or isinstance(value, int | float)}


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return math.inf


def _tensorboard(folder: Path, step: int) -> Any:
    """Return a TensorBoard writer, or None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)
