"""Pictures, page and JSON of interactions, from tables of tiny networks."""

import json
import re
from pathlib import Path

import pytest

from pointssl.data.reading import ReadConfig
from pointssl.interpret import InteractConfig, InteractionTable, comparison, interact
from pointssl.show.interactions import figures, page
from tests.interpret import networks


@pytest.fixture(scope="module")
def tables() -> list[InteractionTable]:
    made = {name: networks.EncoderAndHead(seed=seed) for seed, name in enumerate(("scratch", "pre & trained"))}
    settings = InteractConfig(clouds=5, regions=5, reading=ReadConfig(points=40), device="cpu")
    return list(interact(made, networks.clouds(), settings).values())


def test_study__of_two_networks(tables: list[InteractionTable]) -> None:
    found = comparison.compare_networks(tables)
    assert [one.network for one in found.profiles] == ["scratch", "pre & trained"]
    [difference] = found.differences
    expected = found.profiles[1].high.mean - found.profiles[0].high.mean
    assert difference.high.mean == pytest.approx(expected)
    for singles, orders in ((found.low, found.profiles[0].low_orders), (found.high, found.profiles[0].high_orders)):
        gaps = [abs(abs(one.interaction[0]) - abs(one.interaction[1])) for one in singles]
        assert gaps == sorted(gaps, reverse=True)
        assert all(orders[0] <= one.order <= orders[1] for one in singles)


def test_views__colour_exactly_the_regions_that_act(tables: list[InteractionTable]) -> None:
    found = comparison.compare_networks(tables)
    for one, view in zip(found.high, figures.views(tables, found.high, "nats"), strict=True):
        assert view.marks is not None
        acting = {int(region) for region in tables[0].region[one.cloud][view.marks.group > 0]}
        assert acting == set(one.regions)
        assert len(view.marks.colours) == one.order + 1
        assert view.name.startswith(f"order {one.order}: class")
        assert "scratch" in view.marks.text


def test_write__page_and_json_say_the_same(tables: list[InteractionTable], tmp_path: Path) -> None:
    found = comparison.compare_networks(tables)
    comparison.save(found, tmp_path / "interactions.json")
    html = page.write(found, tmp_path).read_text(encoding="utf-8")
    kept = json.loads((tmp_path / "interactions.json").read_text(encoding="utf-8"))
    high = kept["profiles"][0]["high"]["mean"]
    assert high == pytest.approx(found.profiles[0].high.mean)
    assert f"{high:.3f}" in html
    assert "pre &amp; trained − scratch" in html
    assert not re.search(r'(?:src|href)="https?:', html)
    assert kept["settings"]["regions"] == 5


def test_page__of_one_network_compares_nothing(tables: list[InteractionTable]) -> None:
    html = page.html(comparison.compare_networks(tables[:1]))
    assert "Differences by order" not in html
    assert "are largest" in html
