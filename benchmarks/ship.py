"""Put the encoder of a measured run into the package, with a card made from what was measured.

python benchmarks/ship.py --cell runs/worth/CELL --baseline runs/worth/UNTRAINED --name contrast-pointnet-generated ...

A cell is a folder of `benchmarks/worth.py`: `run/`, and one SET.json for each data set with the clouds that each protocol
got right. The baseline is the cell of the same network untrained, with the same seed. The name must then stand in
`MODELS` in `src/pointssl/runs/shipped.py`.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro

from pointssl.errors import SettingError
from pointssl.files import write_json
from pointssl.runs.layout import read_json
from pointssl.runs.run import Run, write_encoder
from pointssl.runs.shipped import FOLDER, Card, Score

KEPT = ("started", "seed", "versions", "data", "finished")
"""What of a run's record goes out: no command with its paths, no machine."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is shipped."""

    cell: Path
    baseline: Path
    name: str
    about: str
    """The network and how it was trained, in a sentence."""
    command: str
    """What to type for another such encoder."""
    source: str
    """The file of results that the figures stand in."""
    not_for: str
    """What it is not good for."""
    sets: tuple[str, ...] = ("psb-shrec12", "kicad-parts", "ldraw-parts", "bimnet10")
    protocols: tuple[str, ...] = ("svm-cv-standardised", "knn-1")


def main(settings: Settings) -> None:
    """Write the folder."""
    run = Run.open(settings.cell / "run")
    trained_on = run.trained_on
    if trained_on is None or not trained_on.name.startswith("generated:"):
        raise SettingError(f"{run.folder} was trained on {trained_on}; only encoders of generated shapes alone ship")
    seen = next(line["clouds_seen"] for line in reversed(run.metrics()) if line.get("clouds_seen"))
    scores = [
        Score(data=data, protocol=protocol, encoder=percent(settings.cell, data, protocol), baseline=base)
        for data in settings.sets
        for protocol in settings.protocols
        for base in [percent(settings.baseline, data, protocol)]
    ]
    card = Card(
        name=settings.name,
        about=settings.about,
        trained_on=trained_on.name,
        clouds_seen=int(seen),
        command=settings.command,
        scores=tuple(scores),
        source=settings.source,
        not_for=settings.not_for,
    )
    folder = FOLDER / settings.name
    write_encoder(run.encoder(), run.config, {name: run.record[name] for name in KEPT}, folder)
    write_json(folder / "card.json", asdict(card))


def percent(cell: Path, data: str, protocol: str) -> float:
    """Return the share of the test clouds that a protocol got right."""
    right = read_json(cell / f"{data}.json")["probes"][protocol]["right"]
    return round(100 * float(np.mean(right)), 1)


if __name__ == "__main__":
    main(tyro.cli(Settings))
