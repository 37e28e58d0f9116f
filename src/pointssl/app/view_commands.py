"""The command that renders views of meshes and clouds."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from pointssl.data.views.config import ViewConfig
from pointssl.files import atomic_file
from pointssl.progress import make_console, say

if TYPE_CHECKING:
    from pointssl.data.views.sources import Source
    from pointssl.data.views.write import ViewSummary

_DEFAULT = ViewConfig()
_SHOWN = 4
"""Objects on a contact sheet."""


def views(
    source: Positional[str],
    out: Positional[Path],
    *,
    config: Annotated[ViewConfig, arg(name="")] = _DEFAULT,
    sheet: Path | None = None,
    workers: int = 2,
    strict: bool = False,
) -> None:
    """Render views of meshes or clouds, or pack pictures, for methods that contrast clouds with images.

    Args:
        source: meshes (a folder, meshes.npz, NAME:PATH), a folder of pictures, or whatever holds clouds.
        out: folder to write; must not exist.
        config: how views are rendered; not used for pictures.
        sheet: also write a PNG with all views of the first few objects.
        workers: processes that render meshes or read pictures.
        strict: stop on the first object that cannot be rendered, instead of listing it.
    """
    from pointssl.data.views.sources import open_source
    from pointssl.data.views.write import write_views

    opened = open_source(source)
    summary = write_views(opened, out, config, workers=workers, strict=strict)
    word = {"meshes": "meshes", "clouds": "clouds (points painted as discs)", "images": "pictures as they were"}
    told = f"{summary.views} views of each of {summary.objects} objects from {word[summary.rendered_from]}"
    say(f"{told}: {summary.path}", make_console())
    for name, reason in summary.failures:
        print(f"left out: {name}: {reason}", file=sys.stderr)
    if sheet is not None:
        _write_sheet(opened, summary, config, sheet)


def _write_sheet(source: "Source", summary: "ViewSummary", config: ViewConfig, sheet: Path) -> None:
    """Draw the first few objects that were rendered."""
    from pointssl.data.views.sources import names_of
    from pointssl.show.run.contact_sheet import contact_sheet, render_strips

    failed = {name for name, _ in summary.failures}
    rendered = [place for place, name in enumerate(names_of(source)[0]) if name not in failed]
    picture = contact_sheet(render_strips(source, rendered[:_SHOWN], config))
    with atomic_file(sheet) as partial:
        partial.write_bytes(picture.png)
    say(f"contact sheet: {sheet}", make_console())
