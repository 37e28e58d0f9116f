"""The commands `pointssl evaluate` and `pointssl compare`; `--protocols` takes the names in the list of protocols."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from pointssl.evaluation.protocols import DEFAULT, PROTOCOLS
from pointssl.progress import make_console

console = make_console()

_TITLES = {name: p.title.replace("{} of", "part of").removesuffix(", {}") for name, p in PROTOCOLS.items()}
_HELP = "any of " + "; ".join(f"{name} ({title})" for name, title in _TITLES.items()) + "."
Protocols = Annotated[tuple[str, ...], arg(help=_HELP)]


def evaluate(
    run: Positional[str],
    *,
    data: str,
    columns: str | None = None,
    protocols: Protocols = DEFAULT,
    seeds: int = 3,
    points: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: str = "finetune",
    score_epochs: bool = True,
    out: Path | None = None,
) -> None:
    """Measure a run's encoder beside the random-init baseline and keep the scores under the run.

    Args:
        run: folder of the run, or hf:OWNER/MODEL.
        data: labelled clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        columns: names of the columns of tables and arrays in their order, such as x,y,z,_,red,green,blue,label.
        protocols: names of protocols.
        seeds: number of evaluation seeds: of untrained weights, points, folds, subsets and fine-tuning.
        points: points per cloud; the run's own by default.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        bf16: encode and fine-tune in bf16.
        finetune: recipe of `finetune` and `fractions-finetune`; `pointssl recipes` lists those of `pointssl train`.
        score_epochs: score fine-tunings after every epoch too, to tell the best one beside the last.
        out: folder to keep scores and features in; the run's own by default. For runs that cannot be written to.
    """
    from pointssl.data.files.columns import with_columns
    from pointssl.evaluation.suite import evaluate as measure
    from pointssl.evaluation.table import evaluation_table

    result = measure(
        run,
        with_columns(data, columns),
        protocols=protocols,
        seeds=range(seeds),
        points=points,
        device=device,
        bf16=bf16,
        finetune=finetune,
        score_epochs=score_epochs,
        out=out,
    )
    console.print(evaluation_table(result))


def compare(
    runs: Positional[tuple[str, ...]],
    *,
    data: str,
    protocols: Protocols = DEFAULT,
    seeds: int = 3,
    points: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: str = "finetune",
    json: Path | None = None,
) -> None:
    """Compare the encoders of several runs on the same test clouds, with paired tests.

    Runs whose settings differ in nothing but the seed count as one method.

    Args:
        runs: folders of the runs, two or more.
        data: labelled clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        protocols: names of protocols.
        seeds: as in `evaluate`.
        points: points per cloud; each run's own by default.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        bf16: as in `evaluate`.
        finetune: as in `evaluate`.
        json: also write the comparison to this file.
    """
    from pointssl.evaluation.compare import compare as compare_runs
    from pointssl.evaluation.compare import tables

    result = compare_runs(
        runs,
        data,
        protocols=protocols,
        seeds=range(seeds),
        points=points,
        device=device,
        bf16=bf16,
        finetune=finetune,
        out=json,
    )
    for table in tables(result):
        console.print(table)


def diagnose(
    runs: Positional[tuple[str, ...]], *, data: str, points: int | None = None, seed: int = 0, json: Path | None = None
) -> None:
    """Show what the features of runs are like, each beside its random-init baseline, and how alike they are.

    Args:
        runs: folders of the runs.
        data: labelled clouds, of which the test clouds are looked at.
        points: points per cloud; each run's own by default.
        seed: decides which points are read, the untrained weights and the starts of k-means.
        json: also write the figures to this file.
    """
    from dataclasses import asdict

    from rich.table import Table

    from pointssl.evaluation.diagnostics import diagnose as look

    found, alike = look(runs, data, points=points, seed=seed, out=json)
    table = Table("encoder", "effective rank", "alignment", "uniformity", "retrieval mAP", "NMI of k-means")
    for name, figures in found.items():
        table.add_row(name, *("" if value is None else f"{value:.3f}" for value in asdict(figures).values()))
    console.print(table)
    for (a, b), value in alike.items():
        console.print(f"CKA {value:.3f}  {a} and {b}", markup=False, highlight=False)
