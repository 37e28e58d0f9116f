"""How much quicker is the linear probe on inner products than on features, and is it the same machine?

Made-up features of the size of a small benchmark: 2,000 training clouds of 69 classes, 1,024 features that depend on 32
hidden numbers, as pooled features do. The probe with C by cross-validation is 9 x 5 + 1 fits; the plain way is timed on
one fold for `--sample` values of C and scaled up.
Run: python benchmarks/probe.py [--clouds 2000] [--classes 69] [--features 1024]
"""

import argparse
import time

import numpy as np
from sklearn.svm import SVC

from pointssl.evaluation import probe


def main() -> None:
    """Time both, compare their predictions, print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clouds", 2000), ("classes", 69), ("features", 1024), ("sample", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    labels = np.sort(generator.integers(given.classes, size=given.clouds))
    hidden = generator.normal(size=(given.classes, 32))[labels] + generator.normal(size=(given.clouds, 32))
    rows = np.maximum(hidden @ generator.normal(size=(32, given.features)) / 32**0.5, 0).astype(np.float32)

    start = time.perf_counter()
    fitted = probe.fit_predict(rows, labels, rows[:400], probe.SVMConfig())
    by_products = time.perf_counter() - start
    print(f"inner products: {by_products:.1f} s for 46 fits, C = {fitted.c:g}")

    folds = probe.deal(labels, 5, np.random.default_rng(0))
    kept, left_out = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    space = probe._Space(rows, probe.SVMConfig())
    pairs = probe.GRID[: given.sample]
    same, start = 0, time.perf_counter()
    plain = [SVC(kernel="linear", C=c).fit(rows[kept], labels[kept]).predict(rows[left_out]) for c in pairs]
    by_features = (time.perf_counter() - start) / len(pairs) * 46
    for mine, other in zip(space.predictions(labels[kept], space.within(kept, left_out), pairs), plain, strict=True):
        same += int((mine == other).sum())
    total = len(pairs) * len(left_out)
    print(f"features: {by_features:.1f} s for 46 fits, from {len(pairs)}; equal predictions {same}/{total}")
    print(f"gain: {by_features / by_products:.1f}x")


if __name__ == "__main__":
    main()
