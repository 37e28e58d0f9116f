"""Damage files at random and see what becomes of them: read, refused in one line, or anything else.

Every file is read in a process of its own kind: a fork of this warm one, with a limit of memory and of processor time,
that is started again where it dies. The damage is a function of (seed, kind, number). Outcomes:

    as before        what was read is what the whole file holds: the damage lies where nothing looks
    other numbers    as many clouds and points as before, other coordinates: the damage changed numbers of the file, and
                     its format has no checksum that could tell
    other counts     another number of clouds, points or triangles: listed with what it was
    refused          an error of one line
    child            the same, but the process that reads foreign kinds was ended for it, or ended itself
    traceback, hang, memory, died

python -m tests.reliability.fuzz [--each 200] [--only ply,json] [--seed 0]     # writes results/fuzz.json
"""

import argparse
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.files import write_json
from tests.reliability import crash, samples

SECONDS, MEMORY = 5, 1 << 30
"""Processor time and address space (beyond what the process has) that one file may take."""

Read = Callable[[Path], Any]
"""Reads a damaged file and returns counts and contents; what it raises is the outcome."""

_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_WORDS = (b"-1", b"0", b"999999999", b"4294967295", b"1e999", b"nan", b"", b"99999999999999999999", b"x", b"1e30")


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content with one kind of damage, at a random place."""
    held, size = bytearray(content), len(content)
    at = int(random.integers(size))
    how = int(random.integers(9))
    # Half of all damage meets the first 200 bytes, where headers are.
    if random.random() < 0.5:
        at %= min(size, 200)
    length = int(random.integers(1, 40))
    if how == 0:
        for place in random.integers(size, size=int(random.integers(1, 9))):
            held[place] ^= 1 << int(random.integers(8))
    elif how == 1:
        held[at] ^= 1 << int(random.integers(8))
    elif how == 2:
        del held[at:]
    elif how == 3:
        held[at : at + length] = bytes([int(random.choice([0, 255]))]) * len(held[at : at + length])
    elif how == 4:
        del held[at : at + length]
    elif how == 5:
        held[at:at] = held[at : at + length]
    elif how == 6:
        held[at : at + 4] = int(random.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 100_000_000])).to_bytes(4, "little")
    elif how == 7 and (numbers := list(_NUMBER.finditer(content[:2000]))):
        found = numbers[int(random.integers(len(numbers)))]
        held[found.start() : found.end()] = _WORDS[int(random.integers(len(_WORDS)))]
    else:
        held[at : at + length] = random.bytes(length)
    return bytes(held)


def changed_json(content: bytes, random: np.random.Generator) -> bytes:
    """Return JSON with one value replaced by one of another kind, or damaged as any file is."""
    if random.random() < 0.4:
        return damaged(content, random)
    value = json.loads(content)
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        for key in inner if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], dict | list):
                walk(inner[key])

    walk(value)
    holder, key = places[int(random.integers(len(places)))]
    kinds: tuple[Any, ...] = (
        None,
        -1,
        0,
        10**9,
        1e300,
        "",
        "x",
        [],
        {},
        True,
        [[[]]],
        "../../x",
        10**30,
        {"a": 1},
        0.5,
    )
    holder[key] = kinds[int(random.integers(len(kinds)))]
    if random.random() < 0.2 and isinstance(holder, dict):
        del holder[key]
    return json.dumps(value).encode()


def read_file(path: Path) -> Any:
    """Read clouds, and the surface of a mesh, through the door that commands take; return what can be compared."""
    from pointssl.data.files import readers
    from pointssl.data.files.isolation import apart
    from pointssl.data.files.meshes import SURFACES

    if (
        path.suffix == ".gz"
        or (path.suffix in SURFACES and path.suffix != ".ply")
        or b"element face" in path.read_bytes()
    ):
        surface = apart(readers.read_surface, path)
        return [surface.vertices.shape, surface.faces.shape], surface.vertices[surface.faces]
    clouds = apart(readers.read_clouds, path)
    return [cloud.points.shape for cloud in clouds], np.concatenate([cloud.points for cloud in clouds])


def read_pictures(path: Path) -> Any:
    """Pack a folder of two pictures of which this is one."""
    from pointssl.data.views.config import ViewConfig
    from pointssl.data.views.sources import open_source, renderer, shape_of

    source = open_source(path.parent.parent)
    shape_of(source, ViewConfig())
    found = [renderer(source, ViewConfig())(place, "") for place in range(len(source))]
    return [one.shape for one in found], np.stack(found)


def read_run(path: Path) -> Any:
    """Open an encoder folder of which this is one file, as evaluating does."""
    from pointssl.runs.run import Run

    run = Run.open(path.parent)
    encoder = run.encoder()
    assert run.trained_on is None or str(run.trained_on)
    return [str(run.reading)], np.concatenate([one.detach().numpy().ravel() for one in encoder.state_dict().values()])


def resume(path: Path) -> Any:
    """Go on with a run of which this is one file."""
    from pointssl.app import cli
    from pointssl.errors import UserError

    run = next(one for one in path.parents if one.name == "run")
    shutil.rmtree(run / "encoder", ignore_errors=True)
    try:
        cli._run(["pretrain", "--resume", str(run)])
    except SystemExit as left:
        raise UserError("left") from left
    return [], np.frombuffer((run / "encoder" / "model.safetensors").read_bytes(), np.uint8)


def read_store(path: Path) -> Any:
    """Read all clouds of a store of which this is one file."""
    from pointssl.data.open import open_dataset

    data = open_dataset(str(next(one for one in path.parents if one.name == "store")))
    found = [data[place] for place in range(len(data))]
    return [(one.points.shape, one.label) for one in found], np.concatenate([one.points for one in found])


def read_views(path: Path) -> Any:
    """Read all views of a store of which this is one file."""
    from pointssl.data.views.store import open_views

    views = open_views(next(one for one in path.parents if one.name == "views"))
    found = [views.views(row, np.array([0])) for row in range(len(views))]
    return [one.shape for one in found], np.stack(found)


def cases(folder: Path) -> dict[str, tuple[Path, bytes, Read, Callable[[bytes, np.random.Generator], bytes]]]:
    """Return for every kind where its file lies, what it holds, what reads it and what damages it."""
    made: dict[str, tuple[Path, bytes, Read, Callable[[bytes, np.random.Generator], bytes]]] = {}
    # In a process of its own: some writers start threads, with which this one could not be forked any more.
    if crash.in_child(lambda: _write_files(folder), folder / "said.txt") != 0:
        raise RuntimeError((folder / "said.txt").read_text())
    for kind, place in json.loads((folder / "files.json").read_text()).items():
        made[kind] = (Path(place), Path(place).read_bytes(), read_file, damaged)
    for kind in ("png", "jpeg"):
        for place in ("a", "b"):
            (folder / kind / place).mkdir(parents=True)
            (folder / kind / place / f"0.{kind}").write_bytes(samples.picture(kind))
        made[kind] = (folder / kind / "b" / f"0.{kind}", samples.picture(kind), read_pictures, damaged)
    _runs_and_stores(folder)
    last = folder / "run" / "checkpoints" / "step-00000004"
    for name, path, read in (
        ("config.json", folder / "run" / "config.json", resume),
        ("record.json", folder / "run" / "record.json", resume),
        ("checkpoint state.json", last / "state.json", resume),
        ("checkpoint weights", last / "model.safetensors", resume),
        ("checkpoint optimiser", last / "optimizer.safetensors", resume),
        ("metrics.jsonl", folder / "run" / "metrics.jsonl", resume),
        ("encoder config.json", folder / "run" / "encoder" / "config.json", read_run),
        ("encoder record.json", folder / "run" / "encoder" / "record.json", read_run),
        ("encoder weights", folder / "run" / "encoder" / "model.safetensors", read_run),
        ("store manifest.json", folder / "store" / "manifest.json", read_store),
        ("views views.json", folder / "views" / "views.json", read_views),
    ):
        change = changed_json if name.endswith(".json") else damaged
        made[name] = (path, path.read_bytes(), read, change)
    return made


def _write_files(folder: Path) -> int:
    places = {}
    for kind, (name, content) in samples.files(folder).items():
        place = folder / kind.replace(" ", "-").replace(".", "-")
        place.mkdir()
        (place / name).write_bytes(content)
        places[kind] = str(place / name)
    (folder / "files.json").write_text(json.dumps(places))
    return 0


def _runs_and_stores(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        for label in "ab":
            (folder / "shapes" / label).mkdir(parents=True)
            for number in range(3):
                np.save(folder / "shapes" / label / f"{label}{number}.npy", np.roll(samples.points(), number, axis=0))
        for words in (
            f"pretrain parae-tiny --data {folder}/shapes --out run {crash.READING}",
            "data pack shapes store --points 16 --workers 1",
            "data views shapes views --size 16 --views 2 --workers 1",
        ):
            if crash.in_child(lambda words=words: crash.command(words), folder / "said.txt") != 0:  # type: ignore[misc]
                raise RuntimeError((folder / "said.txt").read_text())
    finally:
        os.chdir(before)


def fuzz(kind: str, case: tuple[Path, bytes, Read, Any], count: int, seed: int) -> dict[str, Any]:
    """Damage one kind `count` times."""
    path, content = case[:2]
    copy = _Copy(path)
    path.write_bytes(content)
    outcomes: Counter[str] = Counter()
    shown: dict[str, list[str]] = {}
    slowest, number = 0.0, 0
    while number < count:
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            code = 1
            try:
                _work(send, copy, case, (kind, seed), range(number, count))
                code = 0
            finally:
                os._exit(code)
        os.close(send)
        with os.fdopen(receive) as told:
            for line in told:
                outcome, seconds, why = line.rstrip("\n").split("\t", 2)
                outcomes[outcome] += 1
                slowest = max(slowest, float(seconds))
                if outcome not in ("as before", "refused", "other numbers"):
                    shown.setdefault(outcome, []).append(f"{number}: {why}")
                number += 1
        _, status = os.waitpid(child, 0)
        if status != 0:
            ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            outcome = "hang" if ended in (signal.SIGPROF, signal.SIGALRM) else "died"
            outcomes[outcome] += 1
            shown.setdefault(outcome, []).append(f"{number}: signal {ended}")
            number += 1
    copy.back()
    few = {outcome: lines[:8] for outcome, lines in shown.items()}
    return {"files": count, "outcomes": dict(sorted(outcomes.items())), "slowest_s": round(slowest, 2), "shown": few}


class _Copy:
    """What lies around a file, to be put back after something was written there."""

    def __init__(self, path: Path) -> None:
        self._root = next((one for one in path.parents if one.name in ("run", "store", "views")), None)
        if self._root is not None:
            self._kept = self._root.with_name(f"{self._root.name}.kept")
            if not self._kept.exists():
                shutil.copytree(self._root, self._kept)

    def back(self) -> None:
        if self._root is not None:
            shutil.rmtree(self._root)
            shutil.copytree(self._kept, self._root)


def _digest(read: Read, path: Path) -> tuple[str, str]:
    counts, values = read(path)
    return repr(counts), hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def _work(send: int, copy: _Copy, case: tuple[Path, bytes, Read, Any], what: tuple[str, int], todo: range) -> None:
    """Read one damaged file after the other, saying a line for each."""
    path, content, read, change = case
    os.environ |= {"POINTSSL_READ_SECONDS": str(4 * SECONDS), "POINTSSL_READ_MIB": str(MEMORY >> 20)}
    void = os.open(os.devnull, os.O_WRONLY)
    os.dup2(void, 1)
    os.dup2(void, 2)
    copy.back()
    path.write_bytes(content)
    whole = _digest(read, path)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    for number in todo:
        random = np.random.default_rng([what[1], number, *what[0].encode()])
        copy.back()
        path.write_bytes(change(content, random))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        # Nobody catches these signals: they end a hang in C, too, and a wait for ever.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, 8 * SECONDS)
        outcome, why = judge(read, path, whole)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 512 << 10:  # KiB
            outcome = "memory"
        line = f"{outcome}\t{time.process_time() - began:.3f}\t{' '.join(why.split())[:160]}\n"
        os.write(send, line.encode(errors="replace"))


def judge(read: Read, path: Path, whole: tuple[str, str]) -> tuple[str, str]:
    """Read one file and say what became of it."""
    from pointssl.errors import UserError

    try:
        counts, values = _digest(read, path)
    except UserError as error:
        if any(words in str(error) for words in ("it ended the process", "it took more than")):
            return "child", str(error)
        return ("refused", str(error)) if "\n" not in str(error) else ("traceback", "a message of several lines")
    except MemoryError as error:
        return "memory", repr(error)
    except BaseException as error:
        return "traceback", f"{type(error).__name__}: {error}"
    if (counts, values) == whole:
        return "as before", ""
    return ("other numbers", "") if counts == whole[0] else ("other counts", f"{counts[:70]}, was {whole[0][:70]}")


def main() -> None:
    """Damage every kind and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=200, help="damaged files of each kind")
    parser.add_argument("--only", default="", help="kinds whose names hold one of these words, with commas between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/fuzz.json"))
    given = parser.parse_args()
    results: Mapping[str, Any] = run(given.each, given.seed, [word for word in given.only.split(",") if word])
    write_json(given.out, {"settings": {"each": given.each, "seed": given.seed}, "kinds": results})


def run(each: int, seed: int, only: list[str]) -> dict[str, Any]:
    """Return what became of every kind."""
    import torch

    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, case in cases(Path(folder).resolve()).items():
            if only and not any(word in kind for word in only):
                continue
            began = time.monotonic()
            count = max(1, each // 5) if case[2] is resume else each  # each of these trains
            results[kind] = fuzz(kind, case, count, seed)
            print(kind, results[kind]["outcomes"], f"{time.monotonic() - began:.0f} s", flush=True)
            for outcome, lines in results[kind]["shown"].items():
                print(*(f"    {outcome} {line}" for line in lines[:6]), sep="\n", flush=True)
    return results


if __name__ == "__main__":
    main()
