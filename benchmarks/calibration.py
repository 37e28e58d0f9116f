"""How often does a comparison of two equal recipes find a difference, and how large a true one must be to be found?

Simulated test results: a network gets a cloud right where a sum of normal figures is above 0: how hard the cloud is,
what this recipe makes of this cloud, how well this training went (the seed effect), and what this network makes of this
cloud. Both recipes are equally good in the long run; every difference that the library finds is one too many. Then the
same with a true difference: how often it is found, and how much wider the interval is than one over clouds alone.

python benchmarks/calibration.py            # writes results/calibration.json; about five minutes of one core
"""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import Float64
from scipy.stats import norm

from pointssl.files import write_json
from pointssl.ops.evidence import difference_of_runs
from pointssl.ops.stats import LEVEL, Estimate, mean_interval

RESULT = Path(__file__).resolve().parent.parent / "results" / "calibration.json"
TESTS = {328: 0.65, 2468: 0.90}
"""Clouds of a test split, and a usual accuracy on it."""
EFFECTS = (0.0, 0.002, 0.005, 0.009, 0.018)
"""Standard deviation of a recipe's accuracy over seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is simulated."""

    trials: int = 1000
    """Comparisons of every kind; a share of 0.05 is then known to 0.014 (95 %)."""
    runs: Annotated[tuple[int, ...], tyro.conf.UseAppendAction] = (2, 3, 5)
    """Runs of each recipe."""
    gap: float = 0.03
    """The true difference, in accuracy."""
    seed: int = 0
    """Decides all draws."""


def results(
    generator: np.random.Generator, clouds: int, runs: int, *, accuracy: float, effect: float, gap: float = 0.0
) -> tuple[Float64[np.ndarray, "k t"], Float64[np.ndarray, "k t"]]:
    """Return right (1) or wrong (0) of `runs` networks of two recipes, of which the first is better by `gap`.

    Args:
        generator: source of all draws.
        clouds: test clouds.
        runs: networks of each recipe.
        accuracy: long-run accuracy of the second recipe.
        effect: standard deviation of accuracy over trainings, in the long run over clouds.
        gap: long-run accuracy of the first recipe less that of the second.
    """
    recipe, own = 0.25, 0.5  # beside a spread of 1 in how hard clouds are: two networks agree on 82 to 93 % of them
    spread = (1 + recipe**2 + own**2) ** 0.5
    shift = effect * spread / norm.pdf(norm.ppf(accuracy))
    hard = generator.normal(size=clouds)
    found = []
    for share in (accuracy + gap, accuracy):
        margin = hard + generator.normal(scale=recipe, size=clouds) + spread * norm.ppf(share)
        training = generator.normal(scale=shift, size=(runs, 1)) if shift else 0.0
        found.append((margin + training + generator.normal(scale=own, size=(runs, clouds)) > 0).astype(np.float64))
    return found[0], found[1]


def clouds_alone(ours: Float64[np.ndarray, "k t"], theirs: Float64[np.ndarray, "k t"]) -> Estimate:
    """Return the difference with an interval over clouds, as if no other training could have come out otherwise."""
    return mean_interval(ours.mean(axis=0) - theirs.mean(axis=0), over="clouds")


def found_share(options: Options, clouds: int, runs: int, effect: float, gap: float) -> dict[str, Any]:
    """Return how often a difference is found, by the library and over clouds alone, and how wide both intervals are."""
    generator = np.random.default_rng([options.seed, clouds, runs, round(1e4 * effect), round(1e4 * gap)])
    found, alone, ratio = 0, 0, []
    for _ in range(options.trials):
        pair = results(generator, clouds, runs, accuracy=TESTS[clouds], effect=effect, gap=gap)
        whole, part = difference_of_runs(*pair), clouds_alone(*pair)
        found += whole.sign != 0
        alone += part.sign != 0
        ratio.append(_width(whole) / max(_width(part), 1e-12))
    return {
        "clouds": clouds,
        "runs": runs,
        "seed_effect": effect,
        "gap": gap,
        "found": found / options.trials,
        "found_over_clouds_alone": alone / options.trials,
        "times_wider": float(np.median(ratio)),
    }


def main(options: Options) -> None:
    """Simulate everything and write it."""
    rows = []
    for clouds in TESTS:
        for runs in options.runs:
            for effect in EFFECTS:
                for gap in (0.0, options.gap):
                    rows.append(found_share(options, clouds, runs, effect, gap))
                    print({key: round(value, 4) for key, value in rows[-1].items()}, flush=True)
    null = [row["found"] for row in rows if row["gap"] == 0]
    result = {
        "command": " ".join(["python benchmarks/calibration.py", *sys.argv[1:]]),
        "settings": asdict(options) | {"level": LEVEL, "accuracy": {str(n): share for n, share in TESTS.items()}},
        "false_positives": {"least": min(null), "mean": float(np.mean(null)), "most": max(null)},
        "rows": rows,
    }
    write_json(RESULT, result)


def _width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


if __name__ == "__main__":
    main(tyro.cli(Options))
