"""No command asks the network unless it was told to: every connection and every look-up of a name is watched."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointssl.app import cli

_asked: list[tuple[str, Any]] = []
_WATCHING = {"now": False}
_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        _WATCHING["now"] and event in _EVENTS and not isinstance(arguments[-1], str | bytes)
    ):  # pipes between own processes
        _asked.append((event, arguments))


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    sys.addaudithook(_watch)  # for the life of the process; it only looks while a test says so


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few labelled shapes."""
    folder = tmp_path_factory.mktemp("network")
    rng = np.random.default_rng(0)
    for name in ("bed", "lamp"):
        (folder / "shapes" / name).mkdir(parents=True)
        for number in range(12):
            np.savetxt(folder / "shapes" / name / f"{number}.xyz", rng.normal(size=(80, 3)))
    return folder


_SMALL = ["--data.points=32", "--data.batch-size=4", "--steps=2"]
COMMANDS = [
    ["recipes"],
    ["models"],
    ["data", "list"],
    ["data", "show", "shapes"],
    ["data", "check", "shapes", "--points=32"],
    ["data", "pack", "shapes", "store", "--points=64", "--workers=1"],
    ["data", "views", "store", "views", "--views=2", "--size=16", "--workers=1"],
    ["pretrain", "parae-tiny", "--data=store", "--out=run", *_SMALL],
    ["train", "train-tiny", "--data=store", "--out=classifier", *_SMALL],
    ["evaluate", "run", "--data=store", "--protocols", "knn-1", "--seeds=1", "--points=32"],
    ["diagnose", "run", "--data=store", "--points=32"],
    ["compare", "run", "run/encoder", "--data=store", "--protocols", "knn-1", "--seeds=1", "--points=32"],
    ["embed", "run", "--data=store", "--points=32", "--out=features.csv"],
    ["report", "run", "--data=store", "--shapes=1"],
    ["interpret", "classifier", "--data=store", "--clouds=2", "--regions=4", "--points=32", "--out=seen"],
    # What does not exist is an error, and never looked for elsewhere.
    ["evaluate", "runs/a", "--data=store"],
    ["embed", "owner/model", "--data=store", "--out=f.csv"],
    ["report", "runs/secret-project"],
    ["pretrain", "parae-tiny", "--data=store", "--out=other", "--init-from=owner/model", *_SMALL],
]


@pytest.mark.case("no-network-unasked")
def test_commands__ask_no_network(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one, because each works on what the one before has made."""
    monkeypatch.chdir(place)
    left: dict[str, Any] = {}
    _WATCHING["now"] = True
    try:
        for words in COMMANDS:
            try:
                cli.main(words)
            except SystemExit as end:
                left[" ".join(words[:2])] = end.code
    finally:
        _WATCHING["now"] = False
    assert _asked == []
    wanted = {"evaluate runs/a": 2, "embed owner/model": 2, "report runs/secret-project": 2, "pretrain parae-tiny": 2}
    assert left == wanted


def test_watch__sees_what_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setitem(_WATCHING, "now", True)
    with socket.socket() as made:
        made.settimeout(0.01)
        made.connect_ex(("127.0.0.1", 9))
    assert [event for event, _ in _asked] == ["socket.connect"]
    _asked.clear()
