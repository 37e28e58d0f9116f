"""Two processes on one machine do what one process does with the double batch, and survive the loss of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from pointssl.train.checkpoint import load, read_config
from pointssl.train.record import read_metrics
from pointssl.train.weights import read_tensors
from tests.doubles import tiny_config
from tests.train import two_processes

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return str(probe.getsockname()[1])


def test_two_processes__give_losses_gradients_and_weights_of_one(tmp_path: Path) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    one.mkdir()
    place = ENVIRONMENT | {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": _free_port()}
    command = [sys.executable, "-m", "tests.train.two_processes", str(two), "4"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=place | {"RANK": rank, "LOCAL_RANK": rank}) for rank in ("0", "1")
    ]
    two_processes.main(one, 8)
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    expected = read_tensors(one / "rank-0.safetensors")
    for rank in (0, 1):
        found = read_tensors(two / f"rank-{rank}.safetensors")
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            # The same terms summed in another order: float32 rounding, no more.
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_lost_process__torchrun_takes_the_run_up_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "1", "--nproc-per-node", "2"]
    command = [sys.executable, *launch, "-m", "tests.train.whole_run", str(run), "lose"]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_config(run) == tiny_config()
    assert load(run)(torch.randn(2, 24, 3)).pooled.isfinite().all()
    assert [line["step"] for line in read_metrics(run)] == [1, 2, 3, 4, 5, 6]
