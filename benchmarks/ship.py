"""Put the encoder of a measured run into the package, with a card made from what was measured.

python benchmarks/ship.py --cell runs/CELL --baseline runs/UNTRAINED --name contrast-pointnet-generated ...

A cell is a folder with `run/`, and one SET.json for each data set with the clouds that each protocol got right. The
baseline is the cell of the same network untrained, with the same seed. The figures go to `results/shipped-NAME.json`
with their standard errors, and from there onto the card. The name must then stand in `MODELS` in
`src/pointssl/runs/shipped.py`.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from pointssl.errors import SettingError
from pointssl.evaluation.embed import keep_whitening
from pointssl.files import write_json
from pointssl.runs.layout import read_json
from pointssl.runs.run import Run, write_encoder
from pointssl.runs.shipped import FOLDER, Card, Score

RESULTS = Path(__file__).resolve().parent.parent / "results"
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
    not_for: str
    """What it is not good for."""
    points: int = 1024
    """Points per cloud that it was measured with: what it reads where it is used."""
    sets: tuple[str, ...] = ("psb-shrec12", "kicad-parts", "ldraw-parts", "bimnet10")
    protocols: tuple[str, ...] = ("svm-cv-standardised", "knn-1", "knn-1-whitened")
    whiten_on: str = "generated:unions:n=5000:seed=1"
    """Clouds that the whitening which travels with the encoder is fitted on: generated ones, like all else in it."""


def main(settings: Settings) -> None:
    """Write the folder."""
    run = Run.open(settings.cell / "run")
    trained_on = run.trained_on
    if trained_on is None or not trained_on.name.startswith("generated:"):
        raise SettingError(f"{run.folder} was trained on {trained_on}; only encoders of generated shapes alone ship")
    seen = next(line["clouds_seen"] for line in reversed(run.metrics()) if line.get("clouds_seen"))
    found = [figures(settings, data, protocol) for data in settings.sets for protocol in settings.protocols]
    source = RESULTS / f"shipped-{settings.name}.json"
    what = "percent of test clouds right, frozen features, one seed; standard error of the paired difference"
    trained = {"on": trained_on.name, "clouds_seen": int(seen), "seed": run.config.seed, "points": settings.points}
    write_json(source, {"what": what, "trained": trained, "command": settings.command, "scores": found})
    shown = [{name: one[name] for name in ("data", "protocol", "encoder", "baseline")} for one in found]
    card = Card(
        name=settings.name,
        about=settings.about,
        trained_on=trained_on.name,
        clouds_seen=int(seen),
        command=settings.command,
        scores=tuple(Score(**one) for one in shown),
        source=source.relative_to(RESULTS.parent).as_posix(),
        not_for=settings.not_for,
    )
    folder = FOLDER / settings.name
    reading = replace(run.config.data.reading, points=settings.points)
    config = replace(run.config, data=replace(run.config.data, reading=reading))
    write_encoder(run.encoder(), config, {name: run.record[name] for name in KEPT}, folder)
    # Fitted on a copy outside the package, whose encoders nobody may change.
    with tempfile.TemporaryDirectory() as place:
        copy = shutil.copytree(folder, Path(place) / settings.name)
        shutil.copy(keep_whitening(copy, settings.whiten_on), folder)
    write_json(folder / "card.json", asdict(card))


def figures(settings: Settings, data: str, protocol: str) -> dict[str, Any]:
    """Return what the encoder and the baseline got right of the same test clouds."""
    encoder, baseline = (
        np.array(read_json(cell / f"{data}.json")["probes"][protocol]["right"], dtype=float)
        for cell in (settings.cell, settings.baseline)
    )
    difference = encoder - baseline
    return {
        "data": data,
        "protocol": protocol,
        "clouds": len(encoder),
        "encoder": round(100 * float(encoder.mean()), 1),
        "baseline": round(100 * float(baseline.mean()), 1),
        "difference": round(100 * float(difference.mean()), 1),
        "standard_error": round(100 * float(difference.std(ddof=1)) / len(encoder) ** 0.5, 1),
    }


if __name__ == "__main__":
    main(tyro.cli(Settings))
