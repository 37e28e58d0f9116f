"""Few labels: the same random subsets of the training clouds for every encoder."""

from pointssl.data.few_labels import subset

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
SUBSETS = 5


def subset_seeds(fraction: float, subsets: int = SUBSETS) -> range:
    """Return the seeds of the subsets; all of the labels is one subset, however often it is drawn."""
    return range(1 if fraction == 1 else subsets)


__all__ = ["FRACTIONS", "SUBSETS", "subset", "subset_seeds"]
