"""A sample of the crashes and of the damaged files, small enough for every change; `make crash` and `make fuzz` do all.

Both fork a process that has imported everything, so each runs in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reliability.crash import differences, tree_of
from tests.reliability.fuzz import changed_json, damaged

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork")


def _result(tmp_path: Path, module: str, *words: str) -> dict[str, Any]:
    out = tmp_path / "result.json"
    subprocess.run(
        [sys.executable, "-m", f"tests.reliability.{module}", *words, "--out", str(out)], cwd=ROOT, check=True
    )
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_crash__a_killed_packing_and_a_killed_run_end_as_if_nothing_had_been(tmp_path: Path) -> None:
    words = ("--only", "pack,pretrain", "--states", "5", "--killed", "2")
    commands = _result(tmp_path, "crash", *words)["commands"]
    assert {name: one["bad"] for name, one in commands.items()} == {"pack": [], "pretrain": []}
    assert all(one["states_tried"] == 5 and one["kills"] == 2 for one in commands.values())


def test_fuzz__damage_is_read_or_refused(tmp_path: Path) -> None:
    kinds = _result(tmp_path, "fuzz", "--each", "8", "--only", "ply,las,npz,manifest,views")["kinds"]
    seen = {outcome for one in kinds.values() for outcome in one["outcomes"]}
    assert len(kinds) >= 7
    assert not seen & {"traceback", "hang", "memory", "died"}


def test_crash__what_is_missing_left_over_or_changed_is_told() -> None:
    whole = {"a": b"1", "r.json": b'{"at": 1, "x": 5}'}
    other = {"a": b"1", "r.json": b'{"at": 2, "x": 5}'}
    assert differences({"a": b"1", "r.json": b'{"at": 3, "x": 5}'}, whole, other) == []
    assert differences({"r.json": b'{"at": 3, "x": 6}', "b": b""}, whole, other) == [
        "a is missing",
        "b is left over",
        "r.json differs in /x",
    ]
    assert differences(whole | {"a": b"2"}, whole, other) == ["a differs"]
    slow = {"r.json": b'{"at": 3, "seconds": 9}'}
    assert differences(slow, {"r.json": b'{"at": 1, "seconds": 5}'}, {"r.json": b'{"at": 2, "seconds": 5}'}) == []


def test_crash__temporary_names_are_one(tmp_path: Path) -> None:
    (tmp_path / ".0123abcd.partial").mkdir()
    (tmp_path / ".0123abcd.partial" / "lock").write_bytes(b"x")
    assert tree_of(tmp_path) == {".X.partial/": b"", ".X.partial/lock": b"x"}


def test_fuzz__damage_is_a_function_of_the_seed() -> None:
    content = json.dumps({"a": [1, 2.5], "b": "c"}).encode()
    one, two, three = (changed_json(content, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == two
    assert one != three
    changed = [damaged(content, np.random.default_rng(seed)) != content for seed in range(50)]
    assert sum(changed) >= 40
