"""What went wrong on the user's side, in one line that says what, where and what to do.

The command line prints these without a traceback and exits with code 2. Library code below the edges raises
`ValueError`; everything that touches a user's files, settings or runs raises one of these.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Base of all errors that the user can mend; the message is the whole story."""


class DataError(UserError):
    """Files, folders or data sets that cannot be used as they are."""


class SettingError(UserError):
    """A recipe, setting or combination of settings that does not exist or cannot work."""


class RunError(UserError):
    """A run folder or checkpoint that is missing, half written or of another shape."""


class BusyError(UserError):
    """Another process is at work in the same place."""


class DiskFullError(UserError):
    """No space left; whatever was complete before is still there."""


class TrainingStopped(UserError):
    """Training stopped itself (NaN, divergence); the message says where the evidence lies."""


class Interrupted(UserError):
    """The user pressed Ctrl-C; the message says what was kept and how to go on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ` (did you mean 'dgcnn'?)`, or the choices where nothing is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" (did you mean '{close[0]}'?)"
    return f" (choose from: {', '.join(names)})"
