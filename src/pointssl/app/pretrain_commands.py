"""The command `pointssl pretrain`: begin a run from a recipe, go on with one, or say what it would cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.table import Table
from tyro.conf import AvoidSubcommands, arg

from pointssl.app import flags
from pointssl.app.recipes import RECIPES, recipe
from pointssl.app.tables import two_columns
from pointssl.errors import RunError, SettingError
from pointssl.progress import make_console, say
from pointssl.runs.config import BUDGETS, PretrainConfig
from pointssl.runs.layout import is_begun

console = make_console()


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Pre-train an encoder on unlabelled clouds; the settings start from the recipe's."""

    config: Annotated[AvoidSubcommands[PretrainConfig], arg(name="")]
    """The recipe's settings, every one of which can be changed."""
    data: str | None = None
    """The clouds: a store, folder or file, `generated:unions`, `synthetic`, NAME:PATH; short for --data.source."""
    columns: str | None = None
    """Names of the columns of tables and arrays in --data, in their order, such as x,y,z,_,red,green,blue,label."""
    init_from: str | None = None
    """A run, checkpoint, encoder folder or hf:OWNER/MODEL whose weights training starts from; its encoder, task, way to
    read clouds and, without --data, its clouds are then the defaults. From scratch without."""
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


def run(words: Sequence[str]) -> None:
    """Run `pretrain RECIPE ...` or `pretrain --resume RUN`."""
    from pointssl.runs.run import Run
    from pointssl.train import pretrain

    if any(word.split("=")[0] == "--resume" for word in words):
        again = flags.change(Resume(resume=Path()), words, "pointssl pretrain")
        if not is_begun(again.resume):
            raise RunError(
                f"{again.resume} is no run that was begun; start one with: pointssl pretrain RECIPE --out RUN"
            )
        begun = Run.open(again.resume)
        if begun.is_supervised:
            raise RunError(f"{again.resume} learns from labels; resume it with: {begun.resume_command}")
        _finished(pretrain.pretrain(begun.config, again.resume, resume=True, device=again.device))
        return
    if not words or words[0].startswith("-"):
        if {"-h", "--help"} & set(words):
            say("usage: pointssl pretrain RECIPE --data PATH [--init-from RUN] [--out RUN] [settings]\n", console)
            say("       pointssl pretrain --resume RUN\n", console)
            console.print(recipe_table())
            say("\n`pointssl pretrain RECIPE --help` lists the settings and their values in the recipe.", console)
            raise SystemExit(0)
        raise SettingError(f"name a recipe first: pointssl pretrain RECIPE --data PATH (one of: {', '.join(RECIPES)})")
    name = words[0]
    base, start = recipe(name), flags.value_of("--init-from", words)
    if start is not None:
        base = from_run(base, start)
    given = flags.change(Pretrain(config=own_budget(base, words)), words[1:], f"pointssl pretrain {name}")
    config = given.config
    config = with_data(config, given.data, given.columns)
    if given.dry_run:
        from pointssl.train.estimate import estimate

        console.print(two_columns(estimate(config, device=given.device).table()))
        return
    out = given.out or Path("runs") / name
    _finished(pretrain.pretrain(config, out, init_from=given.init_from, device=given.device))


def with_data(config: PretrainConfig, data: str | None, columns: str | None) -> PretrainConfig:
    """Return settings with the clouds that the command line names; raises `SettingError` for columns of nothing."""
    from pointssl.data.files.columns import with_columns

    source = config.data.source if data is None else data
    if source is None and columns is not None:
        raise SettingError("--columns are those of --data, which is missing")
    return (
        config if source is None else replace(config, data=replace(config.data, source=with_columns(source, columns)))
    )


def from_run(base: PretrainConfig, run: str) -> PretrainConfig:
    """Return a recipe with the encoder of a run, its way to read clouds, and its task where it is the recipe's.

    The clouds are those of the run as well, as long as no others are named. Raises `RunError`.
    """
    from pointssl.runs.run import Run

    other = Run.open(run).config
    method = other.method if type(other.method) is type(base.method) else base.method
    data = replace(other.data, batch_size=base.data.batch_size)
    return replace(base, method=method, backbone=other.backbone, data=data)


def own_budget(config: PretrainConfig, words: Sequence[str]) -> PretrainConfig:
    """Return a recipe without its budget where the command line names another; raises `SettingError` for two."""
    flags_of = {f"--{name.replace('_', '-')}": name for name in BUDGETS}
    named = sorted({flag for word in words if (flag := word.split("=")[0].replace("_", "-")) in flags_of})
    if len(named) > 1:
        raise SettingError(f"a run has one budget, got {' and '.join(named)}; give one of them")
    return replace(config, clouds_seen=None, minutes=None, steps=None) if named else config


def recipe_table() -> Table:
    """Return what `pretrain` can start from, as a table."""
    table = Table("recipe", "method", "encoder", "points", "batch", "budget", box=None, pad_edge=False)
    for name, config in RECIPES.items():
        method, encoder = (type(part).__name__.removesuffix("Config") for part in (config.method, config.backbone))
        budget = f"{config.epochs:g} epochs" if config.clouds_seen is None else f"{config.clouds_seen:,.0f} clouds"
        table.add_row(name, method, encoder, f"{config.data.reading.points}", f"{config.data.batch_size}", budget)
    return table


def _finished(folder: Path) -> None:
    say(f"encoder: {folder / 'encoder'}", console)
    say(f"next:    pointssl evaluate {folder} --data SET    and    pointssl report {folder}", console)
