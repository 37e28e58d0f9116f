"""The pre-trained runs that a study starts from: which belong together, and what their runs kept on the way."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pointssl.errors import RunError, SettingError
from pointssl.runs.checkpoint import checkpoints, step_of
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.run import Run, load
from pointssl.runs.weights import digest
from pointssl.train.checks import differences

PARTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Parts of pre-training that the study of scaling looks at."""


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """Weights that a classifier starts from."""

    path: Path
    name: str
    """Short, for folders and tables."""
    digest: str


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs whose settings differ by the seed alone: one way to pre-train, several times."""

    name: str
    runs: tuple[Path, ...]

    def run(self, place: int) -> Path:
        """Return the run for the place-th seed of the study; they are taken in turn where they are fewer."""
        return self.runs[place % len(self.runs)]


def run_groups(runs: Sequence[Path | str], recipe: PretrainConfig) -> tuple[tuple[RunGroup, ...], PretrainConfig]:
    """Group pre-trained runs, and return the recipe with their encoder.

    Raises:
        SettingError: no runs, the same run twice, or runs with different encoders or another one than the recipe's.
        RunError: a run that is none, or that is not finished.
    """
    paths = [Path(run) for run in runs]
    if not paths:
        raise SettingError("name at least one pre-trained run: --runs RUN [RUN ...]")
    if len({path.resolve() for path in paths}) < len(paths):
        raise SettingError(f"runs must be different folders, got {', '.join(map(str, paths))}")
    opened = [Run.open(path) for path in paths]
    configs = [run.config for run in opened]
    for run in opened:
        if run.is_unfinished:
            raise RunError(f"{run.folder} is not finished; resume it with: {run.resume_command}")
    first = configs[0].backbone
    for path, config in zip(paths, configs, strict=True):
        other = list(differences(first, config.backbone, "backbone"))
        if other:
            raise SettingError(
                f"{paths[0]} and {path} have different encoders: {'; '.join(other)}; a study compares runs of one "
                "encoder, make one study for each"
            )
    if type(first) is not type(recipe.backbone):
        own, theirs = (type(one).__name__.removesuffix("Config") for one in (recipe.backbone, first))
        raise SettingError(f"the recipe trains {own}, but the runs hold {theirs}; give a recipe of that encoder")
    return _grouped(paths, configs), replace(recipe, backbone=first)


def weights_of(run: Path, part: float = 1.0, checkpoint: Path | None = None) -> InitialWeights:
    """Return the weights of a finished run, or of its checkpoint at a part of its training."""
    name = run.resolve().name
    if checkpoint is None or part == 1:
        return InitialWeights(path=run, name=name, digest=digest(load(run)))
    return InitialWeights(path=checkpoint, name=f"{name}-at-{part:g}", digest=digest(load(checkpoint)))


def kept(run: Path, parts: Sequence[float] = PARTS) -> dict[float, Path]:
    """Return the checkpoints of `run` at the given parts of its training.

    Raises:
        RunError: some were not kept, with the command that keeps them.
    """
    there = {step_of(path): path for path in checkpoints(run)}
    total = max(there, default=0)
    found = {part: there.get(round(part * total)) for part in parts}
    missing = [part for part, path in found.items() if path is None]
    if missing or total == 0:
        wanted = " ".join(f"{part:g}" for part in parts)
        source = shlex.quote(Run.open(run).config.data.source or "PATH")
        raise RunError(
            f"{run} kept no checkpoint at {', '.join(f'{part:g}' for part in missing or parts)} of its training; "
            f"make a run that does: pointssl pretrain RECIPE --data {source} --keep-checkpoints-at {wanted} --out RUN"
        )
    return {part: path for part, path in found.items() if path is not None}


def _grouped(paths: Sequence[Path], configs: Sequence[PretrainConfig]) -> tuple[RunGroup, ...]:
    members: dict[str, list[tuple[int, Path]]] = {}
    for path, config in zip(paths, configs, strict=True):
        key = json.dumps(to_json(replace(config, seed=0)), sort_keys=True)
        members.setdefault(key, []).append((config.seed, path))
    names = [str(json.loads(key)["method"]["kind"]).replace("_", "-") for key in members]
    made = []
    for name, group in zip(names, members.values(), strict=True):
        runs = tuple(path for _, path in sorted(group, key=lambda one: one[0]))
        # Two settings of one method are told apart by the folder of the first run.
        made.append(RunGroup(name if names.count(name) == 1 else runs[0].resolve().name, runs))
    return tuple(made)
