"""What a stranger's file, folder, server or archive can make this machine do: be refused in one line, nothing else."""

import _ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from huggingface_hub import HfApi, RepoUrl

from pointssl.data.files.readers import read_clouds
from pointssl.errors import DataError, RunError
from pointssl.evaluation.embed import keep_whitening
from pointssl.ops.kernels import native
from pointssl.runs import publish
from pointssl.runs.run import Run, load
from pointssl.train.pretrain import pretrain
from tests.doubles import ToyClouds, tiny_config

LINUX = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which(os.environ.get("CXX", "c++")) is None, reason="kernels are for Linux"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose clouds lie in a place of nobody's business."""
    return pretrain(tiny_config(steps=2), tmp_path_factory.mktemp("secret-place") / "run", data=ToyClouds())


class Hub(HfApi):
    """The hub's client, which keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, bytes] = {}

    def create_repo(self, repo_id: str, **_: Any) -> RepoUrl:
        return RepoUrl(f"https://hub.example/{repo_id}", endpoint="https://hub.example")

    def upload_folder(self, *, folder_path: Path, **_: Any) -> None:  # type: ignore[override]
        self.sent = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.mark.case("push-links")
@pytest.mark.parametrize("name", ["record.json", "config.json", "model.safetensors", "whitening.safetensors"])
def test_push__a_link_is_never_published(run: Path, tmp_path: Path, name: str) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(run / "encoder", encoder)
    kept = tmp_path / "elsewhere"
    if (encoder / name).exists():
        (encoder / name).rename(kept)
    else:
        kept.write_bytes(b"private")
    (encoder / name).symlink_to(kept)
    hub = Hub()
    with pytest.raises(RunError, match=f"{name} is a link, which is not published"):
        publish.push_to_hub(encoder, "me/model", api=hub)
    assert hub.sent == {}


@pytest.mark.case("push-tells-paths")
def test_push__tells_nothing_of_this_machine_and_is_the_same_encoder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "run"
    shutil.copytree(run, whole)
    for name in ("config.json", "record.json"):
        file = whole / "encoder" / name
        value = json.loads(file.read_text())
        if name == "config.json":
            value["data"] |= {"source": "/srv/me/secret/store", "views": "/srv/me/secret/views"}
        else:
            value["data"]["name"] = "/srv/me/secret/store/train"
        file.write_text(json.dumps(value))
    monkeypatch.setattr("pointssl.evaluation.embed.LEAST_TO_WHITEN", 2)
    keep_whitening(whole, ToyClouds(), axes=4)
    hub = Hub()
    publish.push_to_hub(whole, "me/model", api=hub)
    assert set(hub.sent) == {"model.safetensors", "config.json", "record.json", "whitening.safetensors"}
    told = (hub.sent["config.json"] + hub.sent["record.json"]).decode()
    for word in ("/srv", "secret", "argv", "command", "commit", "hardware", "started", sys.executable, os.sep + "tmp"):
        assert word not in told
    assert json.loads(hub.sent["record.json"])["data"]["name"] == "store/train"
    again = tmp_path / "again"
    again.mkdir()
    for name, content in hub.sent.items():
        (again / name).write_bytes(content)
    one, two = load(whole).state_dict(), load(again).state_dict()
    assert all((one[key] == two[key]).all() for key in one)
    from pointssl.runs.whitening import read_whitening

    dim = load(again).pooled_dim
    np.testing.assert_array_equal(read_whitening(Run.open(again), dim).turn, read_whitening(Run.open(whole), dim).turn)


@pytest.mark.case("h5-other-files")
@pytest.mark.parametrize("way", ["external storage", "link", "nested link", "virtual", "pipe"])
def test_h5__numbers_of_other_files_are_not_read(tmp_path: Path, way: str) -> None:
    private = tmp_path / "private.bin"
    np.arange(90, dtype="f4").tofile(private)
    if way == "pipe":  # opening it would wait for ever
        private.unlink()
        os.mkfifo(private)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["data"] = np.zeros((1, 30, 3), np.float32)
    folder = tmp_path / "set"
    folder.mkdir()
    with h5py.File(folder / "a.h5", "w") as file:
        if way in ("external storage", "pipe"):
            file.create_dataset("data", shape=(1, 30, 3), dtype="f4", external=[(str(private), 0, 360)])
        elif way == "link":
            file["data"] = h5py.ExternalLink(str(other), "data")
        elif way == "nested link":
            file.create_group("g")["inner"] = h5py.ExternalLink(str(other), "/")
            file["data"] = h5py.SoftLink("/g/inner/data")
        else:
            layout = h5py.VirtualLayout(shape=(1, 30, 3), dtype="f4")
            layout[:] = h5py.VirtualSource(str(other), "data", shape=(1, 30, 3))
            file.create_virtual_dataset("data", layout)
    with pytest.raises(DataError, match=r"a.h5 .*(a link into another file|stored in other files).*copy the arrays"):
        read_clouds(folder / "a.h5")


@pytest.mark.case("h5-other-files")
def test_h5__links_within_the_file_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("g")["held"] = np.random.default_rng(0).random((1, 30, 3), dtype=np.float32)
        file["data"] = h5py.SoftLink("/g/held")
    assert len(read_clouds(tmp_path / "a.h5")) == 1


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled kernels: they take a while to make."""
    folder = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSSL_CACHE", str(folder))
        native._build()
    return folder


@LINUX
@pytest.mark.case("planted-kernel")
@pytest.mark.parametrize("way", ["file of another", "open file", "open folder", "link"])
def test_kernels__are_loaded_from_our_own_files_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Where the tests are not root, what is another's is simulated by another number of the user."""
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("POINTSSL_CACHE", str(tmp_path))
    path = native._build()
    assert path.stat().st_mtime_ns == next(cache.rglob("*.so")).stat().st_mtime_ns  # taken, not built again
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    if way == "file of another":
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    elif way == "open file":
        path.chmod(0o777)
    elif way == "open folder":
        path.parent.chmod(0o777)
    else:
        path.rename(tmp_path / "real.so")
        path.symlink_to(tmp_path / "real.so")
    with pytest.raises(native.UnavailableError, match="nothing is loaded from it"):
        native._build()


@LINUX
@pytest.mark.case("damaged-kernel")
def test_kernels__a_damaged_library_is_built_again(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    ask = [sys.executable, "-c", "from pointssl.ops.kernels import native; print(native.reason())"]
    environment = {**os.environ, "POINTSSL_CACHE": str(tmp_path)}

    def reason() -> str:
        return subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout

    assert "compiled kernels" in reason()
    [library] = (tmp_path / "pointssl").glob("*.so")
    whole = library.read_bytes()
    for content in (whole[:1000], Path(_ctypes.__file__).read_bytes()):
        library.write_bytes(content)
        assert "compiled kernels" in reason()
        assert len(library.read_bytes()) == len(whole)
