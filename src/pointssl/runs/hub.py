"""Folders to and from the Hugging Face hub; what is in them is not known here."""

from collections.abc import Sequence
from pathlib import Path

from pointssl.errors import RunError


def download(name: str, files: Sequence[str]) -> Path:
    """Fetch `owner/model` into the local cache and return its folder; nothing but `files` is read.

    Raises `RunError` where the hub has no such model or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RunError(f"the hub has no model {name}, or cannot be reached ({first_line(error)})") from error


def first_line(error: Exception) -> str:
    """Return the first line of a message of many."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
