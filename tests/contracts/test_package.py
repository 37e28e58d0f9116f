"""What the project promises as a whole: public names, docstrings, links, examples, results, no private paths."""

import ast
import importlib
import json
import re
import subprocess
from pathlib import Path

import pytest

import pointssl

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def relative(path: Path) -> str:
    """Name a file in a test's id."""
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its code blocks, in which brackets mean something else."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [n for n in pointssl.__all__ if n != "__version__"])
def test_public_name__is_importable_and_documented(name: str) -> None:
    assert getattr(pointssl, name) is not None
    documented = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"`{name}" in documented


def test_public_names__are_all_that_the_page_lists() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)", page, flags=re.MULTILINE))
    assert listed == {n for n in pointssl.__all__ if n != "__version__"}


def test_public_names__unknown_ones_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="pretrian"):
        getattr(pointssl, "pretrian")  # noqa: B009


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module__says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert len(docstring) > 20


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module__is_importable_without_the_command_line(path: Path) -> None:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page__links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page__names_files_that_exist(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|examples|benchmarks|results)/[\w./-]+\.(?:py|md|json))`", prose(page))
    pattern = re.compile(r"(test_)?x\.(py|md)")  # stands for a file that a reader will write
    assert [n for n in named if not (ROOT / n).is_file() and not pattern.fullmatch(Path(n).name)] == []


def test_architecture__names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "pointssl"
    folders = {path.parent.relative_to(package).as_posix() for path in SOURCES} - {"."}
    assert [folder for folder in sorted(folders) if f"`{folder}/`" not in page] == []


def test_examples__are_run_by_the_tests() -> None:
    from tests.test_examples import EXAMPLES as RUN

    assert set(RUN) == {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_example__is_short_and_introduced(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize("path", sorted((ROOT / "results").rglob("*.json")), ids=relative)
def test_result__is_strict_json(path: Path) -> None:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_version__is_said_in_one_place() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", pointssl.__version__) == pointssl.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {pointssl.__version__}\n" in citation


def test_files__name_no_private_path() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("only a git checkout says which files are the project's")
    # Put together here, so that this file does not name them.
    private = re.compile("|".join(("/" + "work/", "/" + "root/", "/" + "home/", "/" + "Users/")))
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in (".png", ".npz", ".npy"):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{name}: {hit[0]}" for hit in private.finditer(text)]
    assert found == []
