"""The commands that look at shapes: `explore`, `index`, `search`, `duplicates`."""

import json as json_text
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from pointssl.progress import make_console, say

console = make_console()


def explore(
    data: Positional[str],
    *,
    out: Path | None = None,
    run: str | None = None,
    beside: str | None = None,
    split: str = "all",
    whiten: Literal["best", "kept", "own", "no"] = "best",
    points: int | None = None,
    sample: int | None = None,
    copies: bool = True,
    up: Literal["x", "y", "z"] | None = None,
    seed: int = 0,
    device: str | None = None,
    serve: bool = False,
    port: int = 0,
) -> None:
    """Draw all shapes of a folder on one map that opens offline: what is like what, there twice, or odd.

    Args:
        data: shapes: a folder, store or file; or a run, whose own shapes and encoder are then taken.
        out: page to write, map.html by default.
        run: encoder: a run, hf:OWNER/MODEL, or a name that `pointssl models` lists; the first of those by default.
        beside: a second encoder, drawn beside the first; `untrained` is its random-init baseline.
        split: `all`, or one of the data's splits.
        whiten: make distances mean more: by what is `kept` with the encoder, by these shapes' `own`, or `no`; `best` is
            the first of these that there is.
        points: points per cloud that the encoder reads; the run's own by default.
        sample: draw so many shapes instead of all.
        copies: look for shapes that are there twice.
        up: axis that points up; the data set's own by default.
        seed: decides all chance.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        serve: show the page from this machine instead of writing it, for very many shapes; Ctrl-C ends it.
        port: of the served page; a free one by default.
    """
    from pointssl.errors import SettingError
    from pointssl.runs import layout
    from pointssl.runs.run import Run
    from pointssl.show.explore.explore import explore as look
    from pointssl.show.explore.explore import write_explorer
    from pointssl.show.explore.server import serve as show

    if serve and out is not None:
        raise SettingError("--serve shows the page instead of writing it; leave out --out, or --serve")
    path = out or Path("map.html")
    if path.suffix not in (".html", ".htm"):
        raise SettingError(f"{path} must end in .html: it is one page")
    if layout.is_begun(Path(data)):
        if run is not None:
            raise SettingError(f"{data} is a run; give the shapes first, then --run {run}")
        source = Run.open(data).config.data.source
        if source is None:
            raise SettingError(
                f"{data} was trained on an object; say which shapes: pointssl explore SHAPES --run {data}"
            )
        run, data = data, source
    atlas = look(
        data,
        run=run,
        beside=beside,
        split=split,
        whiten=whiten,
        points=points,
        sample=sample,
        copies=copies,
        up=up,
        seed=seed,
        device=device,
        served=serve,
    )
    if serve:
        show(atlas, port=port, told=lambda address: _print(f"look at: {address} (Ctrl-C ends it)"))
        return
    write_explorer(atlas, path)
    _print(f"{len(atlas.names):,} shapes, {path.stat().st_size / 2**20:.1f} MB; look at: {path.resolve()}")


def index(
    data: Positional[str],
    *,
    out: Path,
    run: str | None = None,
    split: str = "all",
    whiten: Literal["best", "kept", "own", "no"] = "best",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> None:
    """Encode all shapes once, so that `search` and `duplicates` answer at once.

    Args:
        data: shapes: a folder, store or file.
        out: file to write, such as parts.index.
        run: encoder: a run, hf:OWNER/MODEL, or a name that `pointssl models` lists; the first of those by default.
        split: `all`, or one of the data's splits.
        whiten: make distances mean more: by what is `kept` with the encoder, by these shapes' `own`, or `no`; `best` is
            the first of these that there is.
        points: points per cloud that the encoder reads; the run's own by default.
        seed: decides which points of each cloud are read.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
    """
    from pointssl.search.index import build_index, save_index

    made = build_index(data, run=run, split=split, whiten=whiten, points=points, seed=seed, device=device)
    save_index(made, out)
    _print(f"{len(made):,} shapes by {made.encoder}: {out}")
    _print(f"ask it:  pointssl search {out} FILE")


def search(
    where: Positional[Path],
    query: Positional[str],
    *,
    k: int = 10,
    turns: Literal[1, 4, 24] = 1,
    engine: Literal["exact", "usearch"] = "exact",
    sheet: Path | None = None,
    json: bool = False,
    device: str | None = None,
) -> None:
    """Find the shapes of an index that are most like one: a file, or a name of the index.

    Args:
        where: the index, from `pointssl index`.
        query: file of one shape, or the name of a shape of the index.
        k: how many to find.
        turns: poses in which the query is tried: 1 as it is, 4 quarters about its up axis, 24 all turns of a cube.
        engine: `exact`, or `usearch` for millions of shapes (extra `search`).
        sheet: PNG to write, with the query and what was found.
        json: print JSON instead of a table.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
    """
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from pointssl.search.index import load_index
    from pointssl.search.query import search as find

    opened = load_index(where)
    hits = find(opened, query, k, turns=turns, engine=engine, device=device)
    if json:
        print(json_text.dumps([asdict(hit) for hit in hits], indent=1))
    else:
        table = Table("", "shape", "class", "distance", "file")
        for hit in hits:
            words = (str(hit.rank), hit.name, hit.kind or "", f"{hit.distance:.3f}", hit.origin)
            table.add_row(*(escape(word) for word in words))
        console.print(table)
    if sheet is not None:
        from pointssl.show.explore.sheet import write_sheet

        write_sheet(opened, query, hits, sheet)
        if not json:
            _print(f"drawn: {sheet}")


def duplicates(
    data: Positional[str],
    *,
    out: Path | None = None,
    run: str | None = None,
    ratio: float = 1.25,
    seed: int = 0,
    json: bool = False,
    device: str | None = None,
) -> None:
    """List the shapes that are there twice or more, whatever their files are called.

    Args:
        data: shapes: a folder, store or file; or an index, from `pointssl index`.
        out: csv to write: group, name, file, ratio.
        run: encoder that finds candidates; the first of `pointssl models` by default.
        ratio: how far apart two shapes may be and count as one, in distances of two draws of points of the same shape.
        seed: decides which points are compared.
        json: print JSON instead of a table.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
    """
    from rich.markup import escape
    from rich.table import Table

    from pointssl.errors import SettingError
    from pointssl.search.duplicates import duplicates as find
    from pointssl.search.duplicates import write_groups
    from pointssl.search.index import build_index, is_index, load_index

    if is_index(Path(data)):
        if run is not None:
            raise SettingError("an index has its encoder; leave out --run")
        opened = load_index(data)
    else:
        opened = build_index(data, run=run, seed=seed, device=device)
    found = find(opened, ratio=ratio, seed=seed)
    if out is not None:
        write_groups(found, opened, out)
    if json:
        print(json_text.dumps([[opened.names[i] for i in group] for group in found.groups], indent=1))
        return
    table = Table("group", "shapes")
    for number, group in enumerate(found.groups, start=1):
        table.add_row(str(number), escape(", ".join(opened.names[i] for i in group)))
    if found.groups:
        console.print(table)
    extra = sum(len(group) - 1 for group in found.groups)
    _print(f"{extra:,} of {len(opened):,} shapes are copies of another" + (f": {out}" if out is not None else ""))


def _print(text: str) -> None:
    say(text, console)
