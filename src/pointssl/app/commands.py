"""The commands: each a function whose signature is its flags, and each one typed call of the library.

Heavy modules are imported where they are used: `pointssl recipes` needs no network.
"""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from pointssl.progress import make_console, say

console = make_console()
"""Where results go; progress and complaints go to standard error."""


def recipes() -> None:
    """List the settings that `pretrain` and `train` can start from."""
    from pointssl.app import pretrain_commands, train_commands

    console.print(pretrain_commands.recipe_table())
    _print("\nfor `pointssl train`:")
    console.print(train_commands.recipe_table())


def demo(*, data: str | None = None, out: Path = Path("demo"), seconds: float = 75.0, seed: int = 0) -> None:
    """Pre-train ParAE, measure it beside its random-init baseline, and draw what it sees, in a few minutes.

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


def embed(
    run: Positional[str],
    *,
    data: str | None = None,
    columns: str | None = None,
    out: Path,
    split: str = "all",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
    bf16: bool = False,
    whiten: Literal["no", "kept", "own"] = "no",
    defuse: bool = False,
    per_point: bool = False,
    axes: int = 16,
    size: float = 1.0,
    overlap: float = 0.0,
    centre: bool = True,
) -> None:
    """Write one vector per cloud, with names and labels, to a .parquet, .npz or .csv file.

    With --per-point the data is one large scan, and a copy of it is written in which every point has its feature.

    Args:
        run: folder of the run, a name that `pointssl models` lists, or hf:OWNER/MODEL; where --data is left out, the
            clouds, which the first of those models then encodes.
        data: clouds: a folder, store or file, `synthetic`, or NAME:PATH.
        columns: names of the columns of tables and arrays in their order, such as x,y,z,_,red,green,blue,label.
        out: file to write; its ending is the format.
        split: `all`, or one of the data's splits.
        points: points per cloud; the run's own by default.
        seed: decides which points of each cloud are read.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        bf16: encode in bf16.
        whiten: make neighbours better: by the whitening `kept` with the encoder, or by one of these clouds' `own`.
        defuse: in a csv, put an apostrophe before names that a spreadsheet would compute (they begin with =, +, -, @).
        per_point: write the feature of every point of a scan, to .las or .laz (of one of those), .ply or .parquet.
        axes: with --per-point, how many principal axes of the point features are written.
        size: with --per-point, side of the square blocks that the encoder is given, in the scan's units.
        overlap: with --per-point, what neighbouring blocks share; features are averaged there.
        centre: with --per-point, count x and y from the middle of each block.
    """
    from pointssl.data.files.columns import with_columns
    from pointssl.errors import SettingError
    from pointssl.evaluation.embed import embed as write
    from pointssl.runs import layout, shipped

    if data is None:
        if layout.is_begun(Path(run)):
            raise SettingError(f"{run} is a run; say which clouds it is to encode: --data CLOUDS")
        run, data = shipped.default(), run
        _print(f"encoder: {run}")
    if per_point:
        from pointssl.evaluation.scan_output import embed_points

        width = embed_points(run, data, out, axes=axes, size=size, overlap=overlap, centre=centre, device=device)
        _say(f"{width} columns for every point", out)
        return
    data = with_columns(data, columns)
    found = write(
        run, data, out, split=split, points=points, seed=seed, device=device, bf16=bf16, whiten=whiten, defuse=defuse
    )
    _say(f"{len(found.features)} vectors of {found.features.shape[1]}", out)


def whiten(
    run: Positional[str],
    *,
    data: str,
    split: str = "all",
    points: int | None = None,
    seed: int = 0,
    axes: int = 128,
    power: float = 0.5,
    device: str | None = None,
) -> None:
    """Fit a whitening of a run's features on unlabelled clouds; it then travels with the encoder.

    Args:
        run: folder of the run, or of an encoder.
        data: unlabelled clouds, 100 or more: a folder, store or file, or `generated:unions:n=5000`.
        split: `all`, or one of the data's splits.
        points: points per cloud; the run's own by default.
        seed: decides which points of each cloud are read.
        axes: principal axes that are kept.
        power: 0 keeps the lengths of the axes, 1 makes all alike.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
    """
    from pointssl.evaluation.embed import keep_whitening

    file = keep_whitening(run, data, split=split, points=points, seed=seed, axes=axes, power=power, device=device)
    _say("whitening", file)
    _print(f"use it:  pointssl embed {run} --data CLOUDS --whiten kept --out FILE")


def report(
    run: Positional[str],
    *,
    data: str | None = None,
    out: Path | None = None,
    shapes: int = 6,
    seed: int = 0,
    up: Literal["x", "y", "z"] | None = None,
) -> None:
    """Write a run's pictures and its page, which opens offline.

    Args:
        run: folder of the run, or hf:OWNER/MODEL.
        data: clouds to look at; by default the run's own.
        out: folder to write into; the run itself by default.
        shapes: how many clouds are shown in 3D.
        seed: decides which.
        up: axis of the clouds that points up: x, y or z; the data set's own by default.
    """
    from pointssl.show.run.report import write_report

    _say("page", write_report(run, out, data=data, shapes=shapes, seed=seed, up=up))


def _print(text: str) -> None:
    say(text, console)


def _say(what: str, path: Path) -> None:
    _print(f"{what}: {path}")
