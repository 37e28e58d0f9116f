"""Linear SVM on frozen ParAE features of `psb-shrec12` and `bimnet10`, beside random-init baselines.

Pre-trains on the training clouds (without labels) with the recipe's settings, one run per seed, and evaluates the last
epoch. Runs lie in `runs/linear-probe/` and are resumed, so an interrupted benchmark goes on where it stopped.

    POINTSSL_DATA=... python benchmarks/linear_probe.py --recipe parae-pointnet --seeds 0 1 2
"""

import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import tyro

from pointssl.app.recipes import recipe
from pointssl.evaluation.record import Evaluation, versions
from pointssl.evaluation.suite import evaluate
from pointssl.files import write_json
from pointssl.methods import ParAEConfig
from pointssl.ops import stats
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.layout import read_json
from pointssl.train.pretrain import pretrain

RESULTS = Path(__file__).resolve().parent.parent / "results"
PROTOCOLS = ("svm-cv", "svm-cv-wide", "svm-cv-standardised", "svm-fixed", "knn-20")


@dataclass(frozen=True)
class Options:
    """What to run."""

    recipe: str = "parae-pointnet"
    """Settings of the runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per seed; the random-init baselines use the same seeds."""
    epochs: float | None = None
    """In place of the recipe's."""
    components: int | None = None
    """J, in place of the recipe's."""
    name: str | None = None
    """Name of the result file; the recipe's by default."""
    compile: bool = False
    """Let torch compile the step."""


def main(options: Options) -> None:
    """Train, evaluate, gather and write `results/linear-probe-NAME.json`."""
    data = Path(os.environ["POINTSSL_DATA"])
    sets = {"psb-shrec12": data / "psb-shrec12", "bimnet10": data / "bimnet10"}
    name = options.name or options.recipe
    found: dict[str, list[Evaluation]] = {key: [] for key in sets}
    runs: list[dict[str, Any]] = []
    for seed in options.seeds:
        config = settings(options, str(sets["psb-shrec12"]), seed)
        run = Path("runs/linear-probe") / f"{name}-{seed}"
        pretrain(config, run, resume=(run / "config.json").is_file())
        for key, path in sets.items():
            found[key].append(evaluate(run, str(path), protocols=PROTOCOLS, seeds=options.seeds, reuse=True))
        runs.append({"seed": seed, "finished": read_json(run / "record.json").get("finished")})
    scores = {key: [row for p in PROTOCOLS for row in rows(evaluations, p)] for key, evaluations in found.items()}
    result = {
        "command": "python benchmarks/linear_probe.py " + " ".join(sys.argv[1:]),
        "recipe": options.recipe,
        "settings": without_paths(to_json(settings(options, "psb-shrec12", options.seeds[0]))),
        "record": {k: v for k, v in read_json(run / "record.json").items() if k in ("hardware", "commit", "versions")},
        "versions": versions(),
        "runs": runs,
        "scores": scores,
    }
    write_json(RESULTS / f"linear-probe-{name}.json", result)
    for key, lines in scores.items():
        for line in lines:
            print(f"{key:12} {line['protocol']:20} {line['arm']:10} {100 * line['mean']:5.1f} ({line['n']} seeds)")


def settings(options: Options, source: str, seed: int) -> PretrainConfig:
    """Return the settings of one run."""
    base = recipe(options.recipe)
    config = replace(base, data=replace(base.data, source=source, split="train"), seed=seed, compile=options.compile)
    if options.components is not None:
        if not isinstance(config.method, ParAEConfig):
            raise SystemExit(f"--components is a setting of ParAE, not of {options.recipe}")
        config = replace(config, method=replace(config.method, components=options.components))
    return config if options.epochs is None else replace(config, epochs=options.epochs)


def rows(evaluations: list[Evaluation], protocol: str) -> list[dict[str, Any]]:
    """Return the pre-trained encoders' score over the seeds, and the random-init baselines'."""
    first = evaluations[0]
    pretrained = [s.accuracy.mean for e in evaluations if (s := e.score(protocol, "pretrained")) is not None]
    baseline = first.score(protocol, "untrained")
    assert baseline is not None
    both = {"pretrained": pretrained, "untrained": [r.accuracy for r in baseline.repeats]}
    return [
        {
            "protocol": protocol,
            "rule": baseline.rule,
            "arm": arm,
            "n": len(values),
            "values": values,
            "test_clouds": baseline.n_test,
            **asdict(stats.mean_interval(values)),
        }
        for arm, values in both.items()
    ]


def without_paths(value: dict[str, Any]) -> dict[str, Any]:
    """Name the data set rather than the place where it lies."""
    value["data"]["source"] = Path(value["data"]["source"]).name
    return value


if __name__ == "__main__":
    main(tyro.cli(Options))
