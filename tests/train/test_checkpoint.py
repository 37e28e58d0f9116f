"""Run folders read back: the right weights, and one clear line for every folder that is not what it should be."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pointssl.backbones import PointNetConfig
from pointssl.errors import RunError
from pointssl.files import write_json
from pointssl.runs.checkpoint import checkpoints, latest
from pointssl.runs.config import to_json
from pointssl.runs.run import Run, load
from pointssl.runs.weights import key_report, read_tensors, write_tensors
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 6 steps, made once."""
    return pretrain(tiny_config(keep_checkpoints_at=(0.0,)), tmp_path_factory.mktemp("made") / "run", data=ToyClouds())


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoiled."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def _xyz() -> torch.Tensor:
    return torch.randn(3, 24, 3, generator=torch.Generator().manual_seed(0))


def test_load__run_encoder_and_last_checkpoint_are_the_same_encoder(finished: Path) -> None:
    expected = load(finished)(_xyz()).pooled
    assert not load(finished).training
    for path in (finished / "encoder", finished / "checkpoints" / "step-00000006", str(finished)):
        assert torch.equal(load(path)(_xyz()).pooled, expected)
    assert not torch.equal(load(finished / "checkpoints" / "step-00000004")(_xyz()).pooled, expected)


def test_load__unfinished_run_gives_its_last_whole_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "encoder")
    last = load(run)(_xyz()).pooled
    (run / "checkpoints" / "step-00000006" / "optimizer.safetensors").write_bytes(b"cut")
    assert torch.equal(load(run)(_xyz()).pooled, load(run / "checkpoints" / "step-00000004")(_xyz()).pooled)
    assert not torch.equal(load(run)(_xyz()).pooled, last)


def test_load_method__has_the_heads(finished: Path) -> None:
    method = Run.open(finished).method()
    assert not method.training
    assert torch.equal(method.backbone(_xyz()).pooled, load(finished)(_xyz()).pooled)
    with pytest.raises(RunError, match="holds an encoder alone"):
        Run.open(finished / "encoder").method()


def test_read_config__from_every_folder(finished: Path) -> None:
    expected = tiny_config(keep_checkpoints_at=(0.0,))
    for path in (finished, finished / "encoder", finished / "checkpoints" / "step-00000006"):
        assert Run.open(path).config == expected


def test_untrained__is_the_encoder_before_the_first_step(finished: Path) -> None:
    first = load(finished / "checkpoints" / "step-00000000")
    twin = Run.open(finished).untrained(tiny_config().seed)
    for name, value in first.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name
    other = Run.open(finished).untrained(1)
    assert not torch.equal(other(_xyz()).pooled, twin(_xyz()).pooled)


def test_untrained__leaves_the_random_state_alone(finished: Path) -> None:
    before = torch.get_rng_state()
    Run.open(finished).untrained(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_latest__passes_over_what_is_not_whole(run: Path) -> None:
    assert [path.name for path in checkpoints(run)] == ["step-00000000", "step-00000004", "step-00000006"]
    (run / "checkpoints" / "step-00000009").mkdir()
    (run / "checkpoints" / ".step-00000008.abc.partial").mkdir()
    (run / "checkpoints" / "notes").mkdir()
    (run / "checkpoints" / "step-00000006" / "model.safetensors").unlink()
    found = latest(run)
    assert found is not None
    assert found.name == "step-00000004"


def test_checkpoint__holds_no_pickle(finished: Path) -> None:
    assert {path.suffix for path in finished.rglob("*") if path.is_file()} <= {".json", ".jsonl", ".safetensors"}


def _other_widths(run: Path) -> None:
    config = Run.open(run).config
    other = replace(config, backbone=PointNetConfig(local=(6,), hidden=(9,), pooled_dim=10))
    write_json(run / "encoder" / "config.json", to_json(other))


def _no_config(run: Path) -> None:
    (run / "encoder" / "config.json").unlink()


def _broken_config(run: Path) -> None:
    (run / "encoder" / "config.json").write_text("{")


def _unknown_kind(run: Path) -> None:
    value = json.loads((run / "encoder" / "config.json").read_text())
    value["backbone"]["kind"] = "pointnett"
    write_json(run / "encoder" / "config.json", value)


def _cut_weights(run: Path) -> None:
    file = run / "encoder" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_other_widths, r"of another shape \(hidden.0.linear.weight is \(8, 6\), the network has \(9, 6\)"),
        (_no_config, "is not a run: it has no config.json"),
        (_broken_config, "is not JSON"),
        (_unknown_kind, r"backbone: unknown kind 'pointnett' \(did you mean 'pointnet'\?\)"),
        (_cut_weights, "cannot be read as safetensors"),
    ],
)
def test_load__spoiled_encoder_is_one_clear_line(run: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(run)
    with pytest.raises(RunError, match=message) as caught:
        load(run / "encoder")
    assert "\n" not in str(caught.value)


def test_load__half_written_checkpoint_named_by_hand(run: Path) -> None:
    checkpoint = run / "checkpoints" / "step-00000006"
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(RunError, match="is half written"):
        load(checkpoint)


def test_load__run_without_any_checkpoint(run: Path) -> None:
    shutil.rmtree(run / "encoder")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match=r"holds no whole checkpoint yet.*pointssl pretrain --resume"):
        load(run)


def test_load__folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run: it has no config\.json"):
        load(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        load(tmp_path / "file")


def test_write_tensors__from_shared_and_strided_memory(tmp_path: Path) -> None:
    base = torch.arange(6.0).view(2, 3)
    tensors = {"a": base, "b": base.T, "n": torch.tensor(3)}
    write_tensors(tmp_path / "x.safetensors", tensors)
    read = read_tensors(tmp_path / "x.safetensors")
    assert all(torch.equal(read[name], value) for name, value in tensors.items())


def test_key_report__says_all_three_kinds_of_difference() -> None:
    wanted = {name: torch.zeros(2) for name in "abcdefg"}
    found = {"a": torch.zeros(3), "b": torch.zeros(2), "z": torch.zeros(1)}
    assert key_report(wanted, found) == (
        "1 of another shape (a is (3,), the network has (2,)); 5 missing (c, d, e, f, …); 1 unknown (z)"
    )
    assert key_report(wanted, wanted) == ""
