"""The command `pointssl`: finds the command's function, turns its signature into flags, prints errors as one line.

Nothing heavy is imported until a command is chosen: `pointssl --help` must answer at once.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from pointssl.errors import UserError, nearest
from pointssl.formatting import visible


class Command(NamedTuple):
    """Where a command lives, and what it does in a line; everything else is said by its function."""

    where: str
    """`module:function` in this package. A function called `run` reads its words itself; of any other the signature is
    the flags."""
    summary: str


COMMANDS: dict[str, Command] = {
    "demo": Command("commands:demo", "pre-train, evaluate and draw in one go: on generated shapes, or with --data"),
    "recipes": Command("commands:recipes", "list the settings that `pretrain` and `train` can start from"),
    "pretrain": Command(
        "pretrain_commands:run", "pre-train an encoder on unlabelled clouds: pretrain RECIPE --data PATH --out RUN"
    ),
    "train": Command(
        "train_commands:run", "train a classifier on labelled clouds: train RECIPE --data PATH [--init-from RUN]"
    ),
    "evaluate": Command(
        "evaluate_commands:evaluate",
        "measure a run's encoder beside its random-init baseline: evaluate RUN --data PATH",
    ),
    "compare": Command(
        "evaluate_commands:compare",
        "compare the encoders of several runs on the same clouds: compare RUN RUN --data PATH",
    ),
    "diagnose": Command(
        "evaluate_commands:diagnose", "what a run's features are like, without a classifier: diagnose RUN --data PATH"
    ),
    "interpret": Command(
        "interpret_commands:interpret", "which structures classifiers use: interpret RUN [RUN ...] --data PATH"
    ),
    "study": Command(
        "study_commands:run",
        "what pre-training changes, how much of it, what carries over: study pretraining|scaling|transfer",
    ),
    "embed": Command(
        "commands:embed", "write one vector per cloud: embed CLOUDS --out FILE, or embed RUN --data CLOUDS ..."
    ),
    "segment": Command(
        "segment_commands:segment",
        "label every point of a large scan in a copy of its file: segment RUN SCAN --out FILE",
    ),
    "whiten": Command("commands:whiten", "fit a whitening of features on unlabelled clouds: whiten RUN --data CLOUDS"),
    "explore": Command(
        "search_commands:explore", "all shapes of a folder on one map that opens offline: explore FOLDER --out map.html"
    ),
    "index": Command("search_commands:index", "encode shapes once for `search`: index FOLDER --out parts.index"),
    "search": Command("search_commands:search", "the shapes most like one: search parts.index FILE"),
    "duplicates": Command("search_commands:duplicates", "shapes that are there twice: duplicates FOLDER"),
    "models": Command("model_commands:models", "list the encoders that come with the package, or show one's card"),
    "import": Command(
        "model_commands:import_weights", "take over a public weight file: import FILE --layout crosspoint --out FOLDER"
    ),
    "untrained": Command(
        "model_commands:untrained", "write an encoder as it is before training, or one without weights: untrained NAME"
    ),
    "report": Command("commands:report", "write a run's pictures and its page: report RUN"),
    "data": Command(
        "data_commands:run", "look at, check, pack and fetch clouds: data check|pack|cut|get|rooms|list|show|views"
    ),
}
"""The one list of commands: adding one is an entry here and its function."""

_WITH_OUT = ("demo", "pretrain", "train", "study", "embed", "import", "report", "evaluate", "interpret")
"""Commands that take `--out`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with 0, with 2 after a user's error, or with 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that the terminal has no letters for are told, not died of
            stream.reconfigure(errors="backslashreplace")
    # Twice as fast training steps on CPUs; must be set before torch allocates anything.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        _run(words)
    except UserError as error:
        _leave(str(error), 2)
    except KeyboardInterrupt:
        _leave("stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left: nothing to say to it
        sys.exit(0)
    except OSError as error:
        if error.errno is None:
            raise
        _leave(_told(error, words), 2)
    except (MemoryError, RuntimeError) as error:
        from pointssl.memory import is_exhausted

        if not is_exhausted(error):
            raise
        why = str(error) or type(error).__name__
        _leave(f"not enough memory ({why}); take fewer or smaller clouds, batches or pictures", 2)


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return
    if words[0] in ("-V", "--version"):
        from pointssl import __version__

        print(f"pointssl {__version__}")
        return
    name = words[0]
    if name not in COMMANDS:
        raise UserError(f"there is no command '{name}'{nearest(name, COMMANDS)}")
    module, _, function = COMMANDS[name].where.partition(":")
    command = getattr(import_module(f"pointssl.app.{module}"), function)
    if function == "run":
        command(words[1:])
    else:
        from pointssl.app import flags

        flags.call(command, words[1:], f"pointssl {name}")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {one.summary}" for name, one in COMMANDS.items())
    return (
        "pointssl: self-supervised learning on 3D point clouds\n\n"
        f"usage: pointssl COMMAND ...\n\n{lines}\n\n"
        "`pointssl COMMAND --help` lists a command's settings. Start with: pointssl demo"
    )


def _told(error: OSError, words: list[str]) -> str:
    """Say in a line what the system refused, and what to do where that is known."""
    where = f" for {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk{where}; free some and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission{where}; {_elsewhere(words)}"
    if error.errno == errno.ENAMETOOLONG:
        return f"a name is too long{where}; {_elsewhere(words)}"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        return f"there is a file where a folder should be, or the other way round{where}; {_elsewhere(words)}"
    return f"{error.strerror or type(error).__name__}{where}"


def _elsewhere(words: list[str]) -> str:
    """Name the way to another place that this command has."""
    if words[:1] and words[0] in _WITH_OUT:
        return "choose another place with --out"
    if words[:2] in (["data", "pack"], ["data", "views"], ["data", "cut"]):
        return "choose another place to write to"
    return "change its rights, or use a copy of it in a place of your own"


def _leave(message: str, code: int) -> None:
    # Whoever serves a download or names a file decides what stands in a message: no control characters of theirs.
    print(f"pointssl: {visible(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
