"""The picture of the bounds: which were logged, in which order, and how they end."""

import math

from pointssl.show.run.information import information_picture, label, last_values, tracked


def lines(**ends: float) -> list[dict[str, float]]:
    """Return forty logged steps in which every bound rises in a straight line to its end."""
    return [
        {"step": step, "loss": 1.0} | {name: end * step / 40 for name, end in ends.items()} for step in range(1, 41)
    ]


def test_tracked__copies_views_levels_in_order() -> None:
    found = tracked(lines(bound_view_10=1.0, bound_view_2=1.0, bound_level_1=1.0, bound_intra=1.0))
    assert found == ["bound_intra", "bound_view_2", "bound_view_10", "bound_level_1"]
    assert [label(name) for name in found] == ["two copies", "view 2", "view 10", "level 1"]


def test_tracked__once_is_no_curve() -> None:
    assert tracked([{"step": 1, "bound_view_1": 0.5}, {"step": 2, "bound_view_1": None}]) == []


def test_last_values__mean_of_the_last_twentieth() -> None:
    # Of 40 steps the last two: (39 + 40) / 2 / 40 of the end.
    [(name, value)] = last_values(lines(bound_view_1=2.0))
    assert name == "view 1"
    assert math.isclose(value, 2.0 * 39.5 / 40)


def test_picture__drawn_where_there_is_something() -> None:
    assert information_picture(lines(), 32) is None
    picture = information_picture(lines(bound_intra=2.0, bound_view_1=1.0, bound_level_2=0.5), 32)
    assert picture is not None
    assert picture.name == "information"
    assert "view 1" in picture.alt
