"""What a training step must at least compute and move, and what the machine can: the yardstick that no code can beat.

Counts are of our form of each step (the textbook's are several times larger). A product is forward, and twice backward;
an activation of training is moved eight times: written, read and written by norm and activation, and as often on the
way back, without the last write. Smaller tensors are left out, so that the limit is a little too high, never too low.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

MOVES = 8


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations, and values moved to or from memory, of one training step on one cloud."""

    flops: float
    values: float

    def seconds(self, machine: "Machine", value_bytes: int) -> float:
        """Return the least time that `machine` needs for it."""
        return max(self.flops / machine.flops, self.values * value_bytes / machine.bandwidth)


@dataclass(frozen=True, slots=True)
class Machine:
    """What was reached just now by a large product and a large copy: operations per second, bytes per second."""

    flops: float
    bandwidth: float


def measure(device: torch.device, dtype: torch.dtype, synchronise: Callable[[], None]) -> Machine:
    """Time a product and a copy on `device`; the best of five, as others may be at work."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in "ab")
    source = torch.zeros((1 << 30) // 4 if device.type == "cuda" else (1 << 28) // 4, device=device)
    target = torch.zeros_like(source)

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            synchronise()
            start = time.perf_counter()
            work()
            synchronise()
            times.append(time.perf_counter() - start)
        return min(times)

    product = best(lambda: torch.mm(a, b))
    copy = best(lambda: target.copy_(source))
    return Machine(flops=2 * side**3 / product, bandwidth=2 * source.numel() * 4 / copy)


def layers(points: int, pairs: list[tuple[int, int]]) -> Work:
    """Return the work of layers (in, out) on every point."""
    flops = sum(6 * points * i * o for i, o in pairs)
    return Work(flops=flops, values=sum(MOVES * points * o for _, o in pairs))


def pooled(points: int, d: int, e: int) -> Work:
    """Return the work of a pooled layer: the product, the covariance, and the way back through it."""
    return Work(flops=2 * points * d * (e + 2 * d), values=3 * points * d)


def edges(points: int, k: int, pairs: list[tuple[int, int]]) -> Work:
    """Return the work of factored edge layers: ranks, product of twice the width, gather and scatter."""
    flops = sum(2 * points**2 * i + 12 * points * i * o + 4 * points * k * o for i, o in pairs)
    return Work(flops=flops, values=sum(MOVES * points * 2 * o for _, o in pairs))


def mixture(points: int, components: int) -> Work:
    """Return the work of the mixture loss: two products with ten monomials, a softmax and a logarithm of a sum."""
    return Work(flops=6 * points * components * 20, values=2 * MOVES * points * components)


def total(*parts: Work) -> Work:
    """Return the sum of `parts`."""
    return Work(flops=sum(part.flops for part in parts), values=sum(part.values for part in parts))
