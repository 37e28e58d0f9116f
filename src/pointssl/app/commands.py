"""The commands: each a function whose signature is its flags, and each one typed call of the library.

Heavy modules are imported where they are used: `pointssl recipes` needs no network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.table import Table
from tyro.conf import AvoidSubcommands, Positional, arg

from pointssl.app import flags
from pointssl.app.interpret_commands import interpret
from pointssl.errors import RunError, SettingError
from pointssl.progress import make_console, say
from pointssl.train.config import PretrainConfig

console = make_console()
"""Where results go; progress and complaints go to standard error."""


def run(name: str, words: Sequence[str]) -> None:
    """Run the command `name` with the rest of the command line."""
    if name == "data":
        from pointssl.app import data_commands

        data_commands.run(words)
    elif name == "pretrain":
        _pretrain(list(words))
    elif name == "train":
        from pointssl.app import train_commands

        train_commands.run(words)
    elif name == "study":
        from pointssl.app import study_commands

        study_commands.run(words)
    else:
        flags.call(COMMANDS[name], words, f"pointssl {name}")


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Pre-train an encoder on unlabelled clouds; the settings start from the recipe's."""

    config: Annotated[AvoidSubcommands[PretrainConfig], arg(name="")]
    """The recipe's settings, every one of which can be changed."""
    data: str | None = None
    """The clouds: a store, folder or file, `synthetic`, or NAME:PATH; short for --data.source."""
    out: Path | None = None
    """Folder of the run; runs/RECIPE by default."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; by default the GPU where there is one."""
    dry_run: bool = False
    """Take a few real steps, say what the whole run costs, and write nothing."""


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on with a run that was stopped; its settings are its own."""

    resume: Path
    """Folder of the run."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; by default the GPU where there is one."""


def _pretrain(words: list[str]) -> None:
    from pointssl.app.recipes import RECIPES, recipe
    from pointssl.train import pretrain
    from pointssl.train.checkpoint import read_config
    from pointssl.train.checks import is_supervised, resume_command

    if any(word.split("=")[0] == "--resume" for word in words):
        again = flags.change(Resume(resume=Path()), words, "pointssl pretrain")
        if not (again.resume / "config.json").is_file():
            raise RunError(
                f"{again.resume} is no run that was begun; start one with: pointssl pretrain RECIPE --out RUN"
            )
        if is_supervised(again.resume):
            raise RunError(f"{again.resume} learns from labels; go on with: {resume_command(again.resume)}")
        _finished(pretrain.pretrain(read_config(again.resume), again.resume, resume=True, device=again.device))
        return
    if not words or words[0].startswith("-"):
        if {"-h", "--help"} & set(words):
            _print("usage: pointssl pretrain RECIPE [--data PATH] [--out RUN] [settings]\n")
            _print("       pointssl pretrain --resume RUN\n")
            recipes()
            _print("\n`pointssl pretrain RECIPE --help` lists the settings and their values in the recipe.")
            raise SystemExit(0)
        raise SettingError(f"name a recipe first: pointssl pretrain RECIPE --data PATH (one of: {', '.join(RECIPES)})")
    name = words[0]
    given = flags.change(Pretrain(config=recipe(name)), words[1:], f"pointssl pretrain {name}")
    config = given.config
    if given.data is not None:
        config = replace(config, data=replace(config.data, source=given.data))
    if given.dry_run:
        from pointssl.train.estimate import estimate

        _print_rows(estimate(config, device=given.device).table())
        return
    _finished(pretrain.pretrain(config, given.out or Path("runs") / name, device=given.device))


def _finished(folder: Path) -> None:
    _print(f"encoder: {folder / 'encoder'}")
    _print(f"next:    pointssl evaluate {folder} --data SET    and    pointssl report {folder}")


def recipes() -> None:
    """List the settings that `pretrain` and `train` can start from."""
    from pointssl.app.recipes import RECIPES
    from pointssl.app.train_commands import recipe_table

    table = Table("recipe", "method", "encoder", "points", "batch", "epochs", box=None, pad_edge=False)
    for name, config in RECIPES.items():
        method, encoder = (type(part).__name__.removesuffix("Config") for part in (config.method, config.backbone))
        table.add_row(
            name, method, encoder, *(f"{v:g}" for v in (config.data.points, config.data.batch, config.epochs))
        )
    console.print(table)
    _print("\nfor `pointssl train`:")
    console.print(recipe_table())


def demo(*, data: str | None = None, out: Path = Path("demo"), seconds: float = 75.0, seed: int = 0) -> None:
    """Pre-train ParAE, measure it beside its untrained twin, and draw what it sees, in a few minutes.

    Args:
        data: your clouds (a folder, store or file); generated shapes by default.
        out: folder to write into.
        seconds: about how long to pre-train; evaluation and pictures come on top.
        seed: decides all chance.
    """
    from pointssl.app.demo import run_demo

    page = run_demo(data, out, seconds=seconds, seed=seed)
    _print(f"look at: {page.resolve()}")
    _print(f"go on:   pointssl embed {out / 'run'} --data PATH --out features.csv    (your own clouds as vectors)")


def evaluate(
    run: Positional[Path],
    *,
    data: str,
    protocols: tuple[str, ...] = ("svm-fixed", "svm-cv", "svm-cv-standardised", "knn-20", "knn-1"),
    seeds: int = 3,
    points: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: str = "small",
) -> None:
    """Measure a run's encoder beside its untrained twin and keep the scores under the run.

    Args:
        run: folder of the run.
        data: labelled clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        protocols: any of svm-fixed, svm-cv, svm-cv-wide, svm-cv-standardised, linear-svc, knn-20, knn-1, fractions-svm,
            fractions-finetune, few-shot-a, few-shot-b, finetune.
        seeds: how often whatever is random is repeated (untrained weights, subsets, fine-tuning).
        points: points per cloud; the run's own by default.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        bf16: encode in bf16.
        finetune: recipe of the fine-tuning protocols.
    """
    from pointssl.evaluate.suite import evaluate as measure
    from pointssl.evaluate.table import evaluation_table

    settings = {"points": points, "device": device, "bf16": bf16, "finetune": finetune}
    result = measure(run, data, protocols=protocols, seeds=range(seeds), **settings)  # type: ignore[arg-type]
    console.print(evaluation_table(result))


def compare(
    runs: Positional[tuple[Path, ...]],
    *,
    data: str,
    protocols: tuple[str, ...] = ("svm-cv", "knn-20"),
    seeds: int = 3,
    points: int | None = None,
    json: Path | None = None,
) -> None:
    """Compare the encoders of several runs on the same test clouds, with paired tests.

    Runs whose settings differ in nothing but the seed count as one method.

    Args:
        runs: folders of the runs, two or more.
        data: labelled clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        protocols: as in `evaluate`.
        seeds: as in `evaluate`.
        points: points per cloud; each run's own by default.
        json: also write the comparison to this file.
    """
    from pointssl.evaluate.compare import compare as compare_runs
    from pointssl.evaluate.compare import tables

    result = compare_runs(runs, data, protocols=protocols, out=json, seeds=range(seeds), points=points)
    for table in tables(result):
        console.print(table)


def embed(
    run: Positional[Path],
    *,
    data: str,
    out: Path,
    split: str = "all",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
    bf16: bool = False,
) -> None:
    """Write one vector per cloud, with names and labels, to a .parquet, .npz or .csv file.

    Args:
        run: folder of the run.
        data: clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        out: file to write; its ending is the format.
        split: `all`, or one of the data's splits.
        points: points per cloud; the run's own by default.
        seed: decides which points of each cloud are read.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        bf16: encode in bf16.
    """
    from pointssl.evaluate.embed import embed as write

    found = write(run, data, out, split=split, points=points, seed=seed, device=device, bf16=bf16)
    _say(f"{len(found.features)} vectors of {found.features.shape[1]}", out)


def report(
    run: Positional[Path],
    *,
    data: str | None = None,
    out: Path | None = None,
    shapes: int = 6,
    seed: int = 0,
    up: str = "z",
) -> None:
    """Write a run's pictures and its page, which opens from the disk without a network.

    Args:
        run: folder of the run.
        data: clouds to look at; by default the run's own.
        out: folder to write into; the run itself by default.
        shapes: how many clouds are shown in 3D.
        seed: decides which.
        up: axis of the data that points up: x, y or z.
    """
    from pointssl.data.open import open_dataset
    from pointssl.show.report import write_report

    dataset = None if data is None else open_dataset(data)
    _say("page", write_report(run, out, dataset=dataset, shapes=shapes, seed=seed, up=up))


def _print(text: str) -> None:
    say(text, console)


def _say(what: str, path: Path) -> None:
    _print(f"{what}: {path}")


def _print_rows(rows: list[tuple[str, str]]) -> None:
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    for left, right in rows:
        table.add_row(left, right)
    console.print(table)


COMMANDS: dict[str, Callable[..., None]] = {
    "compare": compare,
    "demo": demo,
    "embed": embed,
    "evaluate": evaluate,
    "interpret": interpret,
    "recipes": recipes,
    "report": report,
}
