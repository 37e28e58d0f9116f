"""LDraw (`.dat`, `.ldr`, `.mpd`): bricks made of triangles, quadrilaterals and other files of the parts library.

Files that a file names (`stud.dat`, `s/3001s01.dat` with the slash of DOS) are looked for among the parts of an `.mpd`,
beside it, and in the library around it: the nearest folder above that has `parts` and `p`. Which side of a face is
outside is stated (BFC), and turned by mirrors and by `INVERTNEXT`. Coordinates stay those of the file: units of 0.4 mm,
y pointing down. Lines and colours are left out. Ours, because no kept package reads it.
Source: LDraw.org, "LDraw File Format Specification" 1.0.2 and "Language Extension for Back Face Culling" 1.0.3.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.surface import Surface, joined, moved

_PLACES = ("parts", "p", "models", "unofficial/parts", "unofficial/p")
_DEEPEST = 32
_MOST_FILES = 100_000
"""References that are followed; the largest sets have some thousand bricks, each of some ten files."""


def read_ldraw(path: Path) -> Surface:
    """Return all faces of a model or part as one surface.

    Raises:
        ValueError: not LDraw, damaged, naming a file that is not there, or itself.
    """
    return joined(_Library(path).parts())


def is_ldraw(path: Path) -> bool:
    """Tell from its first words whether a file may be LDraw: every line begins with its type, 0 to 5."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return True  # to be told of when it is read
    return head[:1] in b"012345" and head[1:2].isspace() and b"\0" not in head


class _Library:
    """The files that a model is made of, each parsed once."""

    def __init__(self, path: Path) -> None:
        self._main = path.name.lower()
        around = (above for above in path.absolute().parents if (above / "parts").is_dir() and (above / "p").is_dir())
        self._folders = [path.parent, *(root / name for root in list(around)[:1] for name in _PLACES)]
        self._names: dict[Path, dict[str, Path]] = {}
        self._texts = _split(contents(path), self._main)
        self._main = next(iter(self._texts))
        self._parsed: dict[str, tuple[Surface | None, list[_Use]]] = {}

    def parts(self) -> Iterator[Surface]:
        """Yield the faces of every file where it stands, as often as it does."""
        waiting: list[tuple[tuple[str, ...], Float64[np.ndarray, "4 4"], bool]] = [((self._main,), np.eye(4), False)]
        for _ in range(_MOST_FILES):
            if not waiting:
                return
            names, matrix, inverted = waiting.pop()
            if names[-1] in names[:-1] or len(names) > _DEEPEST:
                raise ValueError(f"its file '{names[-1]}' holds itself")
            surface, uses = self._file(names[-1])
            if surface is not None:
                turned = Surface(vertices=surface.vertices, faces=surface.faces[:, ::-1]) if inverted else surface
                yield moved(turned, matrix)
            waiting += [((*names, name), matrix @ own, inverted != invert) for name, own, invert in reversed(uses)]
        raise ValueError(f"it places more than {_MOST_FILES} files")

    def _file(self, name: str) -> "tuple[Surface | None, list[_Use]]":
        if name not in self._parsed:
            text = self._texts.get(name)
            self._parsed[name] = _parse(self._found(name).read_bytes() if text is None else text, name)
        return self._parsed[name]

    def _found(self, name: str) -> Path:
        """Return a file of the library, in whatever case its name is written."""
        for folder in self._folders:
            place = folder / name
            if place.parent not in self._names:
                inside = place.parent.iterdir() if place.parent.is_dir() else ()
                self._names[place.parent] = {one.name.lower(): one for one in inside}
            if place.name in self._names[place.parent]:
                return self._names[place.parent][place.name]
        raise ValueError(
            f"it needs '{name}', which is neither beside it nor in a library (folders 'parts' and 'p') around it"
        )


_Use = tuple[str, Float64[np.ndarray, "4 4"], bool]
"""The file, where it stands, and whether its faces are turned."""


def _split(data: bytes, name: str) -> dict[str, bytes]:
    """Return the files inside an `.mpd` by their names, the first of which is the model; other files as they are."""
    files: dict[str, list[bytes]] = {name: []}
    for line in data.splitlines():
        words = line.split(None, 2)
        if words[:2] == [b"0", b"FILE"] and len(words) == 3:
            name = _plain(words[2])
            files[name] = []
        else:
            files[name].append(line)
    return {name: b"\n".join(lines) for name, lines in files.items() if lines or len(files) == 1}


def _parse(data: bytes, name: str) -> tuple[Surface | None, list[_Use]]:
    """Return the faces of one file, and the files that it holds."""
    corners: list[bytes] = []
    uses: list[_Use] = []
    clockwise = inverted = False
    for line in data.splitlines():
        words = line.split(None, 14)
        kind = words[0] if words else b"0"
        if kind == b"0":
            stated = words[2:] if words[1:2] == [b"BFC"] else []
            clockwise = (clockwise or b"CW" in stated) and b"CCW" not in stated
            inverted |= b"INVERTNEXT" in stated
        elif kind == b"1" and len(words) == 15:
            uses.append((_plain(words[14]), _matrix(words[2:14]), inverted))
            inverted = False
        elif kind == b"3" and len(words) >= 11:
            faces = (words[2:5], words[5:8], words[8:11])
            corners += [b" ".join(corner) for corner in (faces[::-1] if clockwise else faces)]
        elif kind == b"4" and len(words) >= 14:
            a, b, c, d = (b" ".join(words[at : at + 3]) for at in (2, 5, 8, 11))
            corners += [c, b, a, d, c, a] if clockwise else [a, b, c, a, c, d]
        elif kind not in (b"2", b"5"):
            raise ValueError(f"'{name}' has a line that is not LDraw: '{line[:40].decode(errors='replace')}'")
    if not corners:
        return None, uses
    vertices = np.array([[float(word) for word in corner.split()] for corner in corners])
    return Surface(vertices=vertices, faces=np.arange(len(vertices)).reshape(-1, 3)), uses


def _matrix(words: list[bytes]) -> Float64[np.ndarray, "4 4"]:
    values = np.array([float(word) for word in words])
    matrix = np.eye(4)
    matrix[:3, 3], matrix[:3, :3] = values[:3], values[3:].reshape(3, 3)
    return matrix


def _plain(name: bytes) -> str:
    return name.decode(errors="replace").strip().lower().replace("\\", "/")
