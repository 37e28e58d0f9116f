"""The checkpoints of a run: which there are, and which of them are whole."""

import re
from pathlib import Path

from pointssl.errors import RunError
from pointssl.progress import say
from pointssl.runs import seal
from pointssl.runs.layout import AVERAGE, CHECKPOINTS, STATE, WEIGHTS

_STEP = re.compile(r"step-(\d{8,})")


def checkpoints(run: Path) -> list[Path]:
    """Return the whole checkpoints of a run, oldest first; half-written ones are passed over."""
    numbered = [(int(found[1]), p) for p in (run / CHECKPOINTS).glob("*") if (found := _STEP.fullmatch(p.name))]
    return [path for _, path in sorted(numbered) if is_whole(path)]


def checkpoint_at(run: Path, step: int) -> Path:
    """Return where the checkpoint after `step` updates lies, or will lie."""
    return run / CHECKPOINTS / f"step-{step:08d}"


def latest(run: Path | str) -> Path | None:
    """Return the last whole checkpoint of a run, or None."""
    found = checkpoints(Path(run))
    return found[-1] if found else None


def step_of(checkpoint: Path) -> int:
    """Return the number of updates that were made before a checkpoint."""
    found = _STEP.fullmatch(checkpoint.name)
    if found is None:
        raise RunError(f"{checkpoint} is not a checkpoint folder; those are called step-00001234")
    return int(found[1])


def is_checkpoint(folder: Path) -> bool:
    """Tell a checkpoint from a run and from an encoder."""
    return (folder / STATE).is_file()


def is_whole(checkpoint: Path) -> bool:
    """True when every file that the checkpoint lists is there in its full size; `seal.check` looks at their bytes."""
    try:
        sizes = seal.read(checkpoint / STATE).files
        return bool(sizes) and all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, RunError):
        return False


def undamaged(run: Path) -> Path | None:
    """Return the last checkpoint of a run whose every byte is as it was written, or None; others are told of."""
    for folder in reversed(checkpoints(run)):
        try:
            seal.check(folder / STATE)
        except RunError as error:
            say(f"warning: {error}; taking the checkpoint before it")
        else:
            return folder
    return None


def weights_of(checkpoint: Path) -> Path:
    """Return the file of weights that a checkpoint stands for: their average, where it has one."""
    average = checkpoint / AVERAGE
    return average if average.is_file() else checkpoint / WEIGHTS
