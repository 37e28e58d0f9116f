"""Small faults, planted one at a time: which of them do the tests notice?

Every `tests/mutants/*.json` lists changes of the source as {"file", "old", "new", "tests"}: a fragment that stands
exactly once in the file, what to put in its place, and the tests that have to fail then.

python -m tests.mutants.run [--only WORD] [--jobs 2] [--fresh]     # writes results/mutants.json

Mutants that were killed before are not tried again while change and tests are the same; `--fresh` tries all.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pointssl.files import write_json

ROOT = Path(__file__).resolve().parents[2]
Mutant = dict[str, Any]


def read_mutants() -> list[Mutant]:
    """Return all of them, each with the name of its list."""
    lists = sorted((ROOT / "tests" / "mutants").glob("*.json"))
    return [{"list": path.stem, **one} for path in lists for one in json.loads(path.read_text(encoding="utf-8"))]


def planted(mutant: Mutant) -> str:
    """Return the text of the changed file.

    Raises:
        ValueError: when the fragment does not stand exactly once in the file.
    """
    text: str = (ROOT / str(mutant["file"])).read_text(encoding="utf-8")
    if (found := text.count(mutant["old"])) != 1:
        raise ValueError(f"{mutant['file']} holds {mutant['old']!r} {found} times; a mutant needs it once")
    return text.replace(str(mutant["old"]), str(mutant["new"]))


def try_out(mutant: Mutant) -> Mutant:
    """Run its tests on a copy of the project with the change, and say whether they noticed."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        names = ("src", "tests", "docs", "examples", "benchmarks", "results")
        for name in names:
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.iterdir():
            if path.is_file():
                shutil.copy(path, copy)
        (copy / mutant["file"]).write_text(planted(mutant), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant["tests"]]
        place = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=copy, env=place, capture_output=True, text=True, check=False)
    # 0: all passed; 1: a test failed. Anything else (nothing collected, a wrong path) says nothing about the tests.
    outcome = {0: "survived", 1: "killed"}.get(done.returncode, f"no answer: {done.stdout[-300:]}{done.stderr[-300:]}")
    return {**mutant, "outcome": outcome, "seconds": round(time.monotonic() - start, 1)}


def main() -> None:
    """Try every mutant and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only mutants whose file or fragment holds this word")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--fresh", action="store_true", help="try those again that were killed before")
    given = parser.parse_args()
    chosen = [one for one in read_mutants() if given.only in one["file"] + one["old"] + one["list"]]
    for one in chosen:
        planted(one)  # a list that has gone stale is told before the first hour
    before = {} if given.fresh else killed_before()
    done: list[Mutant] = [{**one, **before[name(one)]} for one in chosen if name(one) in before]
    left = [one for one in chosen if name(one) not in before]
    with ThreadPoolExecutor(given.jobs) as pool:
        for result in pool.map(try_out, left):
            done.append(result)
            print(f"{len(done)}/{len(chosen)} {result['outcome'][:9]} {result['file']}: {result['new']!r}", flush=True)
            if not given.only:  # kept as it grows: a stop loses nothing
                write_json(ROOT / "results" / "mutants.json", summary(done, len(chosen)))
    print(f"{sum(one['outcome'] == 'killed' for one in done)} of {len(done)} killed")


def name(mutant: Mutant) -> tuple[str, ...]:
    """Return what makes a mutant the same one: its change and its tests."""
    return (mutant["file"], mutant["old"], mutant["new"], *mutant["tests"])


def killed_before() -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the outcomes that stand in the results, of mutants that were killed."""
    file = ROOT / "results" / "mutants.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else []
    keys = ("outcome", "seconds")
    return {name(row): {key: row[key] for key in keys} for row in rows if row["outcome"] == "killed" and "tests" in row}


def summary(done: list[Mutant], listed: int) -> dict[str, Any]:
    """Return what was tried so far, of how many that are listed, and how many were killed."""
    keys = ("list", "file", "old", "new", "tests", "outcome", "seconds")
    killed = sum(one["outcome"] == "killed" for one in done)
    rows = [{key: one[key] for key in keys} for one in done]
    return {
        "command": "python -m tests.mutants.run",
        "listed": listed,
        "tried": len(done),
        "killed": killed,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
