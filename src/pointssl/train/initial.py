"""The weights that a pre-training run starts from, where it does not start from scratch: those of another run."""

from pathlib import Path

from pointssl.errors import RunError, SettingError
from pointssl.methods import PretextMethod
from pointssl.runs import layout
from pointssl.runs.checkpoint import latest
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.train.checks import differences

Start = dict[str, str]
"""What the record says of the weights: `from` where they came, `digest` of the encoder, `weights` method or encoder."""


def initialise(method: PretextMethod, config: PretrainConfig, init_from: str) -> Start:
    """Give `method` the weights of a run: all of them where both have the same task, else those of the encoder.

    Raises:
        SettingError: the encoder of the run has other settings.
        RunError: there is no such run, or it holds no weights.
    """
    other = Run.open(init_from)
    unlike = list(differences(other.config.backbone, config.backbone, "backbone"))
    if unlike:
        raise SettingError(
            f"the encoder of {init_from} has other settings than this run's: {'; '.join(unlike)}; give the run the "
            "same ones"
        )
    whole = _whole(other) if other.config.method == config.method else None
    if whole is not None:
        method.load_state_dict(whole.state_dict())
    else:
        encoder = Run.open(other, backbone=method.backbone).encoder()
        method.backbone.load_state_dict(encoder.state_dict())
        method.after_load()
    weights = "encoder" if whole is None else "method"
    return {"from": str(other.folder), "digest": digest(method.backbone), "weights": weights}


def source(run: Path, init_from: Path | str | None) -> str | None:
    """Return where the weights of `run` are to come from; None from scratch, and where a checkpoint holds them already.

    A run that is resumed before its first checkpoint starts where it started.
    """
    if latest(run) is not None:
        return None
    if init_from is not None:
        return str(init_from)
    if not (run / layout.RECORD).is_file():
        return None
    start = layout.read_json(run / layout.RECORD).get("start")
    return str(start["from"]) if isinstance(start, dict) and "from" in start else None


def _whole(run: Run) -> PretextMethod | None:
    """Return the whole method of a run; None of an encoder alone, and where objects were passed."""
    try:
        return run.method()
    except RunError:
        return None
