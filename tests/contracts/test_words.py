"""The field's words stay: a private word that once stood for one of them does not come back.

Names, help texts, messages and pages are read; this file alone may spell what it forbids.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [
        *(path for folder in ("src", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    ]
)
RETIRED = {
    r"\bown_kind\b": "intra_modal_negatives",
    r"\bstart_from\b": "init_from",
    r"\bwatch_every\b": "monitor_every",
    r"\bwrite_when\b": "keep_checkpoints_at",
    r"untrained twin|\btwin\b(?! as)": "random-init baseline",
    r"\bcircumstances\b": "provenance",
    r"\bdivision\.py\b": "splits",
    r"few_labels": "label fraction",
    r"gone on with|taken up again|goes on as it began": "resumed",
    r"leaves with (exit code )?\d|leaves with exit": "exits with code",
    r"whole or not at all|whole or absent": "atomically",
    r"turnable": "interactive",
    r"\bread_scores\b": "Run.scores",
    r"\bBench\b": "EvaluationContext",
    r"\bEffort\b": "SamplingBudget",
    r"opens from the disk": "opens offline",
    r"How often every cloud is seen": "training epochs",
    r"Pull of the weights": "weight decay",
    r"Memories of the": "Adam betas",
    r"How the weights follow": "optimiser",
    r"What cosines are divided by": "softmax temperature",
    r"Course of the learning rate": "learning-rate schedule",
    r"Sureness": "assignment confidence",
    r"\b(ONE_PLACE|MIXED_UNITS|ABSURD_SCALE)\b": "ZERO_EXTENT, SCALE_OUTLIER, EXTREME_SCALE",
    r"\bcopy_head\b|\bbound_copies\b": "cloud head, augmented views",
}


@pytest.mark.parametrize("retired", RETIRED)
def test_words__of_the_field(retired: str) -> None:
    pattern = re.compile(retired)
    found = []
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if hit := pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {hit[0]}")
    assert found == [], f"say: {RETIRED[retired]}"
