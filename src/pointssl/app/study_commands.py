"""The command `pointssl study`: what pre-training changes, by how much of it, and what carries over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from pointssl.app import flags
from pointssl.app.tables import two_columns
from pointssl.errors import SettingError, nearest
from pointssl.progress import make_console, say

if TYPE_CHECKING:
    from pointssl.study import Study, StudyConfig
    from pointssl.study.cost import Cost

console = make_console()


def run(words: Sequence[str]) -> None:
    """Run `study NAME ...`."""
    if not words or words[0] in ("-h", "--help"):
        say("usage: pointssl study NAME --data SET --runs RUN [RUN ...] --out DIR ...\n", console)
        console.print(two_columns((f"  {name}", flags.summary(one)) for name, one in STUDIES.items()))
        raise SystemExit(0)
    if words[0] not in STUDIES:
        raise SettingError(f"there is no study '{words[0]}'{nearest(words[0], STUDIES)}")
    flags.call(STUDIES[words[0]], words[1:], f"pointssl study {words[0]}")


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every study is told."""

    data: str
    """Labelled clouds: a folder, store or file, `synthetic`, or NAME:PATH."""
    runs: tuple[Path, ...]
    """Pre-trained runs of one encoder; those whose settings differ by the seed alone are one arm."""
    out: Path
    """Folder of the study: trainings, tables, page and figures."""
    recipe: str = "train-pointnet"
    """Settings of every training, by name (`pointssl recipes`); the encoder is that of the runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training of every arm for each."""
    epochs: float | None = None
    """Passes over the clouds; the recipe's by default."""
    least_steps: int = 300
    """Updates at least, where few labels give fewer."""
    points: int | None = None
    """Points per cloud; the recipe's by default."""
    clouds: int = 200
    """Test clouds to measure on."""
    regions: int = 10
    """Regions per cloud."""
    low: tuple[int, int] | None = None
    """First and last order called low; 1 to 0.3 n by default."""
    high: tuple[int, int] | None = None
    """First and last order called high; from 0.7 n to n by default."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; by default the GPU where there is one."""
    dry_run: bool = False
    """Take a few real steps, say what is left to do and how long it takes, and write nothing."""

    def config(self) -> "StudyConfig":
        """Return the settings; raises `SettingError` for those that cannot be."""
        from pointssl.interpret.config import InteractConfig
        from pointssl.interpret.profiles import ProfileConfig
        from pointssl.study import StudyConfig
        from pointssl.train.recipes import train_recipe

        recipe = train_recipe(self.recipe)
        try:
            if self.epochs is not None:
                recipe = replace(recipe, epochs=self.epochs, steps=None)
            if self.points is not None:
                recipe = replace(
                    recipe, data=replace(recipe.data, reading=replace(recipe.data.reading, points=self.points))
                )
            return StudyConfig(
                recipe=recipe,
                seeds=self.seeds,
                least_steps=self.least_steps,
                interact=InteractConfig(clouds=self.clouds, regions=self.regions, reading=recipe.data.reading),
                display=ProfileConfig(low=self.low, high=self.high),
                device=self.device,
            )
        except ValueError as error:
            raise SettingError(str(error)) from error


def pretraining(common: Annotated[Common, arg(name="")], *, fraction: float = 1.0) -> None:
    """Do pre-trained networks use more complex structures than the same networks from scratch?

    Trains from scratch and from every run with one recipe, and measures all on the same clouds and regions. A stop in
    between costs little: the same command goes on.

    Args:
        common: what every study is told.
        fraction: part of the labels of every class.
    """
    from pointssl import study

    where = (common.data, common.runs, common.out, common.config())
    if common.dry_run:
        _show(study.pretraining.cost(*where, fraction=fraction))
    else:
        _finish(study.pretraining.run(*where, fraction=fraction), common.out)


def scaling(
    common: Annotated[Common, arg(name="")],
    *,
    parts: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    fractions: tuple[float, ...] = (0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
) -> None:
    """Do interactions move on with more pre-training and with more labels?

    Fine-tunes checkpoints along pre-training (runs made with
    `--keep-checkpoints-at 0 0.2 0.4 0.6 0.8 1`), and the finished run beside
    scratch on more and more labels. A stop in between costs little: the same command goes on.

    Args:
        common: what every study is told.
        parts: parts of pre-training whose checkpoints are fine-tuned on all labels; none leaves this half out.
        fractions: parts of the labels, at least one cloud of every class; none leaves this half out.
    """
    from pointssl import study

    where = (common.data, common.runs, common.out, common.config())
    if common.dry_run:
        _show(study.scaling.cost(*where, parts=parts, fractions=fractions))
    else:
        _finish(study.scaling.run(*where, parts=parts, fractions=fractions), common.out)


def transfer(
    common: Annotated[Common, arg(name="")],
    *,
    other: str | None = None,
    fractions: tuple[float, ...] = (0.1, 0.3, 1.0),
    novel: float = 0.25,
) -> None:
    """Does what pre-training adds help elsewhere: on novel classes, on other data, in other networks?

    Trains by amount of labels and once more without some classes, freezes, and probes. A stop in between costs little:
    the same command goes on.

    Args:
        common: what every study is told.
        other: another labelled data set to probe frozen encoders on; left out without.
        fractions: amounts of labels; transfer is measured at the largest.
        novel: part of the classes that are left out of training; other ones for every seed.
    """
    from pointssl import study

    where = (common.data, common.runs, common.out, common.config())
    try:
        settings = study.TransferConfig(fractions=fractions, novel=novel)
    except ValueError as error:
        raise SettingError(str(error)) from error
    if common.dry_run:
        _show(study.transfer.cost(*where, other=other, settings=settings))
    else:
        _finish(study.transfer.run(*where, other=other, settings=settings), common.out)


STUDIES: dict[str, Callable[..., None]] = {"pretraining": pretraining, "scaling": scaling, "transfer": transfer}


def _show(cost: "Cost") -> None:
    console.print(two_columns(cost.table()))


def _finish(found: "Study", out: Path) -> None:
    """Write the page and say the verdict of every claim."""
    from pointssl.show.interactions import study_page
    from pointssl.study import save

    save(found, out / "study.json")
    path = study_page.write(found, out)
    for claim in found.claims:
        say(f"{claim.verdict + ':':<14} {claim.text}", console)
    say(f"verdict: {found.verdict}. {found.conclusion}", console)
    for note in found.notes:
        say(f"note:    {note}", console)
    say(f"page:    {path}", console)
    say(f"figures: {out / 'study.json'}", console)
