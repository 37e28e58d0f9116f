"""List files: a csv that says which files belong to a data set, and what class and split each is of."""

import csv
import io
import os
from pathlib import Path

from pointssl.errors import DataError

NAMES = ("list.csv", "labels.csv", "index.csv")
"""A list file of one of these names is found by itself."""

_OTHERS = {"class": "label", "category": "label", "subset": "split"}
"""Columns that others call so: passed over, they would leave the clouds without a class."""

NO_LABEL = ("", "-1", "nan", "none")
"""What stands for a missing class; pandas writes nan."""


def is_list(path: Path) -> bool:
    """Tell a list of files from a table of points, by the first line."""
    with path.open("rb") as file:
        first = _decoded(file.read(4096)).partition("\n")[0]
    return "path" in [word.strip().lower() for word in first.split(_delimiter(first))]


def read_list(root: Path, list_file: Path) -> list[tuple[Path, str | None, str]]:
    """Return the path below `root`, the class and the split of every row.

    Raises:
        DataError: no list, no rows, or paths that lead out of `root`.
    """
    if not list_file.is_file():
        raise DataError(f"the list file {list_file} does not exist; check the path")
    text = _decoded(list_file.read_bytes())
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
    table: list[tuple[Path, str | None, str]] = []
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        if "path" not in columns:
            raise DataError(f"{list_file} must begin with a line of column names (path,label,split), got {columns}")
        for theirs, ours in _OTHERS.items():
            if theirs in columns and ours not in columns:
                raise DataError(f"{list_file} has a column '{theirs}' and none called '{ours}'; rename or remove it")
        for cells in rows:
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
            if any(row.values()):
                label = row.get("label", "")
                path = _inside(root, row.get("path", ""), f"{list_file} line {rows.line_num}")
                table.append((path, None if label.lower() in NO_LABEL else label, row.get("split", "")))
    except csv.Error as error:
        raise DataError(f"{list_file} line {rows.line_num} is not csv: {error}") from error
    if not table:
        raise DataError(f"{list_file} lists no files")
    return table


def _inside(root: Path, word: str, where: str) -> Path:
    """Return the file that `word` names, which must lie below `root`."""
    if not word:
        raise DataError(f"{where} names no file")
    path = root / word
    try:
        if not path.exists() and "\\" in word:
            path = root / word.replace("\\", "/")  # a list that was written on Windows
    except OSError as error:
        raise DataError(f"{where} names what no file can be called ({error.strerror}): {word[:40]}...") from error
    relative = os.path.normpath(os.path.relpath(path, root))
    if relative.startswith("..") or os.path.isabs(relative):  # noqa: PTH117
        raise DataError(f"{where} names {word}, which is not below {root}; write paths relative to that folder")
    return root / relative


def _decoded(data: bytes) -> str:
    """Return text in the encodings that spreadsheets write."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
