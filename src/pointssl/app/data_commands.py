"""The commands about clouds: list the known data sets, show one, check, pack and fetch."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from pointssl.app import flags
from pointssl.app.tables import two_columns
from pointssl.app.view_commands import views
from pointssl.errors import DataError, SettingError, nearest
from pointssl.files import atomic_file
from pointssl.progress import make_console, say

console = make_console()


def run(words: Sequence[str]) -> None:
    """Run `data COMMAND ...`."""
    if not words or words[0] in ("-h", "--help"):
        say("usage: pointssl data COMMAND ...\n", console)
        console.print(two_columns((f"  {name}", flags.summary(one)) for name, one in COMMANDS.items()))
        return
    if words[0] not in COMMANDS:
        raise SettingError(f"there is no command 'data {words[0]}'{nearest(words[0], COMMANDS)}")
    flags.call(COMMANDS[words[0]], words[1:], f"pointssl data {words[0]}")


def check(path: Positional[str], *, points: int = 1024, columns: str | None = None, sheet: Path | None = None) -> None:
    """Tell what is wrong with clouds before training; exits with code 2 where training should not start.

    Args:
        path: a folder, store or file, `synthetic`, or NAME:PATH.
        points: points per cloud that the training will need.
        columns: names of the columns of tables and arrays in their order, such as x,y,z,_,red,green,blue,label.
        sheet: PNG to write, with two dozen clouds and their axes, so that one sees which way is up.
    """
    from pointssl.app import data_tables
    from pointssl.data.check import check as check_clouds

    report = check_clouds(path, needed_points=points, columns=_stated(columns))
    console.print(data_tables.findings(report))
    console.print(two_columns(data_tables.taken_for(report)))
    if sheet is not None and report.sample:
        from pointssl.show.run.cloud_sheet import cloud_sheet

        with atomic_file(sheet) as partial:
            partial.write_bytes(cloud_sheet(report.sample, title=report.name).png)
        say(f"{len(report.sample)} clouds drawn: {sheet}", console)
    if report.fatal:
        raise DataError(f"{path} is not fit for training with {points} points per cloud; the table says what to do")


def _stated(columns: str | None) -> tuple[str, ...] | None:
    from pointssl.data.files.columns import stated_columns

    return None if columns is None else stated_columns(columns)


def pack(
    source: Positional[str],
    store: Positional[Path],
    *,
    points: int = 2048,
    workers: int = 2,
    strict: bool = False,
    labels: Path | None = None,
    seed: int = 0,
    columns: str | None = None,
    up: Literal["x", "y", "z"] | None = None,
) -> None:
    """Write many files, or any data set, as one memory-mapped store.

    Args:
        source: a folder, a file, `synthetic`, or NAME:PATH.
        store: folder to write; must not exist.
        points: points per cloud; 0 keeps clouds whole.
        workers: processes that read files.
        strict: stop on the first file that cannot be read, instead of listing it.
        labels: list file with the columns path, label and split.
        seed: decides which points are drawn.
        columns: names of the columns of tables and arrays in their order, such as x,y,z,_,red,green,blue,label.
        up: axis of the clouds that points up: x, y or z; the data set's own by default, which is y for files.
    """
    from pointssl.data.store.pack import pack as pack_clouds

    summary = pack_clouds(
        source,
        store,
        points=points or None,
        workers=workers,
        strict=strict,
        list_file=labels,
        seed=seed,
        up=up,
        columns=_stated(columns),
    )
    parts = ", ".join(f"{count} {name}" for name, count in summary.splits.items())
    say(f"{summary.clouds} clouds ({parts}), {len(summary.classes)} classes: {summary.path}", console)
    for failure in summary.failures:
        print(f"left out: {failure}", file=sys.stderr)
    for ending, count in summary.ignored.items():
        print(f"not read: {count} {ending}", file=sys.stderr)


def cut(source: Positional[Path], store: Positional[Path], *, size: float = 2.0, overlap: float = 0.5) -> None:
    """Cut large scans into blocks: a store whose clouds know where each of their points comes from.

    Args:
        source: a las, laz, ply, pcd or e57 file, or a folder of them.
        store: folder to write; must not exist.
        size: side of the square blocks, in the scans' units (mostly metres); they are as high as the scan.
        overlap: what neighbouring blocks share, in the same units.
    """
    from pointssl.data.cut.cut import cut as cut_scans

    summary = cut_scans(source.expanduser(), store, size=size, overlap=overlap)
    say(f"{summary.points:,} points of {summary.scans} scans in {summary.blocks:,} blocks: {summary.path}", console)
    for failure in summary.failures:
        print(f"left out: {failure.path}: {failure.reason}", file=sys.stderr)


def rooms(out: Positional[Path], *, rooms: int = 4, points: int = 60_000, seed: int = 0) -> None:
    """Write generated rooms with furniture in the folder layout of S3DIS: six areas that differ.

    Args:
        out: folder to write; must not exist.
        rooms: rooms in each area.
        points: about how many points in each room.
        seed: decides all chance.
    """
    from pointssl.data.synthetic.rooms import write_rooms

    total = write_rooms(out, rooms=rooms, points=points, seed=seed)
    say(f"{total:,} points in {6 * rooms} rooms of 6 areas: s3dis:{out}", console)


def get(name: Positional[str], folder: Positional[Path], *, accept_licence: bool = False) -> None:
    """Fetch a public data set with checksum and resume, after consent to its licence.

    Args:
        name: as `pointssl data list` shows it.
        folder: folder to write into.
        accept_licence: say that you have read and accept the licence that is shown.
    """
    from pointssl.data.public.download import download

    say(f"{name}: {download(name, folder, accept_licence=accept_licence)}", console)


def list_names() -> None:
    """List the data sets that go by name."""
    from pointssl.data import DATASETS
    from pointssl.data.generated.formulas import FORMULAS

    for name in sorted(DATASETS):
        say(f"{name}:PATH", console)
    say("synthetic[:COUNT[:SEED]]", console)
    for name in sorted(FORMULAS):
        say(f"generated:{name}[:NAME=VALUE]...", console)
    say("mix:SET=WEIGHT,SET=WEIGHT...", console)


def show(data: Positional[str], *, split: str = "all", columns: str | None = None) -> None:
    """Say what a data set holds, and what each column of its files was taken for.

    Args:
        data: a folder, store or file, `synthetic`, or NAME:PATH.
        split: `all`, or one of its splits.
        columns: names of the columns of tables and arrays in their order, such as x,y,z,_,red,green,blue,label.
    """
    from pointssl.app import data_tables
    from pointssl.data.files.dataset import FileDataset
    from pointssl.data.files.isolation import apart
    from pointssl.data.files.kinds import kind_of
    from pointssl.data.files.readers import explain
    from pointssl.data.open import open_dataset

    dataset = open_dataset(data, split, columns=_stated(columns))
    console.print(two_columns(data_tables.contents(dataset)))
    if isinstance(dataset, FileDataset):
        for path in {kind_of(path): path for path in reversed(dataset.paths)}.values():  # the first of each kind
            console.print(data_tables.meanings(str(path), apart(explain, path, _stated(columns))))


COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "pack": pack,
    "cut": cut,
    "get": get,
    "rooms": rooms,
    "list": list_names,
    "show": show,
    "views": views,
}
