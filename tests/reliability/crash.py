"""Kill before every file event: what each command leaves on the disk, and whether the same command then ends well.

An audit hook sees every file that Python opens, makes, renames or removes. Before each such event what lies on the disk
is copied: that is what a kill at this moment leaves (locks are held by processes, and gone with them). States that
differ in nothing are tried once. Then each is put back in its place and the same command runs again, for a run that was
begun with `--resume` in the way its message says. It must end with the bytes of an undisturbed command: what is not the
same in two undisturbed ones (times, speeds) is compared without those places. At a share of the events a process is
really killed, and must leave what the copy holds.

python -m tests.reliability.crash [--only pretrain,pack] [--states 0]     # writes results/crash.json
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.files import write_json

Tree = dict[str, bytes]
"""Contents by path; folders end in a slash."""

EVENTS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink")
READING = "--data.points 16 --data.batch-size 2 --checkpoint-every 2 --log-every 1 --steps 4"
COMMANDS = {
    "pretrain": f"pretrain parae-tiny --data shapes --out new {READING}",
    "train": f"train train-tiny --data shapes --out new {READING}",
    "pack": "data pack shapes new --points 16 --workers 1",
    "views": "data views shapes new --size 16 --views 2 --workers 1",
    "evaluate": "evaluate run --data shapes --protocols knn-1 --points 16",
    "embed": "embed run --data shapes --out new/vectors.parquet --points 16",
    "report": "report run --shapes 2",
    "interpret": "interpret classifier --data shapes --out new --clouds 2 --regions 3 --points 16",
}
"""What is killed, in a folder with `shapes`, and the runs `run` and `classifier`."""
FINE = ("same bytes", "finished, and said so")
"""What is wanted: the second is said of a result that was whole when its command was killed."""
TOLD = {"/files/record.json"}
"""A run tells in its record when it was resumed, and its checkpoints how long that record is."""
BEFORE = {
    "run": COMMANDS["pretrain"].replace("--out new", "--out run"),
    "classifier": COMMANDS["train"].replace("--out new", "--out classifier"),
}
_MODULES = (
    *(f"app.{name}" for name in ("flags", "commands", "pretrain_commands", "train_commands", "evaluate_commands")),
    *("app.interpret_commands", "app.data_commands", "app.view_commands", "show.run.report", "show.interactions.page"),
    *("evaluation.embed", "evaluation.suite", "data.store.pack", "data.views.write", "train.pretrain"),
)


def in_child(work: Callable[[], int], said: Path) -> int:
    """Run `work` in a fork of this warm process and return its exit code, below zero after a signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            code = work()
        except BaseException:
            import traceback

            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def command(words: str) -> int:
    """Run a command in this process."""
    from pointssl.app import cli

    try:
        cli.main(words.split())
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def before_each(place: Path, do: Callable[[int], None]) -> None:
    """Call `do` with the number of every file event below `place`, just before it happens."""
    busy, count = [False], [0]
    root = os.fspath(place)

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event not in EVENTS or busy[0] or not isinstance(values[0], str | bytes):
            return
        if os.path.abspath(os.fsdecode(values[0])).startswith(root):  # noqa: PTH100 - links stay
            busy[0] = True
            try:
                do(count[0])
            finally:
                busy[0] = False
            count[0] += 1

    sys.addaudithook(hook)


def tree_of(place: Path) -> Tree:
    """Return everything below `place`; names of temporary folders, which are drawn, are made one."""
    found: Tree = {}
    for path in sorted(place.rglob("*")):
        name = re.sub(r"\.[0-9a-f]{8}\.partial", ".X.partial", path.relative_to(place).as_posix())
        found[name + "/" * path.is_dir()] = b"" if path.is_dir() else path.read_bytes()
    return found


def digest(tree: Tree) -> str:
    """Return one word for a tree."""
    return hashlib.sha256(
        repr(sorted((name, hashlib.sha256(held).digest()) for name, held in tree.items())).encode()
    ).hexdigest()


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value inside JSON with the way to it."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, f"{at}/{key}")
    else:
        yield at, value


def parts(name: str, content: bytes) -> dict[str, Any]:
    """Return what a file says in pieces that can be compared one by one."""
    text = content.decode("utf-8", errors="replace")
    if name.endswith(".json"):
        return dict(leaves(json.loads(text)))
    if name.endswith(".jsonl"):
        return dict(leaves([json.loads(line) for line in text.splitlines()]))
    return {str(number): line for number, line in enumerate(re.split(r"(?<=[>,])|\n", text))}


def differences(found: Tree, whole: Tree, other: Tree) -> list[str]:
    """Say in what a tree is not what undisturbed commands leave, of which there are two."""
    wrong = [f"{name} is missing" for name in sorted(whole.keys() - found.keys())]
    wrong += [f"{name} is left over" for name in sorted(found.keys() - whole.keys())]
    for name in sorted(whole.keys() & found.keys()):
        if found[name] == whole[name] or found[name] == other[name]:
            continue
        if whole[name] == other[name]:
            wrong.append(f"{name} differs")
            continue
        now, one, two = (parts(name, content) for content in (found[name], whole[name], other[name]))
        same = {key for key, value in one.items() if key in two and two[key] == value} - TOLD
        # How long it took, rounded, may be the same twice by chance.
        same = {key for key in same if not key.endswith("/seconds")}
        if bad := sorted(key for key in same if now.get(key, None) != one[key]):
            wrong.append(f"{name} differs in {', '.join(bad[:3])}")
    return wrong


def put_back(state: Path, place: Path) -> None:
    """Make `place` what `state` holds."""
    for path in place.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(state, place, dirs_exist_ok=True, symlinks=True)


def again(words: str, said: Path) -> tuple[int, str]:
    """Run a command again as a user would: where it says that a run is resumed, in that way."""
    code, text = in_child(lambda: command(words), said), said.read_text(encoding="utf-8", errors="replace")
    if code == 2 and "--resume" in text:
        verb, folder = words.split(maxsplit=1)[0], words.split("--out ")[1].split(maxsplit=1)[0]
        code = in_child(lambda: command(f"{verb} --resume {folder}"), said)
        text = said.read_text(encoding="utf-8", errors="replace")
    return code, text


def verdict(code: int, text: str, wrong: list[str]) -> tuple[str, str]:
    """Return what became of a state, and what shows it."""
    last = (text.strip().splitlines() or [""])[-1][:200]
    if "Traceback" in text:
        return "traceback", last
    finished = code == 2 and "exists already" in last and not wrong
    if code != 0 and not finished:
        return "stuck", f"exit {code}: {last}"
    if not wrong:
        return ("finished, and said so" if finished else "same bytes"), ""
    return ("leftovers" if all(one.endswith("left over") for one in wrong) else "lost"), "; ".join(wrong[:4])


def crash(name: str, start: Path, place: Path, scratch: Path, *, states: int = 0, killed: int = 12) -> dict[str, Any]:
    """Try one command from `start`, in `place`: `states` of its states (0: all), `killed` real kills."""
    words, said, copies = COMMANDS[name], scratch / "said.txt", scratch / f"{name}.states"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    undisturbed: list[Tree] = []
    for _ in range(2):
        put_back(start, place)
        code = in_child(lambda: command(words), said)
        if code != 0:
            raise RuntimeError(f"{words} ends with {code}: {said.read_text()[-2000:]}")
        undisturbed.append(tree_of(place))
        time.sleep(1.1)  # so that times written in seconds differ
    seen: set[str] = set()

    def look(number: int) -> None:
        known = digest(tree_of(place))
        if known not in seen:
            seen.add(known)
            shutil.copytree(place, copies / f"{number:05d}", symlinks=True)
        (copies / "events").write_text(str(number + 1))

    def watched() -> int:
        before_each(place, look)
        return command(words)

    put_back(start, place)
    in_child(watched, said)
    events = int((copies / "events").read_text())
    numbers = sorted(int(path.name) for path in copies.iterdir() if path.is_dir())
    chosen = numbers if states == 0 else [numbers[at] for at in np.linspace(0, len(numbers) - 1, states).astype(int)]
    outcomes: Counter[str] = Counter()
    bad: list[dict[str, Any]] = []
    for number in dict.fromkeys(chosen):
        put_back(copies / f"{number:05d}", place)
        code, text = again(words, said)
        outcome, why = verdict(code, text, differences(tree_of(place), *undisturbed))
        outcomes[outcome] += 1
        if outcome not in FINE:
            bad.append({"before_event": number, "outcome": outcome, "why": why})
    as_copied = 0
    real = [int(number) for number in np.linspace(0, events - 1, min(killed, events))]
    for number in real:
        put_back(start, place)
        code = in_child(partial(_killed_at, number, place, words), said)
        left = max((one for one in numbers if one <= number), default=0)
        gone, copied = tree_of(place), tree_of(copies / f"{left:05d}")
        as_copied += code == -signal.SIGKILL and gone.keys() == copied.keys()
        code, text = again(words, said)
        outcome, why = verdict(code, text, differences(tree_of(place), *undisturbed))
        outcomes[outcome] += 1
        if outcome not in FINE:
            bad.append({"killed_before_event": number, "outcome": outcome, "why": why})
    shutil.rmtree(copies)
    return {
        "command": f"pointssl {words}",
        "events": events,
        "states": len(numbers),
        "states_tried": len(dict.fromkeys(chosen)),
        "kills": len(real),
        "kills_that_left_the_names_of_the_copy": as_copied,
        "outcomes": dict(sorted(outcomes.items())),
        "bad": bad,
    }


def _killed_at(number: int, place: Path, words: str) -> int:
    def end(now: int) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    before_each(place, end)
    return command(words)


def prepare(folder: Path) -> tuple[Path, Path]:
    """Make the shapes and runs that the commands need; return where they are kept, and the place of the commands.

    Everything that commands import is imported here, once; the working folder becomes that place.
    """
    import torch

    torch.set_num_threads(1)
    for module in _MODULES:
        import_module(f"pointssl.{module}")
    place, start = folder / "place", folder / "start"
    place.mkdir()
    os.chdir(place)
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("a", "b"):
            (place / "shapes" / split / label).mkdir(parents=True)
            for number in range(3):
                points = random.normal(size=(40, 3)).astype(np.float32)
                np.save(place / "shapes" / split / label / f"{split}-{label}-{number}.npy", points)
    for words in BEFORE.values():
        said = folder / "said.txt"
        if in_child(lambda words=words: command(words), said) != 0:  # type: ignore[misc]
            raise RuntimeError(said.read_text())
    shutil.copytree(place, start)
    return start, place


def main() -> None:
    """Try every command and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"some of {','.join(COMMANDS)}")
    parser.add_argument("--states", type=int, default=0, help="states tried of each command; 0: all")
    parser.add_argument("--killed", type=int, default=12, help="real kills of each command")
    parser.add_argument("--out", type=Path, default=Path("results/crash.json"))
    given = parser.parse_args()
    out = given.out.resolve()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        start, place = prepare(Path(folder).resolve())
        for name in given.only.split(",") if given.only else COMMANDS:
            began = time.monotonic()
            found = crash(name, start, place, Path(folder).resolve(), states=given.states, killed=given.killed)
            results[name] = found
            print(name, found["events"], "events", found["states"], "states", found["outcomes"], end=" ")
            print(
                f"{time.monotonic() - began:.0f} s", *[one["why"] for one in found["bad"][:5]], sep="\n    ", flush=True
            )
        os.chdir("/")
    write_json(out, {"commands": results})


if __name__ == "__main__":
    main()
