"""Write docs/modules.md: every module of the package with the sentence that it opens with.

python docs/modules.py            # writes
python docs/modules.py --check    # exits with 1 where the page differs
"""

import argparse
import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "modules.md"
HEAD = """# Modules

Made from the modules' own first sentences by `make results`; the picture is in [architecture](architecture.md).
"""


def sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def page() -> str:
    """Return the whole page: a section a folder, a row a module."""
    package = ROOT / "src" / "pointssl"
    folders: dict[Path, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        folders.setdefault(path.parent, []).append(path)
    parts = [HEAD]
    for folder, paths in sorted(folders.items()):
        name = folder.relative_to(package.parent).as_posix()
        about = sentence(folder / "__init__.py")
        rows = [f"| `{path.name}` | {sentence(path)} |" for path in paths if path.name != "__init__.py"]
        parts.append(
            "\n".join([f"## `{name}/`", "", about, *(["", "| module | |", "|---|---|", *rows] if rows else []), ""])
        )
    return "\n".join(parts)


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit(f"{PAGE.name} is not what the modules say; run: make results")


if __name__ == "__main__":
    main()
