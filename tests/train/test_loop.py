"""One update at a time: what is averaged, clipped, applied and left alone."""

import math
from itertools import islice
from typing import Any

import pytest
import torch
from torch import nn

from pointssl.data.batches import Batches
from pointssl.data.reading import ReadConfig
from pointssl.methods import PretextMethod
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.train import loop
from pointssl.train.ema import Average
from pointssl.train.loop import Step
from pointssl.train.optim import build_optimizer, learning_rate
from pointssl.train.runtime import Runtime
from pointssl.train.state import TrainingState
from pointssl.types import CloudBatch, StepOutput
from tests.doubles import ToyClouds, tiny_config
from tests.train.two_processes import Apart, NearOrigin

HERE = Runtime(device=torch.device("cpu"))


class Noisy(PretextMethod):
    """The loss is a random number of the generator's times one weight, plus dropout of ones."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.weight, self.dropout = Apart(), nn.Parameter(torch.ones(())), nn.Dropout(0.5)
        self.progress: list[float] = []

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:  # noqa: ARG002
        drawn = torch.rand((), generator=generator)
        return StepOutput(loss=self.weight * drawn + self.dropout(torch.ones(50)).mean(), logs={"drawn": drawn})

    def after_step(self, progress: float) -> None:
        self.progress.append(progress)


def _state(method: PretextMethod, config: PretrainConfig) -> TrainingState:
    return TrainingState(method, build_optimizer(method, config.optim), None)


def _near_origin() -> NearOrigin:
    torch.manual_seed(0)
    return NearOrigin(Apart(), dropout=0.0)


def _run(method: PretextMethod, config: PretrainConfig, start: int = 0, total: int = 3) -> list[Step]:
    data = config.data
    batches = Batches(ToyClouds(), batch=data.batch_size, points=data.reading.points, seed=config.seed)
    return list(loop.run(_state(method, config), batches, config, HERE, start=start, total=total))


def _with(batch: int = 4, **optim: Any) -> PretrainConfig:
    return tiny_config(data=DataConfig(reading=ReadConfig(points=24), batch_size=batch), optim=OptimConfig(**optim))


def test_run__one_update_of_sgd_by_hand() -> None:
    config, method = _with(kind="sgd", lr=0.5, momentum=0.0, schedule="constant"), _near_origin()
    before = [p.detach().clone() for p in method.parameters()]
    batch = Batches(ToyClouds(), batch=4, points=24, seed=0)(0)
    loss = method(batch).loss
    gradients = torch.autograd.grad(loss, list(method.parameters()))
    (step,) = _run(method, config, total=1)
    assert step.loss == pytest.approx(loss.item())
    assert step.grad_norm == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in gradients)), rel=1e-5)
    for now, old, gradient in zip(method.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(now, old - 0.5 * gradient)


def test_accumulate__two_batches_give_the_update_of_one_twice_as_large() -> None:
    methods = [_near_origin(), _near_origin()]
    _run(methods[0], _with(batch=8), total=1)
    _run(methods[1], _with(batch=4, accumulate=2), total=1)
    for one, two in zip(*(m.parameters() for m in methods), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_clip__shortens_the_step_and_reports_the_length_before() -> None:
    methods = [_near_origin(), _near_origin()]
    first = [p.detach().clone() for p in methods[0].parameters()]
    free = _run(methods[0], _with(kind="sgd", lr=1.0, momentum=0.0, schedule="constant"), total=1)
    _run(methods[1], _with(kind="sgd", lr=1.0, momentum=0.0, schedule="constant", clip=0.01), total=1)
    assert free[0].grad_norm > 0.1
    moved = [now.detach() - old for now, old in zip(methods[1].parameters(), first, strict=True)]
    assert math.sqrt(sum(float(m.square().sum()) for m in moved)) == pytest.approx(0.01, rel=1e-3)


def test_run__follows_the_learning_rate() -> None:
    config = _with(lr=0.1, warmup_steps=2)
    found = [step.lr for step in _run(_near_origin(), config, total=5)]
    assert found == [learning_rate(config.optim, step, 5, 4.0) for step in range(5)]


def test_run__randomness_follows_from_seed_and_step() -> None:
    whole, method = _run(Noisy(), _with()), Noisy()
    drawn = [float(step.logs["drawn"]) for step in whole]
    assert len(set(drawn)) == 3
    torch.rand(5)  # the state of torch's own generator is of no matter
    late = _run(method, _with(), start=2)
    assert float(late[0].logs["drawn"]) == drawn[2]
    weight_term = [step.loss - drawn[i] for i, step in enumerate(_run(Noisy(), _with(lr=1e-9)))]
    again = [step.loss - drawn[i] for i, step in enumerate(_run(Noisy(), _with(lr=1e-9)))]
    assert weight_term == again
    assert len({round(term, 4) for term in weight_term}) > 1  # dropout differs from step to step
    assert method.progress == [1.0]


def test_run__a_step_that_is_not_finite_leaves_weights_and_memory_alone() -> None:
    class Breaks(NearOrigin):
        calls = 0

        def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
            self.calls += 1
            output: StepOutput = super().forward(batch, generator)
            return StepOutput(loss=output.loss * (math.inf if self.calls == 2 else 1.0))

    torch.manual_seed(0)
    method = Breaks(Apart())
    config = _with()
    state = _state(method, config)
    steps = loop.run(state, Batches(ToyClouds(), batch=4, points=24, seed=0), config, HERE, total=3)
    assert next(steps).applied
    before = [p.detach().clone() for p in method.parameters()]
    assert not next(steps).applied
    assert all(torch.equal(now, old) for now, old in zip(method.parameters(), before, strict=True))
    assert all(float(memory["step"]) == 1 for memory in state.optimizer.state.values())
    steps.close()


def test_run__bf16_stays_near_float32_and_weights_stay_float32() -> None:
    losses = {}
    for precision in ("float32", "bf16"):
        method = _near_origin()
        losses[precision] = _run(method, tiny_config(precision=precision), total=1)[0].loss
        assert all(p.dtype == torch.float32 for p in method.parameters())
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.02)  # bf16 has 8 bits: 0.4 % per product


def test_wrap__compiles_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[nn.Module] = []

    def compiled(module: nn.Module) -> nn.Module:
        asked.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compiled)
    method = _near_origin()
    for flag in (False, True):
        config = tiny_config(compile=flag)
        assert loop.wrap(_state(method, config), config, HERE) is method
    assert asked == [method]


def test_run__ends_its_threads_when_left_early() -> None:
    import threading

    config = _with()
    steps = loop.run(
        _state(_near_origin(), config), Batches(ToyClouds(), batch=4, points=24, seed=0), config, HERE, total=9
    )
    assert len(list(islice(steps, 2))) == 2
    steps.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_average__by_hand() -> None:
    module = nn.BatchNorm1d(1)
    average = Average(module, 0.5)
    with torch.no_grad():
        module.weight.fill_(5.0)
        assert module.num_batches_tracked is not None
        module.num_batches_tracked.fill_(7)
    average.update(module, step=0)  # memory min(0.5, 1/10): 0.1 * 1 + 0.9 * 5
    assert float(average.tensors["weight"]) == pytest.approx(4.6)
    average.update(module, step=98)  # memory min(0.5, 99/108)
    assert float(average.tensors["weight"]) == pytest.approx(4.8)
    assert int(average.tensors["num_batches_tracked"]) == 7
