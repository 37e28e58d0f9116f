"""What a supervised run starts from, and whether one that goes on is still the run that was begun."""

from pathlib import Path
from typing import Any

from pointssl.backbones import Backbone
from pointssl.errors import DataError, RunError, SettingError
from pointssl.methods import PretextMethod
from pointssl.runs import layout
from pointssl.runs.checkpoint import latest
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.weights import digest, key_report
from pointssl.train.checks import differences


def weights_note(encoder: Backbone, name: str | None = None) -> dict[str, str]:
    """Return what the record says of the weights that training starts from."""
    return {"from": name or type(encoder).__name__, "digest": digest(encoder)}


def initialise(
    method: PretextMethod,
    config: PretrainConfig,
    init_from: Path | str | Backbone | None,
    before: dict[str, Any] | None,
    run: Path,
) -> dict[str, str] | None:
    """Give `method` the weights it starts from, and return what the record says of them; None from scratch."""
    if init_from is None and before is not None and before["start"] is not None:
        if latest(run) is not None:  # they are in the checkpoint already
            noted: dict[str, str] = before["start"]
            return noted
        init_from = str(before["start"]["from"])
    if init_from is None:
        return None
    if isinstance(init_from, Backbone):
        encoder, name = init_from, None
        report = key_report(method.backbone.state_dict(), encoder.state_dict())
        if report:
            raise SettingError(f"init_from does not fit the settings' encoder: {report}; change backbone to fit it")
    else:
        other = list(differences(Run.open(init_from).config.backbone, config.backbone, "backbone"))
        if other:
            raise SettingError(
                f"the encoder of {init_from} has other settings than this run's: {'; '.join(other)}; give the run the "
                "same ones"
            )
        encoder, name = Run.open(init_from).encoder(), str(init_from)
    method.backbone.load_state_dict(encoder.state_dict())
    return weights_note(encoder, name)


def begun(run: Path) -> dict[str, Any] | None:
    """Return what a run's record says of its start and labels; None where it was not begun."""
    if not (run / layout.RECORD).is_file():
        return None
    noted = Run.open(run).record.get("training")
    if not isinstance(noted, dict):
        raise RunError(f"{run} is no run of `pointssl train`: its record.json says nothing of labels")
    return noted


def check_same(before: dict[str, Any], now: dict[str, Any], run: Path) -> None:
    """Refuse to go on with another start, other labels or other test clouds than the run began with."""
    was, is_now = (notes["start"] and notes["start"]["digest"] for notes in (before, now))
    if was != is_now:
        came = "from scratch" if before["start"] is None else f"from the encoder of {before['start']['from']}"
        raise RunError(f"{run} was begun {came}, not from these weights; start another run with --out")
    for what in ("labels", "classes", "scored_on", *({"allowed"} & now.keys())):
        if before[what] != now[what]:
            raise DataError(f"{run} was begun with other {what}: {before[what]}, now {now[what]}; start another run")
