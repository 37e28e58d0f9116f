"""What lies where in a run folder; no other module spells these names.

    run/config.json            the settings, and how to open the clouds again
    run/record.json            versions, commit, hardware, command, and what was trained on: the truth about the run
    run/metrics.jsonl          one line per logged step
    run/checkpoints/step-N/    everything that step N + 1 needs
    run/encoder/               the finished encoder alone: model.safetensors, config.json, record.json; and, where one
                               was fitted, whitening.safetensors
    run/scores.json            how a classifier did on clouds that it did not learn from
    run/evaluation/            scores of the encoder, one file per data set
    run/failure/               the evidence, after NaN or divergence

Checkpoints and the encoder appear atomically. Nothing in them is a program: weights are safetensors, the
rest is JSON.
"""

from pathlib import Path
from typing import Any

from pointssl.errors import RunError
from pointssl.runs import hub, shipped
from pointssl.strict import parse

CONFIG = "config.json"
RECORD = "record.json"
METRICS = "metrics.jsonl"
SCORES = "scores.json"
CHECKPOINTS = "checkpoints"
ENCODER = "encoder"
EVALUATION = "evaluation"
FAILURE = "failure"

WEIGHTS = "model.safetensors"
WHITENING = "whitening.safetensors"
AVERAGE = "ema.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"

ENCODER_FILES = (WEIGHTS, CONFIG, RECORD)
"""All that an encoder folder must hold, here and on the hub."""
ENCODER_EXTRAS = (WHITENING,)
"""What it may hold beside that."""
HUB = "hf:"
"""What the name of a model on the Hugging Face hub begins with: a mistyped path never asks the network."""


def existing(path: Path | str) -> Path:
    """Return the folder that `path` names, which may be a model that ships; `hf:owner/model` is fetched first.

    Raises `RunError` for anything else.
    """
    name = str(path)
    if name.startswith(HUB):
        return hub.download(name.removeprefix(HUB), ENCODER_FILES + ENCODER_EXTRAS)
    folder = Path(path)
    if folder.is_dir():
        return folder
    ships = shipped.folder_of(name)
    if ships is not None:
        return ships
    if folder.exists():
        raise RunError(f"{path} is a file; give the run folder it belongs to")
    raise RunError(
        f"{path} does not exist{shipped.hint(name)}; give a run folder, one of its checkpoints, its encoder folder, a "
        f"name that `pointssl models` lists, or {HUB}OWNER/MODEL for a model on the Hugging Face hub"
    )


def is_begun(folder: Path) -> bool:
    """Tell whether a folder holds a run, finished or not."""
    return (folder / CONFIG).is_file()


def is_finished(folder: Path) -> bool:
    """Tell whether a run has its encoder."""
    return (folder / ENCODER).is_dir()


def is_scored(folder: Path) -> bool:
    """Tell whether a classifier has its scores."""
    return (folder / SCORES).is_file()


def read_json(file: Path) -> Any:
    """Read a JSON file of a run, an object; raises `RunError` where it is missing or damaged."""
    if not file.exists():
        raise RunError(f"{file.parent} is not a run: it has no {file.name}")
    value = parse(file, RunError, "it is damaged or half copied")
    if not isinstance(value, dict):
        raise RunError(f"{file} holds no object with names but a {type(value).__name__}; it is damaged or half copied")
    return value
