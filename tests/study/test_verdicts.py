"""Planted figures with a known verdict: every claim of every study, with its sign."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.ops.evidence import Verdict
from pointssl.ops.games.dividends import order
from pointssl.study import pretraining, scaling, transfer
from pointssl.study.figures import Figures
from pointssl.study.networks import Job, Network, Networks
from pointssl.study.plan import SCRATCH, Members, Plan
from pointssl.study.pretrained import RunGroup
from pointssl.study.result import Study
from tests.study.test_studies import DATA, config

SEEDS = (0, 1, 2)
DRAWS = 60
ORDERS = order(5).numpy()


@pytest.fixture(scope="module")
def networks() -> Networks:
    """Settings and data of a study; nothing is trained."""
    return Networks(DATA, config(seeds=SEEDS), Path("never written"))


def network(
    seed: int, *, high: float = 0.5, low: float = 0.5, accuracy: float = 0.5, salient: np.ndarray | None = None
) -> Network:
    """A network with these figures, up to what seeds and clouds do, which is small."""
    seeds, clouds = np.random.default_rng(seed), np.random.default_rng(99)

    def rows(value: float) -> np.ndarray:
        noise = np.concatenate([[0.0], clouds.normal(scale=0.002, size=DRAWS)])
        return value + 0.002 * seeds.normal() + noise

    return Network(
        job=Job(group="", seed=seed),
        run=Path(f"run-{seed}"),
        figures=Figures(
            curve=np.stack([rows(1.0)] * 5, axis=1), low=rows(low), high=rows(high), accuracy=rows(accuracy), effect=1.0
        ),
        salient=np.zeros((6, 32), dtype=bool) if salient is None else salient,
    )


def arm(high: float, low: float, accuracy: float) -> list[Network]:
    return [network(seed, high=high, low=low, accuracy=accuracy) for seed in SEEDS]


def verdicts(found: Study) -> list[Verdict]:
    return [claim.verdict for claim in found.claims]


UP, DOWN, SAME = (0.6, 0.4, 0.6), (0.4, 0.6, 0.4), (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("arms", "each", "whole"),
    [
        ((UP,), ["supported"] * 2, "supported"),
        ((UP, (0.65, 0.35, 0.7)), ["supported"] * 3, "supported"),  # two arms and scratch decide (three ways to begin)
        ((DOWN,), ["not supported", "supported"], "not supported"),  # its high orders and its accuracy both fall
        (((0.6, 0.4, 0.4),), ["supported", "not supported"], "not supported"),  # high orders up, accuracy down
        (((0.4, 0.6, 0.6),), ["not supported", "not supported"], "not supported"),
        (((0.6, 0.6, 0.6),), ["not supported", "supported"], "not supported"),  # low orders up as well
        ((SAME,), ["undecided"] * 2, "undecided"),
        (((0.5, 0.4, 0.6),), ["undecided"] * 2, "undecided"),  # accuracy says nothing where the high orders do not move
        ((UP, SAME), ["supported", "undecided", "undecided"], "undecided"),
    ],
)
def test_pretraining__by_signs(
    networks: Networks, arms: tuple[tuple[float, float, float], ...], each: list[Verdict], whole: Verdict
) -> None:
    members = {SCRATCH: arm(*SAME)} | {f"arm{k}": arm(*one) for k, one in enumerate(arms)}
    found = pretraining.found(networks, members, ())
    assert verdicts(found) == each
    assert found.verdict == whole
    assert "ways to begin" in found.notes[-1]
    for one, (high, low, accuracy) in zip(found.differences, arms, strict=True):
        means = (one.high.mean, one.low.mean, one.accuracy.mean)
        assert means == pytest.approx((high - 0.5, low - 0.5, accuracy - 0.5), abs=0.01)


@pytest.mark.parametrize(("way", "verdict"), [(1, "supported"), (-1, "not supported")])
def test_pretraining__five_ways_are_ranked(networks: Networks, way: int, verdict: Verdict) -> None:
    members = {SCRATCH: arm(*SAME)}
    members |= {f"arm{k}": arm(0.5 + 0.05 * k, 0.5 - 0.05 * k, 0.5 + way * 0.05 * k) for k in range(1, 5)}
    found = pretraining.found(networks, members, ())
    assert verdicts(found) == ["supported"] * 4 + [verdict]
    assert found.claims[-1].tests[0].estimate.mean == pytest.approx(way)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [(1, -1, "supported"), (1, 1, "not supported"), (-1, -1, "not supported"), (1, 0, "undecided")],
)
def test_scaling__high_up_and_low_down(networks: Networks, high: int, low: int, verdict: Verdict) -> None:
    line: Members = {
        ("arm", level): arm(0.5 + 0.1 * high * level, 0.5 + 0.1 * low * level, 0.5)
        for level in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    }
    found = scaling.found(Plan(networks=networks, kinds=(), jobs=()), line)
    assert verdicts(found) == [verdict]


def right(share: float) -> np.ndarray:
    """A test of 200 clouds with this share right, the first ones."""
    return (np.arange(200) < 200 * share).astype(np.float64)


def recurring(low: float, high: float) -> list[np.ndarray]:
    """Salient interactions of three networks: of low orders this part in all of them, of high orders that part."""
    generator, made = np.random.default_rng(0), []
    part = np.where(ORDERS == 1, low, np.where(ORDERS == 5, high, 0.0))
    alike = np.zeros((6, 32), dtype=bool)
    alike[:, part == 1] = True
    for _ in SEEDS:
        own = generator.random((6, 32)) < 0.5
        made.append(np.where((part == 1) | (part == 0), alike, own))
    return made


def carried(
    networks: Networks, *, gap: int = -1, excess: int = 1, away: float = -0.1, salient: list[np.ndarray] | None = None
) -> Study:
    """A study whose arm has these signs: accuracy gap and high-order excess by labels, and accuracy elsewhere."""
    arms: Members = {}
    marks: list[np.ndarray | None] = list(salient) if salient else [None] * 3
    for level in (0.1, 0.3, 1.0):
        for name, sign in ((SCRATCH, 0), ("arm", 1)):
            arms[name, level] = [
                network(
                    seed,
                    high=0.5 + 0.1 * sign * excess * level,
                    accuracy=0.5 + 0.2 * level + sign * (0.1 + 0.1 * gap * level),
                    salient=marks[seed],
                )
                for seed in SEEDS
            ]
    elsewhere = {
        ("B: other", "linear SVM"): {SCRATCH: [right(0.6)] * 3, "arm": [right(0.6 + away)] * 3},
        ("B: other", "1-NN"): {SCRATCH: [right(0.5)] * 3, "arm": [right(0.9)] * 3},  # shown, decides nothing
    }
    plan = Plan(networks=networks, kinds=(RunGroup("arm", (Path("run"),) * 3),), jobs=())
    return transfer.found(plan, arms, elsewhere)


def test_transfer__as_claimed(networks: Networks) -> None:
    found = carried(networks)
    assert verdicts(found)[:3] == ["supported"] * 3
    svm, nearest = found.transfers
    assert (svm.accuracy, svm.accuracy_less) == pytest.approx((0.5, 0.6))
    assert svm.difference.mean == pytest.approx(-0.1)
    assert nearest.difference.mean == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("changed", "claim"), [({"gap": 1}, 0), ({"excess": -1}, 1), ({"away": 0.1}, 2)], ids=["gap", "excess", "elsewhere"]
)
def test_transfer__one_sign_the_other_way(networks: Networks, changed: dict[str, float], claim: int) -> None:
    found = verdicts(carried(networks, **changed))[:3]  # type: ignore[arg-type]
    assert found == ["not supported" if place == claim else "supported" for place in range(3)]


def test_overlap__high_orders_that_recur_less(networks: Networks) -> None:
    """Low orders are the same in all networks, high ones are marked at random by half."""
    salient = recurring(low=1.0, high=0.5)
    for one in salient:
        one[:, np.flatnonzero(ORDERS == 1)[:2]] = False  # not all are salient, so that chance leaves room
    found = carried(networks, salient=salient)
    assert verdicts(found)[3] == "supported"


def test_overlap__chance_is_taken_off(networks: Networks) -> None:
    """High orders recur in every network, because all of them are salient: beyond chance that is nothing."""
    salient = [np.zeros((6, 32), dtype=bool) for _ in SEEDS]
    for one in salient:
        one[:, ORDERS == 5] = True
        one[:, np.flatnonzero(ORDERS == 1)[:2]] = True  # two of five low orders, the same in every network
    found = carried(networks, salient=salient)
    by_orders = {(one.name, one.orders): one for one in found.overlaps}
    high, low = by_orders["arm", (5, 5)], by_orders["arm", (1, 1)]
    assert (high.share, high.chance, low.share, low.chance) == pytest.approx((1.0, 1.0, 1.0, 0.4))
    assert (high.beyond.mean, low.beyond.mean) == pytest.approx((0.0, 1.0))
    assert verdicts(found)[3] == "supported"
