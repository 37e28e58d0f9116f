"""One call from settings and clouds to a finished encoder, which can be stopped and resumed at any step."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from pointssl.backbones import BACKBONES, Backbone, build_backbone
from pointssl.data.batches import Batches
from pointssl.data.cloud import Dataset, verify
from pointssl.data.open import Data, open_dataset
from pointssl.data.reading import oriented
from pointssl.errors import DataError, DiskFullError, Interrupted, SettingError
from pointssl.files import lock, write_json
from pointssl.methods import PretextMethod, build_method
from pointssl.progress import console
from pointssl.runs import layout
from pointssl.runs.checkpoint import latest, step_of
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.passed import Passed
from pointssl.runs.record import provenance
from pointssl.runs.run import Run, resume_command, write_encoder
from pointssl.runs.weights import load_weights
from pointssl.train import budget, checks, initial, loop, monitor
from pointssl.train import state as states
from pointssl.train.ema import Average
from pointssl.train.observe import Observer
from pointssl.train.optim import build_optimizer
from pointssl.train.runtime import Runtime, bf16_is_fast, bf16_is_slow, start
from pointssl.train.signals import StopSignal, stop_signal
from pointssl.train.state import TrainingState

Measure = Callable[[PretextMethod], Mapping[str, float]]
"""Figures of a method while it trains, by name."""


def pretrain(
    config: PretrainConfig,
    out: Path | str,
    *,
    data: Data | None = None,
    backbone: Backbone | None = None,
    method: PretextMethod | None = None,
    init_from: Path | str | None = None,
    notes: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
    resume: bool = False,
    device: str | None = None,
) -> Path:
    """Pre-train an encoder and return the run's folder, whose `encoder/` is the result.

    Args:
        config: every setting; kept in the run's `config.json`.
        out: the run folder; must be new, or with `resume` one that was begun with the same settings.
        data: read in place of `config.data.source`: a path, a name, or a data set; of a pair, the training set.
        backbone: trained in place of `config.backbone`; what opens the run then needs the same network again.
        method: trained in place of `config.method` and its backbone, as for an image encoder of one's own.
        init_from: a run, checkpoint, encoder folder or `hf:owner/model` whose weights training starts from: those of
            the whole method where it is the same task, else those of the encoder; from scratch without.
        notes: JSON values to keep in the run's record beside its provenance.
        measure: called after every epoch with the method, averaged where the run keeps an average; what it returns
            goes into the metrics. It must leave the method and all randomness as they were.
        resume: go on from the last whole checkpoint; the result is the one of a run that was never stopped.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.

    Raises:
        DataError: the clouds cannot be used as they are; told before training where possible.
        SettingError: settings that cannot work together.
        RunError: `out` exists, or cannot be resumed.
        Interrupted: the user stopped the run; its state is kept.
        TrainingStopped: NaN or divergence; the evidence is kept in `failure/`.
        DiskFullError: no space left; earlier checkpoints are whole.
    """
    config, clouds = checks.named_clouds(described(config, backbone, method), data)
    return train(
        config,
        Path(out),
        clouds,
        backbone=backbone,
        method=method,
        init_from=init_from,
        notes=notes,
        measure=measure,
        resume=resume,
        device=device,
    )


def decided(config: PretrainConfig, run: Path | None, runtime: Runtime) -> PretrainConfig:
    """Return the settings with precision `auto` decided, once for the whole run: what it was begun with, it keeps."""
    if config.precision != "auto":
        return config
    if run is not None and layout.is_begun(run):
        return replace(config, precision=Run.open(run).config.precision)
    fast = bf16_is_fast(runtime.device)
    if runtime.is_main:
        why = "has" if fast else "lacks"
        console.print(f"precision: {'bf16' if fast else 'float32'}, because this device {why} bf16 arithmetic")
    return replace(config, precision="bf16" if fast else "float32")


def described(config: PretrainConfig, backbone: Backbone | None, method: PretextMethod | None) -> PretrainConfig:
    """Return the settings as a run keeps them: a network that was passed as an object is said to be one."""
    if method is not None:
        backbone = method.backbone
        config = replace(config, method=Passed(class_name=type(method).__name__))
    if backbone is not None:
        known = any(type(backbone.config) is settings for settings, _ in BACKBONES.values())
        own = backbone.config if known else None
        config = replace(config, backbone=own or Passed(class_name=type(backbone).__name__))
    return config


def train(
    config: PretrainConfig,
    run: Path,
    data: Data,
    *,
    backbone: Backbone | None = None,
    method: PretextMethod | None = None,
    init_from: Path | str | None = None,
    notes: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
    resume: bool = False,
    device: str | None = None,
) -> Path:
    """Train as `pretrain` does, with settings that are kept as they are given."""
    with start(device) as runtime, own_randomness(runtime.device), ExitStack() as held:
        config = decided(config, run, runtime)
        resume = resume or checks.restarted(run, config)
        checks.check_folder(run, config, resume=resume)
        held.enter_context(_alone(run, runtime))
        checks.check_folder(run, config, resume=resume)  # another job may have begun or ended in between
        if layout.is_finished(run):
            if runtime.is_main:  # killed in its very last moment
                states.clear_leftovers(run)
            return run
        parts = prepare(config, data, backbone, runtime, method, initial.source(run, init_from))
        with _disk_full_explained(run, config):
            parts, fitted = _timed(parts, run)
            record = _begin(run, parts, {**(notes or {}), **fitted, **parts.start})
            with stop_signal() as signal:
                _train(parts, run, record, signal, measure)
            if runtime.is_main:
                _finish(parts, run, record)
            runtime.wait()
    return run


@dataclass(frozen=True, slots=True)
class Parts:
    """All that a run works with, built but not yet trained."""

    config: PretrainConfig
    runtime: Runtime
    dataset: Dataset
    batches: Batches
    state: TrainingState
    total: int | None
    """Updates in the whole run; None where they have to be measured first."""
    start: Mapping[str, Any] = field(default_factory=dict)
    """Where the first weights came from, for the record; empty from scratch."""


def prepare(
    config: PretrainConfig,
    data: Data,
    backbone: Backbone | None,
    runtime: Runtime,
    method: PretextMethod | None = None,
    init_from: str | None = None,
) -> Parts:
    """Build what a run needs, with its first weights drawn from the seed; refuse what cannot work."""
    dataset = open_dataset(data, config.data.split)
    reading, up = config.data.reading, config.data.reading.up_in(dataset)
    if backbone is None and method is None and isinstance(config.backbone, Passed):
        raise SettingError(
            f"the backbone of this run was passed as an object ({config.backbone.class_name}): go on in Python with "
            "backbone=..."
        )
    if method is None and isinstance(config.method, Passed):
        raise SettingError(
            f"the method of this run was passed as an object ({config.method.class_name}): go on in Python with "
            "method=..."
        )
    own = backbone is not None or method is not None
    checks.check_memory(
        config,
        None if own else lambda: build_method(oriented(config.method, up), build_backbone(config.backbone)),
        on_cpu=runtime.device.type == "cpu",
    )
    torch.manual_seed(config.seed)
    if method is None:
        method = build_method(
            oriented(config.method, up), build_backbone(config.backbone) if backbone is None else backbone
        )
    begun = {} if init_from is None else {"start": initial.initialise(method, config, init_from)}
    checks.check_points(config, method)
    checks.check_data(dataset, config, method.backbone.min_points, runtime.world)
    batches = Batches(
        dataset,
        batch=config.data.batch_size,
        points=reading.points,
        seed=config.seed,
        rank=runtime.rank,
        world=runtime.world,
        normalise=reading.normalise,
        allow_repeats=reading.allow_repeats,
        augment=oriented(config.data.augment, up),
        pictures=checks.pictures_for(method, dataset, config),
    )
    if config.precision == "bf16" and runtime.is_main and bf16_is_slow(runtime.device):
        console.print("warning: this processor has no bf16 arithmetic; precision float32 will be faster here")
    method.to(runtime.device)
    average = None if config.ema is None else Average(method, config.ema)
    state = TrainingState(method, build_optimizer(method, config.optim), average)
    total = budget.planned_steps(config, batches)
    return Parts(
        config=config, runtime=runtime, dataset=dataset, batches=batches, state=state, total=total, start=begun
    )


def _begin(run: Path, parts: Parts, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Write the run's settings and record, or check and extend those that are there."""
    runtime, config = parts.runtime, parts.config
    record = provenance(parts.dataset, config.seed, runtime.device, runtime.world) | dict(notes)
    record["data"]["up"] = config.data.reading.up_in(parts.dataset)
    record["job"] = checks.job()
    if parts.batches.pictures is not None:
        record["data"]["views"] = parts.batches.pictures.fingerprint
    if (run / layout.RECORD).is_file():
        now, record = record, layout.read_json(run / layout.RECORD)
        checks.check_same_data(record, now, run)
        for stored in (parts.dataset, parts.batches.pictures):  # a fingerprint is of what the manifest says
            verify(stored)
        record |= {"resumed": [*record.get("resumed", []), now], "job": now["job"]}
    runtime.wait()  # every process has looked before one of them writes
    if runtime.is_main:
        if not layout.is_begun(run):
            write_json(run / layout.CONFIG, to_json(config))
        write_json(run / layout.RECORD, record)
        states.clear_leftovers(run)
    runtime.wait()
    return record


def _timed(parts: Parts, run: Path) -> tuple[Parts, dict[str, Any]]:
    """Turn a time into a number of steps, once for the whole run; what was found is kept in its record."""
    if parts.total is not None:
        return parts, {}
    if (run / layout.RECORD).is_file():
        return replace(parts, total=int(layout.read_json(run / layout.RECORD)["budget"]["steps"])), {}
    state, found = budget.fit_to_time(parts.config, parts.batches, parts.state, parts.runtime)
    if parts.runtime.is_main:
        clouds = found["steps"] * parts.batches.batch * parts.batches.world * parts.config.optim.accumulate
        console.print(
            f"{found['minutes']:g} min at {found['seconds_per_step']:.3g} s a step: "
            f"{found['steps']:,} steps, {clouds:,} clouds"
        )
    return replace(parts, state=state, total=found["steps"]), {"budget": found}


def _train(parts: Parts, run: Path, record: dict[str, Any], signal: StopSignal, measure: Measure | None) -> None:
    """Train to the end, or until something stops the run; whatever it is, the last whole step is kept."""
    config, state, total, runtime = parts.config, parts.state, parts.total, parts.runtime
    assert total is not None
    done, figures = states.restore(state, run)
    first, began = done, time.monotonic()
    losses = monitor.LossWatch(config.divergence_threshold, figures)
    kept = states.kept_steps(total, config.keep_checkpoints_at)
    batches_per_epoch = parts.batches.steps_per_epoch

    def epochs_at(step: int) -> float | None:
        return None if batches_per_epoch is None else step * config.optim.accumulate / batches_per_epoch

    def epoch_ends(step: int) -> bool:
        now, before = (0 if epoch is None else int(epoch) for epoch in (epochs_at(step), epochs_at(step - 1)))
        return now > before or step == total

    def save() -> None:
        if runtime.is_main:
            states.save(state, run, done, config, record, losses.figures)
            states.prune(run, total, config.keep_checkpoints_at)
        runtime.wait()

    observer = Observer(run, config, parts.dataset, state, runtime, done, total) if runtime.is_main else None
    steps = loop.run(state, parts.batches, config, runtime, start=done, total=total)
    try:
        with closing(steps):
            if done == 0 and 0 in kept:
                save()
            for step in steps:
                fault = losses.fault(step)
                if fault is not None:
                    raise monitor.stop(fault, step, state, config, run, runtime.rank)
                done = step.index + 1
                if observer is not None:
                    measured = measure(state.averaged()) if measure is not None and epoch_ends(done) else {}
                    observer.see(step, epochs_at(done), measured)
                stopped = runtime.any(signal.received)
                if done % config.checkpoint_every == 0 or done in kept or done == total or stopped:
                    save()
                if stopped and done < total:
                    kept_line = f"stopped after step {done} of {total}; nothing is lost"
                    raise Interrupted(f"{kept_line}, go on with: {resume_command(run, config)}")
    except DataError:
        # A cloud turned out unreadable on the way: what was learned before it is kept. Among several processes only one
        # has met it, and the others cannot be asked to save; they have their last checkpoint.
        if done > first and runtime.world == 1:
            save()
        raise
    except KeyboardInterrupt as error:
        last = latest(run)
        at = f"the checkpoint of step {step_of(last)} is kept" if last else "there was no checkpoint yet"
        raise Interrupted(f"stopped at once; {at}, go on with: {resume_command(run, config)}") from error
    finally:
        if observer is not None:
            observer.close()
    seconds = time.monotonic() - began
    clouds = (total - first) * config.data.batch_size * config.optim.accumulate * runtime.world
    record["finished"] = {
        "steps": total,
        "seconds": round(seconds, 2),
        "clouds_per_s": round(clouds / max(seconds, 1e-9), 1),
    }


def _finish(parts: Parts, run: Path, record: dict[str, Any]) -> None:
    """Write the encoder, with the averaged weights where the run keeps an average."""
    write_json(run / layout.RECORD, record)
    method = parts.state.method
    if parts.state.average is not None:
        load_weights(method, parts.state.average.tensors, run)
    write_encoder(method.backbone, parts.config, record, run / layout.ENCODER)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def _alone(run: Path, runtime: Runtime) -> Iterator[None]:
    """Keep other jobs out of the run while this one trains it."""
    with lock(run / checks.LOCK, f"the run {run}") if runtime.is_main else nullcontext():
        runtime.wait()  # nobody looks into the folder before it is ours
        yield


@contextmanager
def _disk_full_explained(run: Path, config: PretrainConfig) -> Iterator[None]:
    """Say of a full disk what is kept and how to go on."""
    try:
        yield
    except DiskFullError as error:
        last = latest(run)
        kept = f"checkpoints to step {step_of(last)} are whole" if last else "there was no checkpoint yet"
        raise DiskFullError(
            f"{str(error).split(';')[0]}; {kept}; free some space and run: {resume_command(run, config)}"
        ) from error
