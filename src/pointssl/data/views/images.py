"""Folders of pictures that were rendered elsewhere: one folder per object, some pictures in it.

    ROOT/<class>/<object>/rendering/*.png      the layout of the ShapeNet renderings
    ROOT/<class>/<object>/*.png                or without the inner folder
    ROOT/<object>/*.png                        or without classes

Source of the first: C. B. Choy et al., "3D-R2N2", ECCV 2016 (24 pictures of 137 x 137 pixels per object, with
transparent background); transparent is shown white here. Every object has the pictures that most objects have, found by
file name. Decoding a picture costs some 0.4 ms: `write_views` packs them once for many epochs.
"""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Int64, UInt8

from pointssl.data.files.kinds import impostor
from pointssl.data.views.manifest import Kind
from pointssl.errors import DataError
from pointssl.progress import track

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
INNER = "rendering"
_LARGEST = 8192
"""Pixels along a side; views are some hundreds wide."""
_ALL_LOOKED_AT = 50_000
"""Up to so many pictures are all looked at before training, of more the first of each object."""


def has_images(path: Path) -> bool:
    """Tell whether there is a picture in `path` or anywhere below it."""
    return any(file.lower().endswith(IMAGES) for _, _, files in os.walk(path) for file in files)


@final
class ImageFolder:
    """Pictures as files; nothing is read but file names until pictures are asked for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        found: dict[Path, list[str]] = {}
        for folder, inside, files in os.walk(self.path):
            inside.sort()
            pictures = sorted(file for file in files if file.lower().endswith(IMAGES) and not file.startswith("."))
            if pictures:
                found[Path(folder)] = pictures
        if not found:
            raise DataError(f"{self.path} holds no pictures ({' '.join(IMAGES)})")
        if self.path in found:
            first = found[self.path][0]
            raise DataError(f"{self.path / first} lies beside the objects; each object must have a folder of its own")
        self._folders = list(found)
        places = [folder.relative_to(self.path).parts for folder in found]
        places = [place[:-1] if place[-1] == INNER and len(place) > 1 else place for place in places]
        self.names = tuple(place[-1] for place in places)
        self.groups = tuple(place[-2] if len(place) > 1 else "" for place in places)
        # What most objects have is what all should have; a file name is a viewpoint.
        self._files = list(Counter(map(tuple, found.values())).most_common(1)[0][0])
        wanted = set(self._files)
        self._missing = {
            row: sorted(wanted - set(files))[0] for row, files in enumerate(found.values()) if not wanted <= set(files)
        }

    @property
    def count(self) -> int:
        """Pictures of each object."""
        return len(self._files)

    @cached_property
    def _first(self) -> tuple[Path, tuple[int, int], bool]:
        """A picture that stands for all: its file, its size, and whether it has colours."""
        row = next(row for row in range(len(self._folders)) if row not in self._missing)
        file = self._folders[row] / self._files[0]
        return file, *_header(file)

    @property
    def kind(self) -> Kind:
        """Colours or shading, as the first picture has it."""
        return "color" if self._first[2] else "shaded"

    @property
    def channels(self) -> int:
        """3 for colours, 1 for grey."""
        return 3 if self._first[2] else 1

    @property
    def size(self) -> int:
        """Pixels along a side.

        Raises:
            DataError: the first picture is not square.
        """
        file, (width, height), _ = self._first
        if width != height:
            raise DataError(f"{file} must be square, got {width} x {height} pixels; crop or pad the pictures")
        return width

    def stamp(self) -> str:
        """Digest of names and sizes of all files of all objects: contents are not read."""
        digest = hashlib.sha256(repr((self._files, self.groups)).encode())
        for folder in self._folders:
            told = [(entry.name, entry.stat().st_size) for entry in os.scandir(folder) if entry.is_file()]
            digest.update(repr((str(folder.relative_to(self.path)), sorted(told))).encode())
        return digest.hexdigest()

    @property
    def fingerprint(self) -> str:
        """The `stamp`: a picture changed in place to one of as many bytes passes unseen."""
        return self.stamp()

    def __len__(self) -> int:
        return len(self._folders)

    def views(self, row: int, which: Int64[np.ndarray, " v"]) -> UInt8[np.ndarray, "v c h w"]:
        """Read pictures `which` of object `row`.

        Raises:
            DataError: missing, unreadable, of another size than the first, or coloured where that is grey.
        """
        return np.stack([self._read(self._folders[row] / self._files[one]) for one in which])

    def require_whole(self, rows: Int64[np.ndarray, " b"]) -> None:
        """Raise `DataError` naming the picture that is missing, unreadable, or of another size than the first."""
        for row in rows.tolist():
            if row in self._missing:
                file = self._folders[row] / self._missing[row]
                raise DataError(
                    f"{file} is missing: every object should have the {self.count} pictures that most have; "
                    "restore it, or leave the object out"
                )
        looked_at = self._files if len(rows) * self.count <= _ALL_LOOKED_AT else self._files[:1]
        files = (self._folders[row] / name for row in rows.tolist() for name in looked_at)
        for file in track(files, "looking at pictures", len(rows) * len(looked_at)):
            self._require_like_first(file, *_header(file))

    def _require_like_first(self, file: Path, size: tuple[int, int], colour: bool) -> None:
        first, expected, colours = self._first
        if size != (self.size, self.size):
            sizes = f"{size[0]} x {size[1]} pixels but {first} {expected[0]} x {expected[1]}"
            raise DataError(f"{file} has {sizes}; all pictures must have one size")
        if colour and not colours:
            raise DataError(f"{file} has colours but {first} has none; make all pictures of one kind")

    def _read(self, file: Path) -> UInt8[np.ndarray, "c h w"]:
        from PIL import Image

        with _opened(file) as opened:
            self._require_like_first(file, opened.size, _is_colour(opened.mode))
            transparent = "A" in opened.mode or "transparency" in opened.info
            image = opened.convert("RGBA") if transparent else opened.convert("RGB" if self.channels == 3 else "L")
        if transparent:
            image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
            image = image.convert("RGB" if self.channels == 3 else "L")
        return np.asarray(image).reshape(self.size, self.size, self.channels).transpose(2, 0, 1)


def _header(file: Path) -> tuple[tuple[int, int], bool]:
    """Return the size of a picture and whether it has colours, without decoding it."""
    with _opened(file) as opened:
        return opened.size, _is_colour(opened.mode)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Give a picture that is not decoded yet; whatever is wrong with it is an error that names it.

    Raises:
        DataError: unreadable, or of more pixels than any view has: few bytes may announce gigabytes.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below, in our words
            opened = Image.open(file)
        with opened:
            _require_size(*opened.size)
            yield opened
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = impostor(file) or error
        raise DataError(f"{file} cannot be read: {reason}; restore it, or leave the object out") from error


def _require_size(width: int, height: int) -> None:
    if max(width, height) > _LARGEST:
        raise ValueError(f"it has {width} x {height} pixels, more than {_LARGEST} along a side")


def _is_colour(mode: str) -> bool:
    return mode not in ("1", "L", "LA", "La")
