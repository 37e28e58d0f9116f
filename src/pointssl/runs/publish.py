"""Encoders to the Hugging Face hub, and to plain folders of the same form: weights, settings, record."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from pointssl.backbones import BACKBONES, Backbone, build_backbone
from pointssl.data import DATASETS
from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError, SettingError, nearest
from pointssl.runs import layout
from pointssl.runs.checkpoint import is_checkpoint
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.hub import first_line
from pointssl.runs.passed import Passed
from pointssl.runs.run import Run, write_encoder
from pointssl.runs.whitening import read_whitening, write_whitening

_PUBLIC = ("seed", "versions")
"""Entries of a record that concern the encoder and not the machine."""

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def save_pretrained(
    backbone: Backbone, folder: Path | str, *, config: PretrainConfig, record: dict[str, Any] | None = None
) -> Path:
    """Write an encoder folder that `pointssl.load` reads; `config` must be the one it was built from.

    Raises `RunError` when the folder exists: two encoders are never mixed.
    """
    target = Path(folder)
    if target.exists():
        raise RunError(f"{target} exists; choose another folder for the encoder")
    write_encoder(backbone, config, record or {}, target)
    return target


def save_untrained(name: str, folder: Path | str, *, points: int = 1024, seed: int = 0) -> Path:
    """Write the network `name` with its default settings, its weights drawn from `seed`, as an encoder folder.

    Raises `SettingError` for a name that `BACKBONES` lacks, and `RunError` where `folder` exists.
    """
    if name not in BACKBONES:
        raise SettingError(f"there is no backbone '{name}'{nearest(name, BACKBONES)}")
    settings = PretrainConfig(
        method=Passed(class_name="untrained"),
        backbone=BACKBONES[name][0](),
        data=DataConfig(reading=ReadConfig(points=points)),
        seed=seed,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_backbone(settings.backbone)
    return save_pretrained(network, folder, config=settings, record={"untrained": {"backbone": name, "seed": seed}})


def push_to_hub(path: Path | str, name: str, *, private: bool = False, api: "HfApi | None" = None) -> str:
    """Upload the encoder of a run, or an encoder folder, as `owner/model` and return its address.

    Uses the login of huggingface_hub (`hf auth login`). What is sent is written anew from what was read: weights,
    settings and whitening, and of the record what concerns the encoder alone. Paths, the command line, the machine and
    its times stay here. Raises `RunError` where there is no finished encoder, where a file of it is a link (it could be
    any file of this machine), or where the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    folder = Path(path)
    folder = folder / layout.ENCODER if layout.is_finished(folder) else folder
    if is_checkpoint(folder) or not all((folder / file).is_file() for file in layout.ENCODER_FILES):
        raise RunError(f"{folder} is not a finished encoder; let the run end, or write one with save_pretrained")
    for file in (folder, *(folder / name for name in (*layout.ENCODER_FILES, *layout.ENCODER_EXTRAS))):
        if file.is_symlink():
            raise RunError(f"{file} is a link, which is not published; put a copy in its place")
    api = api or HfApi()
    try:
        with TemporaryDirectory() as made:
            public = _public(folder, Path(made) / folder.name)
            address = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=name, folder_path=public, allow_patterns=[*layout.ENCODER_FILES, *layout.ENCODER_EXTRAS]
            )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise RunError(f"the hub did not take {name}: {first_line(error)}; see `hf auth whoami`") from error
    return str(address)


def _public(folder: Path, target: Path) -> Path:
    """Write an encoder folder again as `target`, without what is of this machine."""
    run = Run.open(folder)
    data = replace(run.config.data, source=_word(run.config.data.source), views=None)
    record = {key: run.record[key] for key in _PUBLIC if key in run.record}
    known = run.trained_on
    if known is not None:
        name = "/".join(known.name.replace("\\", "/").split("/")[-2:])  # SET/SPLIT, wherever the set lies
        record["data"] = {"name": name, "clouds": known.clouds, "fingerprint": known.fingerprint, "up": run.reading.up}
    encoder = run.encoder()
    write_encoder(encoder, replace(run.config, data=data), record, target)
    if (folder / layout.WHITENING).is_file():
        write_whitening(read_whitening(run, encoder.pooled_dim), target / layout.WHITENING)
    return target


def _word(source: str | None) -> str | None:
    """Return the name of a data set, without the path that follows it; of a path nothing."""
    if source is None:
        return None
    kind = source.partition(":")[0]
    return source if kind in ("synthetic", "generated") else kind if kind in DATASETS else None
