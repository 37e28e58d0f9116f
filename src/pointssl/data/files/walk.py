"""All files below a folder, links followed, and what could not be entered or leads nowhere."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

DEPTH = 64
"""Folders within folders; nobody's data lie deeper."""

VISITS = 16
"""How often one folder is entered by different links: links can be laid so that their number doubles with each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What lies below a folder; hidden names (.git, .DS_Store) and `__MACOSX` are editors' and systems' own."""

    files: tuple[Path, ...]
    broken: tuple[tuple[Path, str], ...]
    """Links that lead nowhere and folders that may not be entered, with the reason."""
    links: tuple[Path, ...]
    """Folders that are links, and were followed."""


def walk(root: Path) -> Walk:
    """Return the files below `root`, in the order of their names."""
    files: list[Path] = []
    broken: list[tuple[Path, str]] = []
    links: list[Path] = []
    visits: Counter[str] = Counter()
    pending: list[tuple[Path, tuple[str, ...]]] = [(root, (os.path.realpath(root),))]
    while pending:
        folder, above = pending.pop()
        try:
            with os.scandir(folder) as found:
                items = [item for item in found if not item.name.startswith(".") and item.name != "__MACOSX"]
        except OSError as error:
            broken.append((folder, f"cannot be entered: {error.strerror or error}"))
            continue
        for item in items:
            path, is_link = folder / item.name, item.is_symlink()
            if item.is_file():
                files.append(path)
            elif item.is_dir():
                real = os.path.realpath(path) if is_link else os.path.join(above[-1], item.name)  # noqa: PTH118
                visits[real] += 1
                if real in above or len(above) > DEPTH or visits[real] > VISITS:
                    broken.append((path, "is a link in a circle" if is_link or real in above else "lies too deep"))
                    continue
                links += [path] if is_link else []
                pending.append((path, (*above, real)))
            elif is_link:
                broken.append((path, f"is a link to {path.readlink()}, where nothing is; was its content fetched?"))
    return Walk(files=tuple(sorted(files)), broken=tuple(sorted(broken)), links=tuple(sorted(links)))
