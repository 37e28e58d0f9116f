"""What is found for a query: its own file first, a turned copy with turns, nothing of itself by name."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.errors import SettingError
from pointssl.search.encoder import rotations
from pointssl.search.index import Index, build_index
from pointssl.search.query import search
from tests.search.worlds import write_folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return build_index(write_folder(tmp_path_factory.mktemp("query") / "shapes"), points=512)


def test_search__a_file_of_the_folder_finds_itself_then_its_copy(index: Index) -> None:
    hits = search(index, Path(index.source) / "shape_04.npy", 3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].name == "shape_04"
    assert hits[0].distance < 0.01  # other points of the same file
    assert hits[1].name == "again_04"
    assert hits[1].distance < hits[2].distance


def test_search__a_name_is_not_its_own_neighbour(index: Index) -> None:
    hits = search(index, "again_07", 4)
    assert hits[0].name == "shape_07"
    assert "again_07" not in [hit.name for hit in hits]
    assert len(hits) == 4
    assert len(search(index, "again_07", 100)) == len(index) - 1


def test_search__a_turned_query_is_found_with_turns(index: Index) -> None:
    cloud = np.load(Path(index.source) / "shape_04.npy")
    turned = cloud @ rotations(24, "y")[13].T
    [best] = search(index, turned, 1, turns=24)
    assert best.name in ("shape_04", "again_04")
    assert best.turn > 0
    [as_it_is] = search(index, turned, 1)
    assert best.distance < as_it_is.distance


def test_search__what_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no file 'shape_4', and no shape of that name in the index"):
        search(index, "shape_4")
    with pytest.raises(SettingError, match=r"holds \d+ shapes; ask for one of them at a time"):
        search(index, index.source)
    with pytest.raises(SettingError, match="k must be at least 1"):
        search(index, "shape_04", 0)
