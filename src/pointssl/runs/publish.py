"""Encoders to the Hugging Face hub, and to plain folders of the same form: weights, settings, record."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointssl.backbones import Backbone
from pointssl.errors import RunError
from pointssl.runs import layout
from pointssl.runs.checkpoint import is_checkpoint
from pointssl.runs.config import PretrainConfig
from pointssl.runs.hub import first_line
from pointssl.runs.run import load, write_encoder

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


def push_to_hub(path: Path | str, name: str, *, private: bool = False, api: "HfApi | None" = None) -> str:
    """Upload the encoder of a run, or an encoder folder, as `owner/model` and return its address.

    Uses the login of huggingface_hub (`hf auth login`). Raises `RunError` where there is no finished encoder or the hub
    refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    folder = Path(path)
    folder = folder / layout.ENCODER if layout.is_finished(folder) else folder
    load(folder)  # what cannot be read back is not published
    if is_checkpoint(folder) or not all((folder / file).is_file() for file in layout.ENCODER_FILES):
        raise RunError(f"{folder} is not a finished encoder; let the run end, or write one with save_pretrained")
    api = api or HfApi()
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, allow_patterns=[*layout.ENCODER_FILES, *layout.ENCODER_EXTRAS]
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise RunError(f"the hub did not take {name}: {first_line(error)}; see `hf auth whoami`") from error
    return str(address)
