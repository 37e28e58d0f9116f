"""Every situation from a public bug report that a test is marked with: is it read right, or refused by name?

The situations are rebuilt in tests that carry `@pytest.mark.case(NAME)`, with inputs of our own and the numbers that
were written as the truth. This runs them all and keeps what came out.

python -m tests.reliability.cases [TEST_FILE ...]     # writes results/cases.json
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Keeper:
    """Keeps only marked tests, and what became of each."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.outcomes: dict[str, dict[str, int]] = defaultdict(lambda: {"passed": 0, "failed": 0, "skipped": 0})

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop what has no mark."""
        for item in items:
            mark = item.get_closest_marker("case")
            if mark is not None:
                self.names[item.nodeid] = str(mark.args[0])
        items[:] = [item for item in items if item.nodeid in self.names]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: where it failed or was skipped, or else after it ran."""
        if report.outcome != "passed" or report.when == "call":
            self.outcomes[self.names[report.nodeid]][report.outcome] += 1


def run(files: list[str]) -> tuple[int, dict[str, Any]]:
    """Run the marked tests of some files, or of all; return pytest's exit code and the outcomes by situation."""
    keeper = Keeper()
    code = pytest.main(["-q", "-p", "no:cacheprovider", *(files or [str(ROOT / "tests")])], plugins=[keeper])
    return int(code), dict(sorted(keeper.outcomes.items()))


def main() -> None:
    """Run them and write the results."""
    code, found = run(sys.argv[1:])
    from pointssl.files import write_json  # not before: the tests' checks of shapes hook into the first import

    write_json(ROOT / "results" / "cases.json", {"situations": found})
    sys.exit(code)


if __name__ == "__main__":
    main()
