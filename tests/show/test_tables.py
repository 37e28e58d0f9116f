"""Every figure stands in its own column, in its own unit: planted numbers, none of them twice, read from the page."""

from dataclasses import replace
from itertools import count

import pytest

from pointssl.interpret.profiles import Difference, Profile
from pointssl.ops.evidence import Claim, HypothesisTest
from pointssl.ops.stats import Estimate
from pointssl.show.interactions import figures, study_figures
from pointssl.show.run import scores
from pointssl.study import result
from pointssl.study.result import Group, Overlap, Study, Transfer
from tests.show.tables import lines_of, read

_next = count(1)


def figure() -> Estimate:
    """Return a figure that no other has: 0.101, 0.102, ... in an interval of 0.02."""
    mean = 0.1 + next(_next) / 1000
    return Estimate(mean=mean, low=mean - 0.01, high=mean + 0.01, per_seed=(mean - 0.005, mean + 0.005))


def value(estimate: Estimate, signed: bool = False) -> str:
    """Return what a strength looks like on the page."""
    assert estimate.low is not None
    assert estimate.high is not None
    plus = "+" if signed else ""
    return f"{estimate.mean:{plus}.3f}|{estimate.low:{plus}.3f} to {estimate.high:{plus}.3f}"


def share(estimate: Estimate) -> str:
    """Return what an accuracy looks like on the page."""
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.mean:.1f} %|{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def points(estimate: Estimate) -> str:
    """Return what a difference of accuracies looks like on the page."""
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.mean:+.1f}|{100 * estimate.low:+.1f} to {100 * estimate.high:+.1f}"


def profile(name: str) -> Profile:
    displays = {
        key: tuple(figure() for _ in range(3))
        for key in ("share_of_effect", "share_of_mean", "positive", "negative", "salient")
    }
    return Profile(
        network=name, clouds=9, regions=3, accuracy=figure(), effect=figure().mean,
        low_orders=(1, 1), high_orders=(3, 3), low=figure(), high=figure(), **displays,
    )  # fmt: skip


def test_summary_table__each_figure_in_its_column() -> None:
    one, two = profile("a"), profile("b")
    for row, found in zip(read(figures.summary_table([one, two])), (one, two), strict=True):
        assert row == {
            "Network": found.network,
            "Accuracy": share(found.accuracy),
            "Low orders": value(found.low),
            "High orders": value(found.high),
            "Effect": f"{found.effect:.2f}",
        }


def difference() -> Difference:
    curves = {key: tuple(figure() for _ in range(3)) for key in ("share_of_effect", "share_of_mean")}
    return Difference(network="b", less="a", low=figure(), high=figure(), accuracy=figure(), **curves)


def test_difference_table__each_figure_in_its_column() -> None:
    found = difference()
    assert read(figures.difference_table([found])) == [
        {
            "Difference": "b − a",
            "Accuracy": points(found.accuracy),
            "Low orders": value(found.low, signed=True),
            "High orders": value(found.high, signed=True),
        }
    ]


def test_strength_picture__each_display_in_its_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = profile("a")
    effect, mean, signs, counts = lines_of(lambda: figures.strength_picture([found], "nats"), monkeypatch)
    assert effect["a"] == [one.mean for one in found.share_of_effect]
    assert mean["a"] == [one.mean for one in found.share_of_mean]
    assert signs["a"] == [one.mean for one in found.positive]
    assert [one.mean for one in found.negative] in signs.values()
    assert counts["a"] == [one.mean for one in found.salient]


def test_difference_picture__each_display_in_its_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = difference()
    effect, mean = lines_of(lambda: figures.difference_picture([found]), monkeypatch)
    assert effect["b − a"] == [one.mean for one in found.share_of_effect]
    assert mean["b − a"] == [one.mean for one in found.share_of_mean]


def study() -> Study:
    groups = tuple(
        Group(
            name=name, level=level, runs=(), accuracy=figure(), low=figure(), high=figure(),
            curve=tuple(figure() for _ in range(3)), effect=figure().mean,
        )
        for name in ("scratch", "trained") for level in (0.1, 1.0)
    )  # fmt: skip
    differences = tuple(
        result.Difference(
            name="trained", less="scratch", level=level, accuracy=figure(), low=figure(), high=figure(),
            curve=tuple(figure() for _ in range(3)),
        )
        for level in (0.1, 1.0)
    )  # fmt: skip
    tested = HypothesisTest(what="high orders", claimed=1, estimate=figure(), p_holm=0.0123)
    return Study(
        name="extent", conclusion="", data="", clouds=5, test_clouds=9, seeds=(0, 1), level="labels",
        low_orders=(1, 1), high_orders=(3, 3), display="share_of_effect", groups=groups, differences=differences,
        claims=(Claim(text="more", tests=(tested,), verdict="undecided"),), settings={},
        transfers=(Transfer(protocol="A", probe="svm", name="trained", less="scratch", accuracy=figure().mean,
                            accuracy_less=figure().mean, difference=figure()),),
        overlaps=(Overlap(name="trained", orders=(1, 2), share=figure().mean, chance=figure().mean,
                                beyond=figure()),),
    )  # fmt: skip


def test_groups_table__each_figure_in_its_column() -> None:
    found = study()
    for row, one in zip(read(study_figures.groups_table(found)), found.groups, strict=True):
        assert row == {
            "Networks": one.name,
            "Level": f"{100 * (one.level or 0):.0f} %",
            "Accuracy": share(one.accuracy),
            "Low orders": value(one.low),
            "High orders": value(one.high),
            "Effect": f"{one.effect:.2f}",
        }


def test_differences_table__each_figure_in_its_column() -> None:
    found = study()
    for row, one in zip(read(study_figures.differences_table(found)), found.differences, strict=True):
        assert row == {
            "Difference": "trained − scratch",
            "Level": f"{100 * (one.level or 0):.0f} %",
            "Accuracy, points": points(one.accuracy),
            "Low orders": value(one.low, signed=True),
            "High orders": value(one.high, signed=True),
        }


def test_claims_table__figure_p_and_verdict() -> None:
    found = study()
    [tested] = found.claims[0].tests
    claim, row = read(study_figures.claims_table(found))
    assert (claim["Claim"], claim["Verdict"]) == ("more", found.claims[0].verdict)
    assert row == {
        "Claim": "|high orders; claimed above 0",
        "Figure": value(tested.estimate, signed=True),
        "p": "0.012",
        "Verdict": "",
    }


def test_transfers_table__each_figure_in_its_column() -> None:
    found = study()
    [row], [one] = read(study_figures.transfers_table(found)), found.transfers
    assert list(row.values()) == [
        "A",
        "svm",
        "trained",
        f"{100 * one.accuracy:.1f}",
        f"{100 * one.accuracy_less:.1f}",
        points(one.difference),
    ]


def test_overlaps_table__each_figure_in_its_column() -> None:
    found = study()
    [row], [one] = read(study_figures.overlaps_table(found)), found.overlaps
    assert list(row.values()) == [
        "trained",
        "1–2",
        f"{100 * one.share:.1f}",
        f"{100 * one.chance:.1f}",
        value(one.beyond),
    ]


def test_levels_picture__accuracy_in_percent_low_and_high_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found = study()
    accuracy, low, high = lines_of(lambda: study_figures.levels_picture(found), monkeypatch)
    members = [one for one in found.groups if one.name == "trained"]
    assert accuracy["trained"] == pytest.approx([100 * one.accuracy.mean for one in members])
    assert low["trained"] == [one.low.mean for one in members]
    assert high["trained"] == [one.high.mean for one in members]


def test_curves_pictures__strength_and_what_is_left_without_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    found = study()
    axes = lines_of(lambda: study_figures.curves_pictures(found), monkeypatch)
    strength, gaps = axes[-2:]  # the last picture is that of the trained networks
    assert strength["100 %"] == [one.mean for one in found.groups[3].curve]
    assert [one.mean for one in found.differences[1].curve] in gaps.values()


def test_scores_table__each_figure_in_its_column() -> None:
    gain = replace(figure(), p=0.0347)
    one = scores.Comparison(
        protocol="svm", task="Linear SVM", data="toys", trained=figure(), untrained=figure(), difference=gain
    )
    assert one.untrained is not None
    assert read(scores.scores_table([one])) == [
        {
            "Task": "Linear SVM|toys",
            "Pre-trained": share(one.trained),
            "Untrained": share(one.untrained),
            "Difference": points(gain),
            "p": "0.035",
        }
    ]
