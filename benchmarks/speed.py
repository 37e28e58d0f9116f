"""How much faster are our training steps than the textbook's, do they compute the same, and how near is the limit?

Forward and backward pass with gradients for all parameters, forms timed in turn (A B C A B C ...), medians. Both forms
start from the same weights; a disagreement of values or gradients ends the run with exit code 1. Peak memory is
measured in a fresh process for each form. Writes results/speed.json and prints the table.

Run: python benchmarks/speed.py [--threads 2] [--repeats 5] [--no-compile] [--no-memory] [--force-bf16]
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages, for both forms; read at torch's first allocation

import argparse
import copy
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import limits
import textbook
from pointssl import files
from pointssl.backbones.dgcnn import DGCNN, DGCNNConfig
from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.methods.parae import ParAE, ParAEConfig
from pointssl.ops import mixture
from pointssl.ops.kernels import native, neighbors
from pointssl.progress import bar
from pointssl.types import CloudBatch

ROOT = Path(__file__).resolve().parent.parent
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STEP = Callable[[], Tensor]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is timed: its clouds, its two forms, and what a form gives back."""

    title: str
    clouds: int
    build: Callable[[int, int, torch.dtype], tuple[nn.Module, STEP, nn.Module, STEP]]
    """(clouds, points, type) -> our module and loss, the textbook's module and loss; the same weights and data."""
    work: limits.Work
    targets: dict[str, float]
    """Wanted ratio to the textbook by variant."""
    rounding: float = 1e-8
    """Largest relative difference in float64."""


def sample(clouds: int, points: int, dtype: torch.dtype) -> Tensor:
    """Return clouds in the unit ball, denser towards the middle; they differ from one another."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(clouds, points, 3, generator=generator, dtype=torch.float64)
    radius = torch.rand(clouds, points, 1, generator=generator, dtype=torch.float64)
    stretch = 0.3 + torch.rand(clouds, 1, 3, generator=generator, dtype=torch.float64)
    ball: Tensor = direction / direction.norm(dim=-1, keepdim=True) * radius * stretch
    return ball.to(DEVICE, dtype)


def build_parae(clouds: int, points: int, dtype: torch.dtype) -> tuple[nn.Module, STEP, nn.Module, STEP]:
    """PointNet with ParAE, 32 components."""
    torch.manual_seed(0)
    ours = ParAE(PointNet(PointNetConfig()), ParAEConfig())
    theirs = textbook.TextbookParAE(ours).to(DEVICE, dtype)
    ours = ours.to(DEVICE, dtype)
    batch = CloudBatch(xyz=sample(clouds, points, dtype))

    def our_loss() -> Tensor:
        loss: Tensor = ours(batch).loss
        return loss

    return ours, our_loss, theirs, lambda: theirs(batch)


def build_dgcnn(clouds: int, points: int, dtype: torch.dtype) -> tuple[nn.Module, STEP, nn.Module, STEP]:
    """DGCNN's classification encoder; k is 20 up to 1024 points and 40 beyond. The loss is a fixed linear form."""
    torch.manual_seed(0)
    ours = DGCNN(DGCNNConfig(k=20 if points <= 1024 else 40))
    theirs = textbook.TextbookDGCNN(ours).to(DEVICE, dtype)
    ours = ours.to(DEVICE, dtype)
    xyz = sample(clouds, points, dtype)
    form = torch.randn(clouds, ours.pooled_dim, generator=torch.Generator().manual_seed(1)).to(DEVICE, dtype)

    def our_loss() -> Tensor:
        pooled: Tensor = ours(xyz).pooled
        return (pooled * form).mean()

    def their_loss() -> Tensor:
        pooled: Tensor = theirs(xyz)
        return (pooled * form).mean()

    return ours, our_loss, theirs, their_loss


class Logits(nn.Module):
    """Free logits, so that the mixture loss alone has something to send gradients to."""

    def __init__(self, clouds: int, points: int, dtype: torch.dtype) -> None:
        super().__init__()
        values = torch.randn(clouds, points, 32, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        self.logits = nn.Parameter((2 * values).to(DEVICE, dtype))


class MixtureLoss(Logits):
    """Our loss on free logits."""

    def forward(self, xyz: Tensor) -> Tensor:
        """Return the mean negative log likelihood."""
        centred = xyz - xyz.mean(dim=1, keepdim=True)
        return -mixture.log_density(centred, mixture.fit(centred, self.logits.softmax(dim=-1))).mean()


class TextbookLoss(Logits):
    """The textbook's loss on the same logits."""

    def forward(self, xyz: Tensor) -> Tensor:
        """Return the mean negative log likelihood."""
        return textbook.mixture_loss(xyz, self.logits, 1e-4)

    def named_gradients(self) -> dict[str, Tensor]:
        """Return the one gradient."""
        assert self.logits.grad is not None
        return {"logits": self.logits.grad}


def build_mixture(clouds: int, points: int, dtype: torch.dtype) -> tuple[nn.Module, STEP, nn.Module, STEP]:
    """The loss alone."""
    ours, theirs = MixtureLoss(clouds, points, dtype), TextbookLoss(clouds, points, dtype)
    xyz = sample(clouds, points, dtype)
    return ours, lambda: ours(xyz), theirs, lambda: theirs(xyz)


LOSS = limits.mixture(1024, 32)
POINTS = limits.layers(1024, [(3, 64), (64, 128), (64, 512), (512, 256), (256, 128), (128, 32)])
CASES = {
    "parae_pointnet": Case(
        title="PointNet + ParAE, J 32",
        clouds=32,
        build=build_parae,
        work=limits.total(POINTS, limits.pooled(1024, 128, 1024), LOSS),
        targets={"bf16 compiled": 12},
        rounding=1e-4,  # our loss is computed in float32 whatever the network is
    ),
    "dgcnn": Case(
        title="DGCNN encoder, k 20",
        clouds=8 if DEVICE.type == "cpu" else 32,
        build=build_dgcnn,
        work=limits.total(
            limits.edges(1024, 20, [(3, 64), (64, 64), (64, 128), (128, 256)]), limits.pooled(1024, 512, 1024)
        ),
        targets={"float32": 8, "float32 compiled": 8, "bf16 compiled": 12},
    ),
    "mixture_loss": Case(
        title="mixture loss, J 32", clouds=32, build=build_mixture, work=LOSS, targets={"float32": 20}
    ),
}


def synchronise() -> None:
    """Wait for the device."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def bf16_units() -> bool:
    """Return whether bf16 products have instructions of their own here; emulated ones are slower than float32."""
    if DEVICE.type == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.machine() == "arm64"
    return any(name in flags for name in ("avx512_bf16", "amx_bf16", " bf16"))


def step_of(module: nn.Module, loss: STEP, *, bf16: bool) -> Callable[[], None]:
    """Return a training step without the optimiser."""

    def step() -> None:
        module.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16):
            value = loss()
        value.backward()

    return step


def disagreement(case: Case, dtype: torch.dtype, clouds: int, points: int) -> dict[str, float]:
    """Relative differences of loss (or pooled feature) and of the whole gradient between the two forms.

    For DGCNN the textbook is given our neighbours: where two ranks differ by a rounding, either choice is right.
    """
    ours, our_loss, theirs, their_loss = case.build(clouds, points, dtype)
    if isinstance(ours, DGCNN):
        assert isinstance(theirs, textbook.TextbookDGCNN)
        assert isinstance(ours.config, DGCNNConfig)
        theirs.index, x, baseline = [], sample(clouds, points, dtype), copy.deepcopy(ours)
        for edge in baseline.edges:
            theirs.index.append(neighbors.nearest(x, ours.config.k))
            x = edge(x).detach()
    mine, other = our_loss(), their_loss()
    mine.backward()
    other.backward()
    expected = theirs.named_gradients()  # type: ignore[operator]
    pairs = [(parameter.grad, expected[name]) for name, parameter in ours.named_parameters()]
    gap = sum(float((a - b).double().square().sum()) for a, b in pairs) ** 0.5
    size = sum(float(b.double().square().sum()) for _, b in pairs) ** 0.5
    value = float(other.detach())
    return {"loss": abs(float(mine.detach()) - value) / abs(value), "gradient": gap / size}


def time_case(case: Case, given: argparse.Namespace, machines: dict[str, limits.Machine]) -> dict[str, Any]:
    """Time all variants of a case in turn."""
    ours, our_loss, theirs, their_loss = case.build(case.clouds, 1024, torch.float32)
    steps = {
        "textbook": step_of(theirs, their_loss, bf16=False),
        "float32": step_of(ours, our_loss, bf16=False),
    }
    bf16 = "bf16" in machines
    if not given.no_compile:
        for name, on in (("float32 compiled", False), *([("bf16 compiled", True)] if bf16 else [])):
            module, loss, _, _ = case.build(case.clouds, 1024, torch.float32)
            module.compile()
            steps[name] = step_of(module, loss, bf16=on)
    times: dict[str, list[float]] = {name: [] for name in steps}
    with bar(case.title, len(steps) * (given.repeats + 2)) as line:
        for turn in range(-2, given.repeats):
            for name, step in steps.items():
                synchronise()
                start = time.perf_counter()
                step()
                synchronise()
                if turn >= 0:
                    times[name].append(time.perf_counter() - start)
                line.advance(note=name)
    found = {}
    base = statistics.median(times["textbook"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        machine, size = (machines["bf16"], 2) if name.startswith("bf16") else (machines["float32"], 4)
        least = case.work.seconds(machine, size) * case.clouds
        found[name] = {
            "ms_per_step": 1e3 * middle,
            "spread_ms": [1e3 * min(seconds), 1e3 * max(seconds)],
            "clouds_per_s": case.clouds / middle,
            "times_textbook": base / middle,
            "target": case.targets.get(name),
            "fraction_of_limit": None if name == "textbook" else least / middle,
        }
    return found


def peak_memory(name: str, form: str, points: int) -> float:
    """Return MiB that a training step of 4 clouds (DGCNN) or 32 needs above the loaded model; for a fresh process."""
    for clouds, size in ((2, 64), (4 if name == "dgcnn" else 32, points)):  # the small one wakes the libraries up
        ours, our_loss, theirs, their_loss = CASES[name].build(clouds, size, torch.float32)
        step = step_of(ours, our_loss, bf16=False) if form == "ours" else step_of(theirs, their_loss, bf16=False)
        before = memory_now()
        step()
        peak = memory_peak() - before
    return peak


def memory_now() -> float:
    """Return MiB in use, and let the peak start from here."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest resident size so far
    return _resident("VmRSS")


def memory_peak() -> float:
    """Return the most MiB that were in use since the reset."""
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE.type == "cuda" else _resident("VmHWM")


def _resident(field: str) -> float:
    # Not getrusage: its highest value is inherited from the parent process.
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def all_peaks(threads: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return MiB by case, points and form, each from a process of its own."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    jobs = [(name, points, form) for name in CASES for points in (1024, 2048) for form in ("ours", "textbook")]
    with bar("peak memory", len(jobs)) as line:
        for name, points, form in jobs:
            command = [sys.executable, __file__, "--peak", name, form, str(points), "--threads", str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.setdefault(name, {}).setdefault(str(points), {})[form] = json.loads(done.stdout)
            line.advance(note=f"{name} {points} {form}")
    return found


def about() -> dict[str, Any]:
    """Return what a reader needs to judge the numbers."""
    names = {line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "processor": ", ".join(sorted(names)) or platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu",
        "bf16_units": bf16_units(),
        "compiled_kernels": native.available(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": commit.stdout.strip() or None,
        "load": os.getloadavg()[0],
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8").splitlines() if path.exists() else []


def show(record: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table(
        title=f"training step, 1024 points, {record['about']['threads']} threads, {record['about']['device']}"
    )
    for column in ("step", "form", "ms/step", "clouds/s", "x textbook", "wanted", "of the limit"):
        table.add_column(column, justify="left" if column in ("step", "form") else "right")
    for name, case in CASES.items():
        for form, row in record["cases"][name]["forms"].items():
            share, wanted = row["fraction_of_limit"], row["target"]
            numbers = (f"{row['ms_per_step']:.1f}", f"{row['clouds_per_s']:.1f}", f"{row['times_textbook']:.1f}")
            ends = (f"{wanted:g}" if wanted else "", f"{100 * share:.0f} %" if share else "")
            table.add_row(f"{case.title}, batch {case.clouds}", form, *numbers, *ends)
    out = Console(width=130)
    out.print(table)
    if record["memory_mib"]:
        memory = Table(title="peak memory of a step above the loaded model, MiB, float32 (DGCNN: 4 clouds, others: 32)")
        for column in ("step", "points", "ours", "textbook", "textbook / ours"):
            memory.add_column(column, justify="left" if column == "step" else "right")
        for name, sizes in record["memory_mib"].items():
            for points, row in sizes.items():
                ratio = row["textbook"] / max(row["ours"], 1)
                memory.add_row(
                    CASES[name].title, points, f"{row['ours']:.0f}", f"{row['textbook']:.0f}", f"{ratio:.1f}"
                )
        out.print(memory)
    if not record["about"]["bf16_units"]:
        out.print(
            "This processor has no bf16 instructions; bf16 would be emulated, slower than float32, and is left out."
        )


def main() -> None:
    """Check, time, measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--force-bf16", action="store_true", help="time bf16 even where the processor emulates it")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "speed.json")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        name, form, points = given.peak
        print(json.dumps(peak_memory(name, form, int(points))))
        return

    for name in set(CASES) - set(given.cases):
        del CASES[name]
    cases: dict[str, Any] = {}
    for name, case in CASES.items():
        exact = disagreement(case, torch.float64, 2, 128)
        real = disagreement(case, torch.float32, 4, 1024)
        print(f"{case.title}: against the textbook, float64 {exact}, float32 {real}", flush=True)
        # float32 in a deep network with kinks: a max or a leaky ReLU decided otherwise by a rounding moves a gradient.
        if max(exact.values()) > case.rounding or real["loss"] > 1e-4 or real["gradient"] > 2e-2:
            sys.exit(f"{case.title}: the fast form and the textbook disagree")
        cases[name] = {"clouds": case.clouds, "points": 1024, "disagreement": {"float64": exact, "float32": real}}

    kinds = {"float32": torch.float32} | ({"bf16": torch.bfloat16} if bf16_units() or given.force_bf16 else {})
    machines = {kind: limits.measure(DEVICE, dtype, synchronise) for kind, dtype in kinds.items()}
    for name, case in CASES.items():
        cases[name]["work_per_cloud"] = asdict(case.work)
        cases[name]["forms"] = time_case(case, given, machines)
    measurable = DEVICE.type == "cuda" or Path("/proc/self/clear_refs").exists()
    record = {
        "about": about(),
        "machine": {kind: asdict(machine) for kind, machine in machines.items()},
        "cases": cases,
        "memory_mib": all_peaks(given.threads) if measurable and not given.no_memory else {},
    }
    files.write_json(given.out, record)
    show(record)


if __name__ == "__main__":
    main()
