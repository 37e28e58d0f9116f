"""Which clouds an evaluation learns from and which it is scored on: the same division as in training."""

from pointssl.data.division import (
    TEST_SHARE,
    Splits,
    Subset,
    check,
    class_name,
    hold_out,
    open_splits,
    required_labels,
)

__all__ = ["TEST_SHARE", "Splits", "Subset", "check", "class_name", "hold_out", "open_splits", "required_labels"]
