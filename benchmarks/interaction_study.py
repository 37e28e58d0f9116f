"""Does the interaction loss replace pre-training? Accuracy and interactions of classifiers that began in four ways.

From scratch, from scratch with the interaction loss, from ParAE and from MM-Point: the same recipe, seeds, labels, test
clouds and regions of `psb-shrec12`. The weight of the loss is chosen on clouds kept out of the training clouds.

    POINTSSL_DATA=... python benchmarks/interaction_study.py alpha      # chooses the weight, seed 0
    POINTSSL_DATA=... python benchmarks/interaction_study.py grid       # trains and measures
    POINTSSL_DATA=... python benchmarks/interaction_study.py grid --gather

What is finished lies in `runs/interaction-study/` and is not done again, several processes can share the work, and a
stopped one goes on with the same command. Every call gathers what is there into `results/interaction-study.json`.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import tyro
from tyro.conf import Positional

from pointssl.backbones import BackboneConfig, DGCNNConfig, PointNetConfig
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.interpret import table
from pointssl.interpret.config import InteractConfig
from pointssl.interpret.measurement import interact
from pointssl.interpret.profiles import ProfileConfig
from pointssl.methods import ClassifyConfig
from pointssl.methods.interaction import InteractionConfig
from pointssl.ops.evidence import holm_corrected, hypothesis
from pointssl.ops.games.strength import is_salient
from pointssl.progress import say
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.layout import read_json
from pointssl.runs.run import Run
from pointssl.study import networks as trained
from pointssl.study.figures import figures
from pointssl.study.groups import difference, group
from pointssl.study.pretraining import tests_of
from pointssl.train.classifier import load_classifier, train_classifier
from pointssl.train.labels import LabelConfig, divide
from pointssl.train.recipes import train_recipe

RESULTS = Path(__file__).resolve().parent.parent / "results"
RUNS = Path("runs/interaction-study")
Arm = Literal["scratch", "interaction", "parae", "mm-point"]
Network = Literal["pointnet", "dgcnn"]
ARMS: tuple[Arm, ...] = ("scratch", "interaction", "parae", "mm-point")
ALPHAS = (0.001, 0.005, 0.01, 0.05, 0.1)
VALIDATE = 0.2
"""Part of the training clouds of every class that choosing alpha is scored on."""

BACKBONES: dict[Network, BackboneConfig] = {
    "pointnet": PointNetConfig(),
    "dgcnn": DGCNNConfig(k=15, pooling="max_mean"),
}
"""As `pretext.py` pre-trains them."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    task: Positional[Literal["grid", "alpha"]] = "grid"
    """`alpha` chooses the weight of the loss with seed 0; `grid` trains and measures."""
    backbone: Network = "pointnet"
    """Network."""
    arms: tuple[Arm, ...] = ARMS
    """How the classifiers begin."""
    fractions: tuple[float, ...] = (0.1, 1.0)
    """Parts of the labels of every class, at least one each."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training per seed, which decides weights, order, points and which labels."""
    parae: str = "runs/pretext/{backbone}-parae-{seed}"
    """Pre-trained runs, the seed-th for the seed-th fine-tuning."""
    mm_point: str = "runs/pretext/{backbone}-mm-point-{seed}"
    """The same of MM-Point."""
    epochs: float = 30.0
    """Passes over the labelled clouds."""
    least_steps: int = 600
    """Updates where few labels give fewer in so many passes; every arm gets the same."""
    points: int = 512
    """Points per cloud, in training and measurement."""
    alphas: tuple[float, ...] = ALPHAS
    """Weights to choose from; 0, the loss left out, is measured beside them."""
    alpha: float | None = None
    """Weight of the loss in place of the chosen one."""
    clouds: int = 200
    """Test clouds whose interactions are measured."""
    regions: int = 10
    """Regions of each."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; the GPU where there is one."""
    display: Literal["share_of_effect", "share_of_mean"] = "share_of_effect"
    """Unit of the strength of low and high orders: absolute levels, or the shape of the profile alone."""
    gather: bool = False
    """Only gather what is there."""

    @property
    def folder(self) -> Path:
        """Where runs with these settings lie."""
        return RUNS / f"{self.backbone}-e{self.epochs:g}-u{self.least_steps}-p{self.points}"

    @property
    def source(self) -> str:
        """The labelled clouds."""
        return str(Path(os.environ["POINTSSL_DATA"]) / "psb-shrec12")


def main(options: Options) -> None:
    """Do what is not done yet, and gather."""
    if not options.gather:
        jobs = alpha_jobs(options) if options.task == "alpha" else grid_jobs(options)
        share(jobs, options.folder)
    if options.task == "alpha":
        choose(options)
    else:
        gather(options)


Job = tuple[str, Callable[[], None]]


def share(jobs: list[Job], folder: Path) -> None:
    """Do every job that no other process is at; wait for none."""
    for name, job in jobs:
        with alone(folder / f"{name}.lock") as mine:
            if mine:
                job()
            else:
                say(f"{name}: another process is at it")


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Tell whether this process has the job; the system frees it when the process ends, however it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def alpha_jobs(options: Options) -> list[Job]:
    """Return the trainings whose validation accuracy decides alpha."""
    return [
        (alpha_run(options, fraction, alpha).name, lambda f=fraction, a=alpha: try_alpha(options, f, a))  # type: ignore[misc]
        for fraction in options.fractions
        for alpha in (0.0, *options.alphas)
    ]


def alpha_run(options: Options, fraction: float, alpha: float) -> Path:
    """Return the folder of one try."""
    return options.folder / f"alpha-{alpha:g}-{100 * fraction:g}"


def try_alpha(options: Options, fraction: float, alpha: float) -> None:
    """Train with one alpha and score on the clouds kept for that."""
    labels = LabelConfig(label_fraction=fraction, label_seed=0, validate=VALIDATE)
    train(options, alpha_run(options, fraction, alpha), labels, 0, alpha, None)


def choose(options: Options) -> None:
    """Write the alpha of the best validation accuracy, for each part of the labels; a tie goes to the smaller."""
    for fraction in options.fractions:
        found = {
            alpha: Run.open(run).scores().accuracy
            for alpha in (0.0, *options.alphas)
            if ((run := alpha_run(options, fraction, alpha)) / "scores.json").is_file()
        }
        missing = [alpha for alpha in options.alphas if alpha not in found]
        if missing:
            say(f"alpha at {fraction:.0%} of the labels: {missing} are not finished")
            continue
        best = max(options.alphas, key=lambda alpha: (found[alpha], -alpha))
        tried = [{"alpha": alpha, "accuracy": accuracy} for alpha, accuracy in found.items()]
        kept = {"alpha": best, "fraction": fraction, "seed": 0, "validate": VALIDATE, "tried": tried}
        write_json(chosen_file(options, fraction), kept)
        say(f"alpha at {fraction:.0%} of the labels: {best:g} of {tried}")


def chosen_file(options: Options, fraction: float) -> Path:
    """Return where the chosen alpha of one part of the labels lies."""
    return options.folder / f"alpha-{100 * fraction:g}.json"


def chosen(options: Options, fraction: float) -> float | None:
    """Return the alpha to train with; None where none was chosen yet. DGCNN takes PointNet's where it has none."""
    if options.alpha is not None:
        return options.alpha
    for one in (options, replace(options, backbone="pointnet")):
        file = chosen_file(one, fraction)
        if file.is_file():
            return float(read_json(file)["alpha"])
    return None


def grid_jobs(options: Options) -> list[Job]:
    """Return every training with its measurement that can be done now; say what cannot."""
    jobs: list[Job] = []
    for seed in options.seeds:
        for fraction in options.fractions:
            for arm in options.arms:
                alpha = chosen(options, fraction) if arm == "interaction" else 0.0
                run = grid_run(options, arm, fraction, seed)
                if run is None or alpha is None:
                    say(f"{arm}, {fraction:.0%} of the labels: choose alpha first (interaction_study.py alpha)")
                    continue
                start = start_of(options, arm, seed)
                if start is not None and not (start / "encoder").is_dir():
                    say(f"{arm}, seed {seed}: {start} is not there or not finished; left out")
                    continue
                jobs.append((run.name, lambda a=(fraction, seed, alpha, run, start): one(options, *a)))  # type: ignore[misc]
    return jobs


def start_of(options: Options, arm: Arm, seed: int) -> Path | None:
    """Return the pre-trained run that an arm starts from."""
    template = {"parae": options.parae, "mm-point": options.mm_point}.get(arm)
    return None if template is None else Path(template.format(seed=seed, backbone=options.backbone))


def grid_run(options: Options, arm: Arm, fraction: float, seed: int) -> Path | None:
    """Return the folder of one cell of the grid; None while its alpha is not chosen."""
    alpha = chosen(options, fraction) if arm == "interaction" else 0.0
    if alpha is None:
        return None
    named = f"{arm}-a{alpha:g}" if arm == "interaction" else arm
    return options.folder / f"{named}-{100 * fraction:g}-s{seed}"


def one(options: Options, fraction: float, seed: int, alpha: float, run: Path, start: Path | None) -> None:
    """Train, score and measure one classifier, as far as that was not done before."""
    train(options, run, LabelConfig(label_fraction=fraction, label_seed=seed), seed, alpha, start)
    say(f"{run.name}: accuracy {Run.open(run).scores().accuracy:.4f}")
    settings = InteractConfig(
        clouds=options.clouds, regions=options.regions, reading=ReadConfig(points=options.points), device=options.device
    )
    interact({run.name: load_classifier(run)}, open_splits(options.source).test, settings, out=tables(options))


def tables(options: Options) -> Path:
    """Return the folder of the measured interactions."""
    return options.folder / f"interactions-{options.clouds}-{options.regions}"


def train(options: Options, run: Path, labels: LabelConfig, seed: int, alpha: float, start: Path | None) -> None:
    """Train one classifier, or go on with it."""
    if (run / "scores.json").is_file():
        return
    say(f"{run.name}: training")
    config = settings_of(options, labels, seed, alpha)
    resume = (run / "config.json").is_file()
    train_classifier(config, run, labels=labels, init_from=start, resume=resume, device=options.device)


def settings_of(options: Options, labels: LabelConfig, seed: int, alpha: float) -> PretrainConfig:
    """Return the settings of one training; all arms share what is not the loss's."""
    recipe = train_recipe(f"train-{options.backbone}")
    # DGCNN has no short way to masked clouds: a quarter of each batch takes part.
    some = None if options.backbone == "pointnet" else 8
    loss = InteractionConfig(alpha=alpha, clouds=some) if alpha else None
    learned_from = len(divide(options.source, labels).train)
    per_epoch = max(1, learned_from // recipe.data.batch_size)
    return replace(
        recipe,
        method=ClassifyConfig(interaction=loss),
        backbone=BACKBONES[options.backbone],
        data=replace(recipe.data, source=options.source, reading=ReadConfig(points=options.points)),
        epochs=options.epochs,
        steps=max(options.least_steps, round(options.epochs * per_epoch)),
        seed=seed,
    )


def gather(options: Options) -> None:
    """Write what is finished: every arm, its difference to scratch paired by seed and cloud, and the verdicts."""
    found = {(fraction, arm): read(options, arm, fraction) for fraction in options.fractions for arm in options.arms}
    groups, differences, claims, accuracies = [], [], [], []
    for (fraction, arm), members in found.items():
        if members:
            groups.append(asdict(group(arm, list(members.values()), fraction)) | {"seeds": list(members)})
        scratch = found.get((fraction, "scratch"), {})
        both = [seed for seed in members if seed in scratch]
        if arm == "scratch" or not both:
            continue
        gap = difference(arm, [members[s] for s in both], "scratch", [scratch[s] for s in both], fraction)
        differences.append(asdict(gap) | {"seeds": both})
        named = f"{arm}, {fraction:.0%} of the labels"
        claims.append((f"{named}: stronger high orders and weaker low orders than from scratch.", tests_of(gap)))
        better = hypothesis(f"accuracy, {named}, less scratch", 1, gap.accuracy)
        accuracies.append((f"{named}: more accurate than from scratch.", [better]))
    result: dict[str, Any] = {
        "command": "python benchmarks/interaction_study.py " + " ".join(sys.argv[1:]),
        "settings": {
            "recipe": to_json(replace(train_recipe(f"train-{options.backbone}"), backbone=BACKBONES[options.backbone])),
            "epochs": options.epochs,
            "least_steps": options.least_steps,
            "points": options.points,
            "clouds": options.clouds,
            "regions": options.regions,
            "display": options.display,
            "low": ProfileConfig().ranges(options.regions)[0],
            "high": ProfileConfig().ranges(options.regions)[1],
        },
        "versions": versions(),
        "alpha": [
            read_json(file) for fraction in options.fractions if (file := chosen_file(options, fraction)).is_file()
        ],
        "groups": groups,
        "differences": differences,
        "interactions": [asdict(one) for one in holm_corrected(claims)],
        "accuracy": [asdict(one) for one in holm_corrected(accuracies)],
    }
    name = "interaction-study" if options.backbone == "pointnet" else f"interaction-study-{options.backbone}"
    name += "" if options.display == "share_of_effect" else "-shape"
    result["settings"]["recipe"]["data"]["source"] = "psb-shrec12"
    write_json(RESULTS / f"{name}.json", result)
    for one in [*result["interactions"], *result["accuracy"]]:
        print(f"{one['verdict']:14} {one['text']}")
        for check in one["tests"]:
            shown = check["estimate"]
            ends = f"[{shown['low']:+.4f}, {shown['high']:+.4f}]" if shown["low"] is not None else ""
            print(f"{'':14} {check['what']}: {shown['mean']:+.4f} {ends} p {check['p_holm']:.3f} ({shown['method']})")


def read(options: Options, arm: Arm, fraction: float) -> dict[int, trained.Network]:
    """Return the finished and measured networks of one arm by seed."""
    found = {}
    for seed in options.seeds:
        run = grid_run(options, arm, fraction, seed)
        if run is None or not (tables(options) / f"{run.name}.npz").is_file():
            continue
        measured, scores = table.load(tables(options) / f"{run.name}.npz"), Run.open(run).scores()
        right = np.array(scores.predictions) == np.array(scores.labels)
        found[seed] = trained.Network(
            job=trained.Job(group=arm, seed=seed, fraction=fraction, level=fraction),
            run=run,
            figures=figures(measured, right, ProfileConfig(display=options.display)),
            salient=is_salient(measured.dividends()).numpy(),
        )
    return found


if __name__ == "__main__":
    main(tyro.cli(Options))
