"""What lies in a run folder, and how an encoder is read back from any part of it.

    run/config.json            the settings, all of them
    run/record.json            versions, commit, hardware, data, command
    run/metrics.jsonl          one line per logged step
    run/checkpoints/step-N/    everything that step N + 1 needs
    run/encoder/               the finished encoder alone: model.safetensors, config.json, record.json

Checkpoints and the encoder appear whole or not at all. Nothing in them is a program: weights are safetensors, the
rest is JSON.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pointssl.backbones import Backbone, BackboneConfig, build_backbone
from pointssl.errors import RunError, SettingError
from pointssl.files import atomic_folder, write_json
from pointssl.methods import PretextMethod, build_method
from pointssl.progress import say
from pointssl.runs import seal
from pointssl.runs.config import PretrainConfig, from_json, to_json
from pointssl.runs.weights import load_weights, read_shapes, read_tensors, write_tensors
from pointssl.strict import parse

_STEP = re.compile(r"step-(\d{8,})")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_BACKBONE = "backbone."


def load(path: Path | str) -> Backbone:
    """Return the encoder of a run, a checkpoint, an encoder folder or a model on the Hugging Face hub.

    It is on the CPU and in evaluation mode, wherever it was trained. Of a run, the finished encoder is taken, or else
    that of the last whole checkpoint; of a checkpoint with averaged weights, the average. Raises `RunError`.
    """
    folder = _weights_folder(path)
    backbone = build_fitting(read_config(folder).backbone, folder)
    if not is_checkpoint(folder):
        file = folder / "model.safetensors"
        load_weights(backbone, read_tensors(file), file)
        return backbone.eval()
    average = folder / "ema.safetensors"
    file = average if average.is_file() else folder / "model.safetensors"
    tensors = {k.removeprefix(_BACKBONE): v for k, v in read_tensors(file).items() if k.startswith(_BACKBONE)}
    load_weights(backbone, tensors, file)
    return backbone.eval()


def build_fitting(config: BackboneConfig, folder: Path) -> Backbone:
    """Build the network of an encoder that may be a stranger's, once it is known that its weights are of that size.

    A few numbers in a config.json could otherwise take all memory before the file of weights is found not to fit.
    """
    file = folder / "model.safetensors"
    shapes = read_shapes(file)
    layers = sum(len(value) for value in asdict(config).values() if isinstance(value, tuple))
    if layers > len(shapes):
        raise RunError(f"{file} does not fit its config.json: {layers} layers in {len(shapes)} tensors")
    prefix = _BACKBONE if is_checkpoint(folder) else ""
    with torch.device("meta"):
        wanted = {f"{prefix}{name}": value.shape for name, value in build_backbone(config).state_dict().items()}
    wrong = [name for name, shape in wanted.items() if name in shapes and tuple(shape) != shapes[name]]
    if wrong:
        name = wrong[0]
        count = f"{len(wrong)} of another shape ({name} is {shapes[name]}, the network has {tuple(wanted[name])})"
        raise RunError(f"{file} does not fit the network its config.json describes: {count}")
    missing = [name for name in wanted if name not in shapes]
    if missing:
        raise RunError(
            f"{file} does not fit the network its config.json describes: {len(missing)} missing ({missing[0]})"
        )
    return build_backbone(config)


def load_method(path: Path | str) -> PretextMethod:
    """Return the whole method, heads included, of a run or checkpoint, on the CPU and in evaluation mode.

    A finished encoder has no heads; a run that has one is read from its last checkpoint. Raises `RunError`.
    """
    folder = existing(path)
    if not is_checkpoint(folder):
        if not (folder / "checkpoints").is_dir():
            raise RunError(f"{folder} holds an encoder alone; the whole method needs a run or one of its checkpoints")
        folder = _last_checkpoint(folder)
    config = read_config(folder)
    method = build_method(config.method, build_backbone(config.backbone))
    average = folder / "ema.safetensors"
    file = average if average.is_file() else folder / "model.safetensors"
    load_weights(method, read_tensors(file), file)
    return method.eval()


def untrained(path: Path | str, seed: int) -> Backbone:
    """Return the twin of a run's encoder that never trained: same network, weights drawn from `seed`."""
    config = read_config(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_backbone(config.backbone).eval()


def read_config(path: Path | str) -> PretrainConfig:
    """Return the settings kept in a run, checkpoint or encoder folder; raises `RunError` where there are none."""
    file = existing(path) / "config.json"
    try:
        return from_json(read_json(file), str(file))
    except SettingError as error:
        raise RunError(str(error)) from error


def checkpoints(run: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first; half-written ones are passed over."""
    numbered = [(int(found[1]), p) for p in (run / "checkpoints").glob("*") if (found := _STEP.fullmatch(p.name))]
    return [path for _, path in sorted(numbered) if is_whole(path)]


def latest(run: Path | str) -> Path | None:
    """Return the last whole checkpoint of a run, or None."""
    found = checkpoints(Path(run))
    return found[-1] if found else None


def step_of(checkpoint: Path) -> int:
    """Return the number of updates that were made before a checkpoint."""
    found = _STEP.fullmatch(checkpoint.name)
    if found is None:
        raise RunError(f"{checkpoint} is not a checkpoint folder; those are called step-00001234")
    return int(found[1])


def is_checkpoint(folder: Path) -> bool:
    """Tell a checkpoint from a run and from an encoder."""
    return (folder / "state.json").is_file()


def is_whole(checkpoint: Path) -> bool:
    """True when every file that the checkpoint lists is there in its full size; `seal.check` looks at their bytes."""
    try:
        sizes = seal.read(checkpoint / "state.json").files
        return bool(sizes) and all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, RunError):
        return False


def write_encoder(backbone: Backbone, config: PretrainConfig, record: dict[str, Any], folder: Path) -> None:
    """Write an encoder folder, whole or not at all; `folder` must not exist yet."""
    with atomic_folder(folder) as partial:
        write_tensors(partial / "model.safetensors", backbone.state_dict())
        write_json(partial / "config.json", to_json(config))
        write_json(partial / "record.json", record)


def existing(path: Path | str) -> Path:
    """Return the folder `path` names, fetched first where it is a hub name; raises `RunError` for anything else."""
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise RunError(f"{path} is a file; give the run folder it belongs to")
    name = str(path)
    if _HUB_NAME.fullmatch(name) and not folder.parent.exists():
        from pointssl.runs.hub import download

        return download(name)
    raise RunError(f"{path} does not exist; give a run folder, one of its checkpoints, or its encoder folder")


def _weights_folder(path: Path | str) -> Path:
    """Find the folder that holds the weights to read: an encoder or a whole checkpoint."""
    folder = existing(path)
    if is_checkpoint(folder):
        if not is_whole(folder):
            raise RunError(f"checkpoint {folder} is half written: files that it lists are missing or cut short")
        seal.check(folder / "state.json")
        return folder
    if (folder / "model.safetensors").is_file():
        return folder
    if not (folder / "config.json").is_file():
        raise RunError(f"{folder} is not a run: it has no config.json; give the folder that `pointssl pretrain` wrote")
    return folder / "encoder" if (folder / "encoder").is_dir() else _last_checkpoint(folder)


def _last_checkpoint(run: Path) -> Path:
    for folder in reversed(checkpoints(run)):
        try:
            seal.check(folder / "state.json")
        except RunError as error:
            say(f"warning: {error}; taking the checkpoint before it")
        else:
            return folder
    raise RunError(
        f"{run} holds no whole checkpoint yet; let it train, or take it up with `pointssl pretrain --resume {run}`"
    )


def read_json(file: Path) -> Any:
    """Read a JSON file of a run, an object; raises `RunError` where it is missing or damaged."""
    if not file.exists():
        raise RunError(f"{file.parent} is not a run: it has no {file.name}")
    value = parse(file, RunError, "it is damaged or half copied")
    if not isinstance(value, dict):
        raise RunError(f"{file} holds no object with names but a {type(value).__name__}; it is damaged or half copied")
    return value
