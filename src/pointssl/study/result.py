"""What a study found: its claims with their verdicts, and every figure that they rest on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointssl import files
from pointssl.ops.evidence import Claim, Verdict, together
from pointssl.ops.stats import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The networks of one arm, with one amount of labels or of pre-training."""

    name: str
    level: float | None
    """Part of the labels or of pre-training that tells groups of one line apart; None where there is one alone."""
    runs: tuple[str, ...]
    accuracy: Estimate
    """On all test clouds."""
    low: Estimate
    high: Estimate
    curve: tuple[Estimate, ...]
    """Strength of the orders 1 to n."""
    effect: float
    """Mean |v(all) - v(nothing)| over clouds and seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One arm less another, paired by seed and cloud."""

    name: str
    less: str
    level: float | None
    accuracy: Estimate
    low: Estimate
    high: Estimate
    curve: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Frozen features of two arms, and what a simple classifier makes of them elsewhere."""

    protocol: str
    probe: str
    name: str
    less: str
    accuracy: float
    accuracy_less: float
    difference: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How often a salient interaction of a network is salient in another one trained for the same task."""

    name: str
    orders: tuple[int, int]
    share: float
    chance: float
    """Share of all interactions of these orders that are salient in the other network."""
    beyond: Estimate
    """(share - chance) / (1 - chance)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study; `verdict` follows from its claims alone."""

    name: str
    conclusion: str
    """What the study asks about, in one sentence."""
    data: str
    clouds: int
    """Clouds whose interactions were measured."""
    test_clouds: int
    seeds: tuple[int, ...]
    level: str
    """What `level` counts; empty where groups have none."""
    low_orders: tuple[int, int]
    high_orders: tuple[int, int]
    display: str
    claims: tuple[Claim, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    notes: tuple[str, ...] = ()
    """What limits the findings, in sentences."""
    settings: dict[str, Any]

    @property
    def verdict(self) -> Verdict:
        """Supported if every claim is, not supported if any is not, else undecided."""
        return together([one.verdict for one in self.claims])


def save(study: Study, path: Path) -> None:
    """Write a study as JSON, atomically."""
    files.write_json(path, {"study": study.name, "verdict": study.verdict} | asdict(study))
