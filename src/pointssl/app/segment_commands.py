"""The command `pointssl segment`: a scan goes in, and comes out with a label for each of its points."""

from pathlib import Path

from rich.table import Table
from tyro.conf import Positional

from pointssl.progress import make_console, say

console = make_console()


def segment(
    run: Positional[str],
    scan: Positional[Path],
    *,
    out: Path,
    size: float = 1.0,
    overlap: float = 0.0,
    centre: bool = True,
    votes: int = 1,
    device: str | None = None,
) -> None:
    """Write a copy of a scan in which every point has a label and the probability of it; all else stays as it is.

    Args:
        run: folder of a run of `pointssl train segment-...`.
        scan: las, laz, ply, pcd or e57 file.
        out: file to write: las or laz (of one of those) or ply.
        size: side of the square blocks that the network is given, in the scan's units; as it was trained with.
        overlap: what neighbouring blocks share; probabilities are averaged there.
        centre: count x and y from the middle of each block, as those of S3DIS do; no for those of `pointssl data cut`.
        votes: passes over every block, its points dealt afresh.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
    """
    from pointssl.evaluation.scan_output import segment as write

    made = write(run, scan, out, size=size, overlap=overlap, centre=centre, votes=votes, device=device)
    table = Table("label", "part", "points", "share", box=None, pad_edge=False)
    for number, (name, count) in enumerate(made.parts.items()):
        if count:
            table.add_row(str(number), name, f"{count:,}", f"{count / made.points:.1%}")
    console.print(table)
    say(f"{made.points:,} points in {made.blocks:,} blocks: {made.path}", console)
