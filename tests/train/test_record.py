"""The metrics file across kills and resumes, and what a run says of its provenance."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch

from pointssl.runs.record import Metrics, commit, provenance, read_metrics, truncate
from tests.doubles import ToyClouds


def test_metrics__every_line_is_on_the_disk_at_once(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.write(1, {"loss": 0.5})
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 0.5}]
    metrics.write(2, {"loss": math.nan, "lr": math.inf})
    assert read_metrics(tmp_path)[1] == {"step": 2, "loss": None, "lr": None}
    metrics.close()
    metrics.close()


def test_metrics__resuming_forgets_the_lost_future(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    for step in range(1, 6):
        metrics.write(step, {"loss": 0.0})
    metrics.close()
    again = Metrics(tmp_path, 3)
    again.write(4, {"loss": 1.0})
    again.close()
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path)] == [(1, 0), (2, 0), (3, 0), (4, 1)]


def test_truncate__drops_a_line_cut_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1}\n{"step": 2, "lo')
    assert [line["step"] for line in read_metrics(tmp_path)] == [1]
    truncate(path, 5)
    assert path.read_text() == '{"step": 1, "loss": 1}\n'


def test_read_metrics__of_a_run_without_any(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


def test_metrics__without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    metrics = Metrics(tmp_path, 0)
    metrics.write(1, {"loss": 0.5})
    metrics.close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_metrics__with_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        """Stands in for TensorBoard, which is an extra."""

        def __init__(self, folder: str, purge_step: int) -> None:
            assert Path(folder).parent == tmp_path
            assert purge_step == 4

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    metrics = Metrics(tmp_path, 3)
    metrics.write(4, {"loss": 0.5, "lr": 0.1})
    metrics.close()
    assert written == [("loss", 0.5, 4), ("lr", 0.1, 4), ("closed", 0.0, 0)]


def test_circumstances__are_plain_json_and_name_data_code_and_machine() -> None:
    found = provenance(ToyClouds(), 3, torch.device("cpu"), 1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["seed"] == 3
    assert found["data"]["fingerprint"] == ToyClouds().fingerprint
    assert found["hardware"]["device"] == "cpu"
    assert found["versions"]["torch"] == torch.__version__


def test_commit__none_where_git_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit() is None
