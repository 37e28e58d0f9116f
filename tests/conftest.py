"""One thread, one seed, no network, and a private cache for every test."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _reproducible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real shapes named by POINTSSL_DATA; tests that need it are skipped without it."""
    folder = os.environ.get("POINTSSL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set POINTSSL_DATA to the folder of real data sets to run this test")
    return Path(folder)
