"""The explorer's page: what it carries, what it keeps to itself, and how large it may be."""

import base64
import gzip
import json
import re
from http.client import HTTPConnection
from threading import Thread
from typing import Any

import numpy as np
import pytest

from pointssl.errors import SettingError
from pointssl.show.explore import server
from pointssl.show.explore.page import MOST_BYTES, POINTS, explore_page, payload, points_that_fit
from tests.show.explore.worlds import planted


def test_payload__arrays_come_back() -> None:
    atlas = planted()
    told = json.loads(payload(atlas))
    block = gzip.decompress(base64.b64decode(told["block"]))

    def array(place: dict[str, Any], kind: str) -> np.ndarray:
        count = int(np.prod(np.array(place["shape"])))
        return np.frombuffer(block, kind, count, place["offset"]).reshape(place["shape"])

    np.testing.assert_array_equal(array(told["points"], "i1"), atlas.points.reshape(-1))
    np.testing.assert_array_equal(array(told["views"][0]["near"], "<u4"), atlas.views[0].places)
    np.testing.assert_allclose(array(told["views"][0]["far"], "<f4"), atlas.views[0].distances, atol=1e-6)
    assert told["copies"] == [[0, 1]]


def test_page__says_nothing_of_folders_and_runs_no_name() -> None:
    evil = '</script><img src=x onerror="alert(1)">'
    page = explore_page(planted(evil=evil))
    assert "somebody" not in page
    assert "</script><img" not in page
    assert "connect-src" not in page
    assert len(re.findall("<script", page)) == 2


def test_points_that_fit__fewer_for_more_shapes_until_there_are_too_many() -> None:
    assert points_that_fit(1000) == POINTS[1]
    assert POINTS[0] <= points_that_fit(30_000) < POINTS[1]
    with pytest.raises(SettingError, match=r"100,000 shapes are too many for one page of 25 MB; draw [\d,]+ of them"):
        points_that_fit(100_000)


def test_page__a_large_one_stays_within_its_bound() -> None:
    count = 3000
    page = explore_page(planted(count, points=points_that_fit(count)))
    assert len(page.encode()) < MOST_BYTES


def test_server__sends_the_page_and_points_and_nothing_else() -> None:
    atlas = planted(300)
    with server.make_server(atlas) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        port = made.server_address[1]
        assert made.server_address[0] == "127.0.0.1"

        def ask(path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
            link = HTTPConnection("127.0.0.1", int(port), timeout=10)
            link.request("GET", path, headers={"Host": f"{host}:{port}"})
            answer = link.getresponse()
            return answer.status, answer.read()

        status, page = ask("/")
        assert status == 200
        assert b"connect-src 'self'" in page
        assert ask("/points/0") == (200, atlas.points[:256].tobytes())
        assert ask("/points/1") == (200, atlas.points[256:].tobytes())
        for path in ("/points/2", "/points/-1", "/points/x", "/../etc/passwd", "/points/1/../0"):
            assert ask(path)[0] == 404
        assert ask("/", host="elsewhere.example")[0] == 403
        made.shutdown()
