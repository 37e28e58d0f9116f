"""What is seen of a run while it trains: the progress line, the metrics file, and warnings."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import final

from pointssl.data.cloud import Dataset
from pointssl.data.endless import spread_over
from pointssl.progress import Bar, console
from pointssl.runs.config import PretrainConfig
from pointssl.runs.record import Metrics
from pointssl.runs.run import is_supervised
from pointssl.train.loop import Step
from pointssl.train.monitor import CollapseMonitor
from pointssl.train.runtime import Runtime
from pointssl.train.state import TrainingState
from pointssl.types import CloudBatch

_PROBE_CLOUDS = 64


@final
class Observer:
    """Writes and shows what the main process is to tell; figures on the device are read at logged steps only."""

    def __init__(
        self,
        run: Path,
        config: PretrainConfig,
        dataset: Dataset,
        state: TrainingState,
        runtime: Runtime,
        done: int,
        total: int,
    ) -> None:
        """Begin after `done` of `total` updates."""
        self._config, self._state = config, state
        self._per_step = config.data.batch_size * config.optim.accumulate * runtime.world
        self._monitor = CollapseMonitor(probe_clouds(dataset, config).to(runtime.device).xyz)
        self._metrics = Metrics(run, done)
        self._since, self._last = time.monotonic(), done
        self._rate = 0.0
        self._line = Bar("training" if is_supervised(config) else "pre-training", total, done)

    def see(self, step: Step, epoch: float | None, measured: Mapping[str, float]) -> None:
        """Take note of one healthy step, update `step.index + 1` of the run, and of what was measured after it.

        `epoch` is None where the data has no end.
        """
        done = step.index + 1
        every = self._config.monitor_every
        values = dict(measured)
        if every and (done % every == 0 or done == 1):
            values |= self._monitor.look(self._state.method.backbone)
            for warning in filter(None, (self._monitor.warning(values), self._state.method.warning())):
                console.print(f"warning: step {done}: {warning}")
        if done % self._config.log_every == 0 or values or done == 1:
            now = time.monotonic()
            self._rate = (done - self._last) * self._per_step / max(now - self._since, 1e-9)
            self._since, self._last = now, done
            logs = {name: float(value) for name, value in step.logs.items()}
            seen = {"clouds_seen": float(done * self._per_step)} | ({} if epoch is None else {"epoch": epoch})
            main = {"loss": step.loss, "lr": step.lr, "grad_norm": step.grad_norm} | seen
            self._metrics.write(done, main | {"clouds_per_s": round(self._rate, 1)} | logs | values)
        self._line.advance(note=f"loss {step.loss:.4g}, {self._rate:.0f} clouds/s")

    def close(self) -> None:
        """End the progress line and close the metrics."""
        self._line.close()
        self._metrics.close()


def probe_clouds(dataset: Dataset, config: PretrainConfig) -> CloudBatch:
    """Return up to 64 clouds, spread evenly over the data set, the same in every run with these settings."""
    return config.data.reading.batch(dataset, spread_over(dataset, _PROBE_CLOUDS))
