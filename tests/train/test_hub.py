"""Encoders in folders and on the hub, without a network: the hub's client is replaced where it would be asked."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, RepoUrl

from pointssl.errors import RunError
from pointssl.runs import publish
from pointssl.runs.run import Run, load
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return pretrain(tiny_config(steps=2), tmp_path_factory.mktemp("hub") / "run", data=ToyClouds())


def _pooled(backbone: Any) -> torch.Tensor:
    pooled: torch.Tensor = backbone(torch.ones(1, 24, 3)).pooled
    return pooled


def test_save_pretrained__comes_back_the_same(run: Path, tmp_path: Path) -> None:
    folder = publish.save_pretrained(load(run), tmp_path / "mine", config=Run.open(run).config, record={"by": "hand"})
    assert torch.equal(_pooled(load(folder)), _pooled(load(run)))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "record.json"]


def test_save_pretrained__never_mixes_two_encoders(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="exists; choose another folder"):
        publish.save_pretrained(load(run), tmp_path, config=Run.open(run).config)


def test_push_to_hub__sends_the_encoder_and_nothing_else(run: Path) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api(HfApi):
        """The hub's client, which only remembers."""

        def create_repo(self, repo_id: str, **more: Any) -> RepoUrl:
            calls.append((repo_id, more))
            return RepoUrl(f"https://hub.example/{repo_id}", endpoint="https://hub.example")

        def upload_folder(self, **more: Any) -> None:  # type: ignore[override]
            calls.append(("upload", more))

    address = publish.push_to_hub(run, "me/encoder", private=True, api=Api())
    assert address == "https://hub.example/me/encoder"
    assert calls[0] == ("me/encoder", {"private": True, "exist_ok": True})
    assert calls[1][1]["folder_path"].name == "encoder"
    wanted = {"model.safetensors", "config.json", "record.json", "whitening.safetensors"}
    assert set(calls[1][1]["allow_patterns"]) == wanted


def test_push_to_hub__refuses_a_checkpoint_and_tells_what_the_hub_said(run: Path) -> None:
    class Refusing(HfApi):
        """The hub's client without a login."""

        def create_repo(self, repo_id: str, **_: Any) -> RepoUrl:
            raise OSError(f"401 Unauthorized for {repo_id}\nmore lines")

    with pytest.raises(
        RunError, match=r"did not take me/encoder: 401 Unauthorized for me/encoder; see `hf auth whoami`"
    ):
        publish.push_to_hub(run, "me/encoder", api=Refusing())
    with pytest.raises(RunError, match="is not a finished encoder"):
        publish.push_to_hub(run / "checkpoints" / "step-00000002", "me/encoder", api=Refusing())


def test_from_pretrained__fetches_a_hub_name(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(name: str, **more: Any) -> str:
        asked.append(name)
        return str(run / "encoder")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert torch.equal(_pooled(load("hf:someone/encoder")), _pooled(load(run)))
    assert torch.equal(_pooled(Run.open("hf:someone/encoder").untrained(0)), _pooled(Run.open(run).untrained(0)))
    assert set(asked) == {"someone/encoder"}


def test_from_pretrained__offline_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="the hub has no model someone/encoder, or cannot be reached") as caught:
        load("hf:someone/encoder")
    assert "\n" not in str(caught.value)


def test_load__a_misspelt_path_never_asks_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    for path in ("runs/a", "someone/encoder"):
        with pytest.raises(RunError, match=f"{path} does not exist; .*hf:OWNER/MODEL"):
            load(path)
