"""How numbers are printed: values worked out by hand, and the borders at which a form changes."""

import os

import pytest

from pointssl.formatting import interval, number, p_value, percent, points, visible


def test_number__minus_is_as_wide_as_a_plus() -> None:
    assert [number(-1.5), number(1.5), number(1.5, signed=True), number(-0.25, 1)] == ["−1.50", "1.50", "+1.50", "−0.2"]


def test_share__in_percent_and_in_points() -> None:
    assert [percent(0.655), percent(0.655, 1), percent(-0.02)] == ["66 %", "65.5 %", "−2 %"]
    assert [points(0.655), points(0.021, signed=True), points(-0.021, signed=True)] == ["65.5", "+2.1", "−2.1"]


def test_interval__nothing_where_there_is_none() -> None:
    assert interval(-0.5, 1.25) == "−0.50 to 1.25"
    assert interval(0.5, 1.25, 1, signed=True) == "+0.5 to +1.2"
    assert interval(None, 1.0) == interval(0.0, None) == ""


@pytest.mark.parametrize(
    ("p", "shown"),
    [(None, ""), (0.0009, "< 0.001"), (0.001, "0.001"), (0.0052, "0.005"), (0.05, "0.050"), (1.0, "1.000")],
)
def test_p_value__as_many_digits_as_it_deserves(p: float | None, shown: str) -> None:
    assert p_value(p) == shown


def test_visible__steers_no_terminal_and_keeps_what_can_be_shown() -> None:
    name = os.fsdecode(b"st\xc3\xbchle m\xe9l")
    assert visible(name) == "stühle m\\xe9l"
    assert visible("a\x1b[31m\u202eb\n\ud800") == "a\\x1b[31m\\u202eb\n\\ud800"
