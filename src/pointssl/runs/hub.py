"""Encoders to and from the Hugging Face hub, and to and from plain folders of the same form.

Such a folder holds `model.safetensors`, `config.json` and `record.json`, as the `encoder/` of a run does.
"""

from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from pointssl.backbones import Backbone
from pointssl.errors import RunError
from pointssl.runs.checkpoint import is_checkpoint, load, write_encoder
from pointssl.runs.config import PretrainConfig

_FILES = ("model.safetensors", "config.json", "record.json")


def save_pretrained(
    backbone: Backbone, folder: Path | str, *, config: PretrainConfig, record: dict[str, Any] | None = None
) -> Path:
    """Write an encoder that `from_pretrained` and `pointssl.load` read; `config` must be the one it was built from.

    Raises `RunError` when the folder exists: two encoders are never mixed.
    """
    target = Path(folder)
    if target.exists():
        raise RunError(f"{target} exists; choose another folder for the encoder")
    write_encoder(backbone, config, record or {}, target)
    return target


def from_pretrained(name: Path | str) -> Backbone:
    """Return the encoder in a folder, or the one called `owner/model` on the hub, on the CPU in evaluation mode."""
    return load(name)


def push_to_hub(path: Path | str, name: str, *, private: bool = False, api: HfApi | None = None) -> str:
    """Upload the encoder of a run, or an encoder folder, as `owner/model` and return its address.

    Uses the login of huggingface_hub (`hf auth login`). Raises `RunError` where there is no finished encoder or the hub
    refuses.
    """
    folder = Path(path)
    folder = folder / "encoder" if (folder / "encoder").is_dir() else folder
    load(folder)  # what cannot be read back is not published
    if is_checkpoint(folder) or not all((folder / file).is_file() for file in _FILES):
        raise RunError(f"{folder} is not a finished encoder; let the run end, or write one with save_pretrained")
    api = api or HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=folder, allow_patterns=list(_FILES))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise RunError(f"the hub did not take {name}: {_line(error)}; see `hf auth whoami`") from error
    return str(address)


def download(name: str) -> Path:
    """Fetch the encoder `owner/model` into the local cache and return its folder; only its three files are read."""
    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RunError(f"there is no folder {name}, and no such model on the hub either ({_line(error)})") from error


def _line(error: Exception) -> str:
    """Return the first line of a message of many."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
