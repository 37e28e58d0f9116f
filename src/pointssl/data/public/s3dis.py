"""S3DIS: 271 scanned rooms in six areas, 13 classes of points, read as blocks of one square metre.

Source: I. Armeni et al., "3D Semantic Parsing of Large-Scale Indoor Spaces", CVPR 2016. Layouts: the rooms
(`Area_1/office_1/Annotations/chair_1.txt`, rows of x y z r g b), cut here by `blocks`; and the h5 files cut already
(`indoor3d_sem_seg_hdf5_data`: `all_files.txt`, `room_filelist.txt`, `data` of nine channels, `label`). Splits are
`area_1` to `area_6`, `test` (area 5) and `train` (the other five). Blocks are in metres: do not normalise them.
"""

import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from pointssl.data.arrays import ArrayDataset
from pointssl.data.cloud import Cloud
from pointssl.data.public.blocks import block_features, block_members, draw_block
from pointssl.data.public.h5 import listed_files, read_h5
from pointssl.data.split_names import check_split
from pointssl.errors import DataError
from pointssl.progress import track

PARTS = (
    "ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair", "sofa", "bookcase", "board",
    "clutter",
)  # fmt: skip
"""Classes of points, in the order of the numbers in the h5 files."""

AREAS = tuple(f"area_{number}" for number in range(1, 7))
EXPECTED = (
    "expected are rooms (Area_1/office_1/Annotations/*.txt) or the h5 files with all_files.txt and room_filelist.txt"
)
_CONTROL = bytes(32 if code < 32 and code not in (9, 10, 13) else code for code in range(256))


def open_s3dis(path: Path, split: str = "all", *, points: int = 4096, seed: int = 0) -> ArrayDataset:
    """Open S3DIS as blocks; reading rooms takes minutes for an area, so pack them for repeated use.

    Channels: `color` in [0, 1], `room` (position as a share of the room), `part` (class of each point).
    """
    check_split(split, (*AREAS, "train", "test"), "s3dis")
    if split == "all":
        areas: tuple[str, ...] = AREAS
    elif split in ("train", "test"):
        areas = tuple(area for area in AREAS if (area == "area_5") == (split == "test"))
    else:
        areas = (split,)
    if (path / "room_filelist.txt").is_file():
        nine, part, names = _read_h5(path, areas)
    else:
        nine, part, names = _read_rooms(path, areas, points, seed)
    return ArrayDataset(
        nine[..., :3],
        name=f"s3dis/{split}",
        channels={"color": nine[..., 3:6], "room": nine[..., 6:9], "part": part[..., None]},
        names=names,
        origin=str(path),
        up="z",
        part_names=PARTS,
    )


def read_room(folder: Path) -> Cloud:
    """Read one room from its `Annotations`: points from the room's corner in metres, `color` in [0, 1], and `part`.

    Objects of kinds beyond the 13 (stairs) count as clutter, as everywhere. A stray control character, of which the
    published files hold one, is read as the blank that it replaced.
    """
    points, parts = [], []
    # Some copies hold the same object twice, as 'wall_3 (1).txt'.
    for file in sorted(file for file in (folder / "Annotations").glob("*.txt") if "(" not in file.name):
        kind = file.stem.rpartition("_")[0]
        try:
            rows = np.loadtxt(io.BytesIO(file.read_bytes().translate(_CONTROL)), dtype=np.float32, ndmin=2)
        except ValueError as error:
            raise DataError(f"{file} is not a table of x y z r g b: {error}; mend that row") from error
        if rows.shape[1] != 6:
            raise DataError(f"{file} must have six numbers in a row (x y z r g b), got {rows.shape[1]}")
        points.append(rows)
        parts.append(np.full(len(rows), PARTS.index(kind if kind in PARTS else "clutter"), dtype=np.int32))
    if not points:
        raise DataError(f"{folder} has no Annotations/*.txt; {EXPECTED}")
    table = np.concatenate(points)
    xyz = table[:, :3] - table[:, :3].min(0)
    return Cloud(
        points=xyz,
        channels={"color": table[:, 3:] / np.float32(255), "part": np.concatenate(parts)[:, None]},
        name=f"{folder.parent.name}_{folder.name}",
        origin=str(folder),
    )


Blocks = tuple[Float32[np.ndarray, "b n 9"], Int32[np.ndarray, "b n"], list[str]]


def _read_rooms(path: Path, areas: Sequence[str], points: int, seed: int) -> Blocks:
    """Cut the rooms of `areas`; the draw of a room depends on the seed and its name, not on the other rooms."""
    homes = {area: path / area.capitalize() for area in areas}
    missing = [str(home) for home in homes.values() if not home.is_dir()]
    if missing:
        raise DataError(f"there is no {missing[0]}; {EXPECTED}; see `pointssl data get s3dis`")
    rooms = [room for home in homes.values() for room in sorted(home.iterdir()) if (room / "Annotations").is_dir()]
    nine, part, names = [], [], []
    for folder in track(rooms, "rooms", len(rooms)):
        room = read_room(folder)
        extent = room.points.max(0)
        rng = np.random.default_rng((seed, zlib.crc32(room.name.encode())))
        for number, (corner, members) in enumerate(block_members(room.points)):
            rows = draw_block(members, points, rng)
            nine.append(block_features(room.points[rows], room.channels["color"][rows], corner, extent))
            part.append(room.channels["part"][rows, 0])
            names.append(f"{room.name}_{number:03d}")
    if not nine:
        raise DataError(f"{path} has no room with a block of 100 points; {EXPECTED}")
    return np.stack(nine), np.stack(part), names


def _read_h5(path: Path, areas: Sequence[str]) -> Blocks:
    """Read the blocks of `areas` out of the h5 files; `room_filelist.txt` has the room of every block in order."""
    rooms = (path / "room_filelist.txt").read_text(encoding="utf-8").split()
    wanted = np.array([room.lower().startswith(tuple(f"{area}_" for area in areas)) for room in rooms], dtype=bool)
    nine, part, start = [], [], 0
    for file in listed_files(path, ("all_files.txt",), "ply_data_all_*.h5"):
        arrays = read_h5([file], ("data", "label"))  # file by file: all of them take 3.5 GB
        chosen = wanted[start : start + len(arrays["data"])]
        start += len(arrays["data"])
        if len(chosen) < len(arrays["data"]):
            raise DataError(f"{path / 'room_filelist.txt'} names {len(rooms)} blocks, the h5 files hold more")
        if arrays["data"].shape[2:] != (9,) or arrays["label"].shape != arrays["data"].shape[:2]:
            raise DataError(f"{file} must hold data (blocks, points, 9) and label (blocks, points)")
        nine.append(arrays["data"][chosen].astype(np.float32))
        part.append(arrays["label"][chosen].astype(np.int32))
    if start != len(rooms) or not wanted.any():
        raise DataError(
            f"{path} is not complete: {start} blocks, {len(rooms)} named, {wanted.sum()} of {', '.join(areas)}"
        )
    return np.concatenate(nine), np.concatenate(part), [room for room, keep in zip(rooms, wanted, strict=True) if keep]
