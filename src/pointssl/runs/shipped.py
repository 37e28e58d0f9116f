"""Encoders that come with the package: trained on generated shapes alone, so that no data licence touches them.

    src/pointssl/models/NAME/   an encoder folder as of any run, and card.json: how it was trained and what was measured

Adding one is `benchmarks/ship.py`, which makes the card from results, and a name in `MODELS`.
"""

from dataclasses import dataclass
from pathlib import Path

from pointssl.errors import RunError, nearest
from pointssl.strict import read_object

FOLDER = Path(__file__).resolve().parent.parent / "models"

MODELS: tuple[str, ...] = ("contrast-edge-pointnet-generated", "contrast-pointnet-generated")
"""Names of the encoders, the one to use by default first."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of a card: percent right of frozen features, beside the random-init baseline."""

    data: str
    protocol: str
    encoder: float
    baseline: float


@dataclass(frozen=True, slots=True)
class Card:
    """What is to be known of an encoder before it is used."""

    name: str
    about: str
    """The network and how it was trained, in a sentence."""
    trained_on: str
    clouds_seen: int
    command: str
    """What to type for another such encoder."""
    scores: tuple[Score, ...]
    source: str
    """The file of results that the figures come from."""
    not_for: str
    """What it is not good for."""
    licence: str = "Apache-2.0"


def default() -> str:
    """Return the name of the encoder that is used where none is named; raises `RunError` where none ships."""
    if not MODELS:
        raise RunError("this version ships no encoder; give a run folder, or hf:OWNER/MODEL")
    return MODELS[0]


def folder_of(name: str) -> Path | None:
    """Return the encoder folder of a model that ships, None for any other word."""
    return FOLDER / name if name in MODELS else None


def hint(name: str) -> str:
    """Return the nearest model to a word that may have been meant for one; empty for what looks like a path."""
    if not MODELS or {"/", "\\", "."} & set(name):
        return ""
    return nearest(name, MODELS)


def card(name: str) -> Card:
    """Return the card of a model; raises `RunError` with the nearest name for an unknown one."""
    if name not in MODELS:
        known = nearest(name, MODELS) if MODELS else ""
        raise RunError(f"there is no model '{name}'{known}; `pointssl models` lists them")
    return read_object(FOLDER / name / "card.json", Card, RunError, "it is damaged; install the package again")
