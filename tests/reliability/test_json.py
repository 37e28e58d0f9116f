"""JSON of the right syntax and the wrong kind, wherever it is read: one line, or made again; never a traceback."""

import json
from pathlib import Path

import numpy as np
import pytest

from pointssl.data.public.h5 import listed_names
from pointssl.data.store.resumable import notes_in, prepare, write_note
from pointssl.errors import DataError, RunError
from pointssl.evaluation import record
from pointssl.interpret import table

JUNK = ["[]", "5", "null", '"x"', "[" * 100_000, "\xff\xfe", "{}", "1" * 5000, '{"name": 5}', ""]


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("junk", JUNK)
def test_notes__of_an_unfinished_store_that_are_none_are_made_again(tmp_path: Path, junk: str) -> None:
    partial, plan = tmp_path / "s.partial", {"seed": 0}
    assert prepare(partial, plan) == set()
    for number in (0, 1):
        (partial / f"shard-{number:05d}").mkdir()
        write_note(partial, number, {"shard": None, "name": ["a"], "failures": [("file", "reason")]})
    assert prepare(partial, plan) == {0, 1}
    assert notes_in(partial)[1]["failures"] == [["file", "reason"]]
    (partial / ".work" / "00001.json").write_bytes(junk.encode("latin-1"))
    assert prepare(partial, plan) == {0}
    assert not (partial / "shard-00001").exists()
    changed = json.loads((partial / ".work" / "00000.json").read_text()) | {"name": ["b"]}
    (partial / ".work" / "00000.json").write_text(json.dumps(changed))
    assert prepare(partial, plan) == set()
    (partial / ".work" / "plan.json").write_bytes(junk.encode("latin-1"))
    assert prepare(partial, plan) == set()
    assert json.loads((partial / ".work" / "plan.json").read_text()) == plan


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("junk", [*JUNK, '{"run": "a", "scores": 5}'])
def test_scores__that_are_none_are_one_line(tmp_path: Path, junk: str) -> None:
    (tmp_path / "a.json").write_bytes(junk.encode("latin-1"))
    with pytest.raises(RunError, match="damaged or of another version") as caught:
        record.load(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("junk", [one for one in JUNK if "\xff" not in one])
def test_tables__whose_settings_are_none_are_one_line(tmp_path: Path, junk: str) -> None:
    np.savez(tmp_path / "t.npz", about=np.array(junk))
    with pytest.raises(RunError, match="measure again"):
        table.load(tmp_path / "t.npz")


@pytest.mark.case("json-kinds")
@pytest.mark.parametrize("junk", [*(one for one in JUNK if one != "[]"), '["a", 5]'])
def test_lists__of_a_public_set_that_are_none_are_one_line(tmp_path: Path, junk: str) -> None:
    (tmp_path / "list.json").write_bytes(junk.encode("latin-1"))
    with pytest.raises(DataError, match="unpack or download"):
        listed_names(tmp_path / "list.json")
