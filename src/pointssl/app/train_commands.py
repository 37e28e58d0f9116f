"""The command `pointssl train`: classifiers of clouds and segmenters of points, from scratch or any run's encoder."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.table import Table
from tyro.conf import AvoidSubcommands, arg

from pointssl.app import flags
from pointssl.app.pretrain_commands import own_budget, with_data
from pointssl.app.tables import two_columns
from pointssl.errors import RunError, SettingError
from pointssl.methods import SegmentConfig
from pointssl.progress import make_console, say
from pointssl.runs import layout
from pointssl.runs.config import PretrainConfig
from pointssl.train.labels import LabelConfig
from pointssl.train.recipes import TRAIN_RECIPES, train_recipe

if TYPE_CHECKING:
    from pointssl.runs.run import Run

console = make_console()


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a classifier or a segmenter on labels and score it on the test clouds; settings start from the recipe's."""

    config: Annotated[AvoidSubcommands[PretrainConfig], arg(name="")]
    """The recipe's settings, every one of which can be changed."""
    labels: Annotated[LabelConfig, arg(name="")] = field(default_factory=LabelConfig)
    """Which clouds are learned from and scored on."""
    data: str | None = None
    """The clouds: a store, folder or file, `synthetic`, or NAME:PATH; short for --data.source."""
    columns: str | None = None
    """Names of the columns of tables and arrays in --data, in their order, such as x,y,z,_,red,green,blue,label."""
    init_from: str | None = None
    """A run, checkpoint, encoder folder or hub name to start from: its encoder, and its way to read clouds where the
    command line does not say otherwise; from scratch without."""
    score_epochs: bool = False
    """Also score after every epoch, and keep the best one; it was chosen on the clouds that it is scored on."""
    out: Path | None = None
    """Folder of the run; runs/RECIPE by default."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; by default the GPU where there is one."""
    dry_run: bool = False
    """Take a few real steps, say what the whole run costs, and write nothing."""


@dataclass(frozen=True, kw_only=True)
class ResumeTrain:
    """Go on with a run that was stopped; its settings, labels and starting encoder are its own."""

    resume: Path
    """Folder of the run."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; by default the GPU where there is one."""


def run(words: Sequence[str]) -> None:
    """Run `train RECIPE ...` or `train --resume RUN`."""
    from pointssl.train.supervised import resume_supervised, train_supervised
    from pointssl.train.tasks import task_of

    if any(word.split("=")[0] == "--resume" for word in words):
        again = flags.change(ResumeTrain(resume=Path()), words, "pointssl train")
        _finished(resume_supervised(task_of(begun_settings(again.resume)), again.resume, device=again.device))
        return
    if not words or words[0].startswith("-"):
        if {"-h", "--help"} & set(words):
            say("usage: pointssl train RECIPE [--data PATH] [--init-from RUN] [--out RUN] [settings]\n", console)
            say("       pointssl train --resume RUN\n", console)
            console.print(recipe_table())
            say("\n`pointssl train RECIPE --help` lists the settings and their values in the recipe.", console)
            raise SystemExit(0)
        names = ", ".join(TRAIN_RECIPES)
        raise SettingError(f"name a recipe first: pointssl train RECIPE --data PATH (one of: {names})")
    name = words[0]
    recipe, start = train_recipe(name), flags.value_of("--init-from", words)
    base = recipe if start is None else from_run(recipe, start)
    given = flags.change(Train(config=own_budget(base, words)), words[1:], f"pointssl train {name}")
    config = given.config
    config = with_data(config, given.data, given.columns)
    if given.dry_run:
        from pointssl.train.estimate import estimate

        learned = task_of(config).fit(config, None, given.labels)
        console.print(two_columns(estimate(learned.config, data=learned.splits.train, device=given.device).table()))
        return
    out = given.out or Path("runs") / name
    done = train_supervised(
        task_of(config),
        config,
        out,
        labels=given.labels,
        init_from=given.init_from,
        score_epochs=given.score_epochs,
        device=given.device,
    )
    _finished(done)


def begun_settings(run: Path) -> PretrainConfig:
    """Return the settings of a run that learns from labels; raises `RunError` for any other folder."""
    from pointssl.runs.run import Run

    if not layout.is_begun(run) or not Run.open(run).is_supervised:
        raise RunError(f"{run} is no run of `pointssl train`; start one with: pointssl train RECIPE --out RUN")
    return Run.open(run).config


def from_run(recipe: PretrainConfig, run: str) -> PretrainConfig:
    """Return a recipe with the encoder of a run and its way to read clouds; raises `RunError`."""
    from pointssl.runs.run import Run

    other = Run.open(run).config
    data = replace(recipe.data, reading=other.data.reading)
    return replace(recipe, backbone=other.backbone, data=data)


def recipe_table() -> Table:
    """Return what `train` can start from, as a table."""
    table = Table("recipe", "loss", "encoder", "points", "batch", "epochs", box=None, pad_edge=False)
    for name, config in TRAIN_RECIPES.items():
        with_loss = getattr(config.method, "interaction", None) is not None
        learned = "parts of points" if isinstance(config.method, SegmentConfig) else "classes"
        table.add_row(
            name,
            f"{learned} + interaction" if with_loss else learned,
            type(config.backbone).__name__.removesuffix("Config"),
            *(f"{value:g}" for value in (config.data.reading.points, config.data.batch_size, config.epochs)),
        )
    return table


def _finished(folder: Path) -> None:
    from pointssl.runs.run import Run

    run = Run.open(folder)
    if isinstance(run.config.method, SegmentConfig):
        _segmented(run)
        return
    scores = run.scores()
    where = f"{scores.clouds} clouds of {scores.data}, learned from {scores.learned_from}"
    say(f"accuracy: {scores.accuracy:.4f} on {where} (mean of classes {scores.class_accuracy:.4f})", console)
    if scores.best_accuracy is not None:
        say(f"best:     {scores.best_accuracy:.4f} after epoch {scores.best_epoch}, chosen on these clouds", console)
    say(f"scores:   {folder / 'scores.json'}", console)
    say(f"next:     pointssl interpret {folder} --data SET    and    pointssl report {folder}", console)


def _segmented(run: "Run") -> None:
    scores = run.point_scores()
    where = f"{scores.points:,} points of {scores.clouds} clouds of {scores.data}, learned from {scores.learned_from}"
    say(f"mean IoU: {scores.miou:.4f} on {where}", console)
    if scores.instance_miou is not None and scores.class_miou is not None:
        say(f"          {scores.instance_miou:.4f} by instance, {scores.class_miou:.4f} by class of clouds", console)
    say(f"accuracy: {scores.accuracy:.4f} (mean of parts {scores.mean_accuracy:.4f})", console)
    if scores.best_miou is not None:
        say(f"best:     {scores.best_miou:.4f} after epoch {scores.best_epoch}, chosen on these clouds", console)
    table = Table("part", "IoU", "points", box=None, pad_edge=False)
    for name, iou, row in zip(scores.parts, scores.ious, scores.confusion, strict=True):
        if iou is not None:
            table.add_row(name, f"{iou:.4f}", f"{sum(row):,}")
    console.print(table)
    say(f"scores:   {run.folder / layout.SCORES}", console)
