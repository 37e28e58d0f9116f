"""ShapeNetCore, the large set to pre-train on: 55 kinds of shapes in folders named by WordNet synset.

Source: A. X. Chang et al., "ShapeNet: An Information-Rich 3D Model Repository", 2015. Read are folders of synsets with
`ID.obj`, `.ply`, `.npy` and the like, with `ID/model.obj` or `ID/models/model_normalized.obj`; files `SYNSET-ID.npy` in
`shapenet_pc`; and the archive of 57,448 unlabelled clouds that several works pre-train on (`shapenet57448xyzonly.npz`).
Splits are those that the set brings: `all.csv` (train, val, test), or `train.txt` and `test.txt` of SYNSET-ID names.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from pointssl.data.cloud import Dataset
from pointssl.data.files.dataset import open_files, open_listed, read_one
from pointssl.data.files.scan import Entry
from pointssl.data.split_names import check_split
from pointssl.errors import DataError

_TAXONOMY = """
02691156 airplane   02747177 trash_bin  02773838 bag        02801938 basket     02808440 bathtub      02818832 bed
02828884 bench      02843684 birdhouse  02871439 bookshelf  02876657 bottle     02880940 bowl         02924116 bus
02933112 cabinet    02942699 camera     02946921 can        02954340 cap        02958343 car          02992529 cellphone
03001627 chair      03046257 clock      03085013 keyboard   03207941 dishwasher 03211117 display      03261776 earphone
03325088 faucet     03337140 file_cabinet 03467517 guitar   03513137 helmet     03593526 jar          03624134 knife
03636649 lamp       03642806 laptop     03691459 loudspeaker 03710193 mailbox   03759954 microphone   03761084 microwave
03790512 motorbike  03797390 mug        03928116 piano      03938244 pillow     03948459 pistol       03991062 flowerpot
04004475 printer    04074963 remote     04090263 rifle      04099429 rocket     04225987 skateboard   04256520 sofa
04330267 stove      04379243 table      04401088 telephone  04460130 tower      04468005 train        04530566 vessel
04554684 washer
"""

SYNSETS: Mapping[str, str] = dict(zip(_TAXONOMY.split()[::2], _TAXONOMY.split()[1::2], strict=True))
"""Synset number to the name that the data set's taxonomy gives it first; classes are numbered in this order."""

ARCHIVE = "shapenet57448xyzonly.npz"
KINDS = (".obj", ".ply", ".npy", ".npz", ".off", ".txt", ".pts", ".xyz", ".pcd")
MODELS = ("models/model_normalized.obj", "model.obj", "models/model_normalized.ply")
EXPECTED = (
    f"expected are folders named by synset (02691156/...), files SYNSET-ID.npy in shapenet_pc, or the archive {ARCHIVE}"
)


def open_shapenet(path: Path, split: str = "all") -> Dataset:
    """Open ShapeNet in whichever layout lies at `path`; the archive of 57,448 clouds has no labels and no splits."""
    for archive in (path, path / ARCHIVE):
        if archive.is_file() and archive.suffix == ".npz":
            return open_files(archive, split, name="shapenet")
    files = _flat(path / "shapenet_pc") or _flat(path) or _folders(path)
    if not files:
        raise DataError(f"{path} holds no ShapeNet; {EXPECTED}; see `pointssl data get shapenet`")
    splits = _listed(path)
    check_split(split, tuple(splits), f"{path} (splits come from all.csv, or train.txt and test.txt)")
    if split != "all":
        wanted = splits[split]
        files = [file for file in files if file.name in wanted]
    return open_listed(files, read_one, name=f"shapenet/{split}", classes=tuple(SYNSETS.values()))


def _flat(folder: Path) -> list[Entry]:
    """Return the files that are called SYNSET-ID."""
    files = []
    for file in sorted(folder.glob("[0-9]*-*")):
        synset = file.stem.partition("-")[0]
        if synset in SYNSETS and file.suffix in KINDS:
            files.append(_entry(file, synset, file.stem.partition("-")[2]))
    return files


def _folders(path: Path) -> list[Entry]:
    """Return the shapes in folders named by synset: a file each, or a folder each."""
    files = []
    for synset in SYNSETS:
        for place in sorted((path / synset).glob("*")):
            if place.is_file() and place.suffix in KINDS:
                files.append(_entry(place, synset, place.stem))
            elif place.is_dir():
                model = next((place / model for model in MODELS if (place / model).is_file()), None)
                if model is not None:
                    files.append(_entry(model, synset, place.name))
    return files


def _entry(file: Path, synset: str, model: str) -> Entry:
    return Entry(path=file, label=SYNSETS[synset], name=f"{synset}-{model}")


def shapenet_splits(path: Path) -> tuple[str, ...]:
    """Return the splits that the set comes with lists of; the archive has none."""
    return tuple(_listed(path))


def _listed(path: Path) -> dict[str, set[str]]:
    """Return the names in each split, as far as the set comes with lists."""
    splits: dict[str, set[str]] = {}
    if (path / "all.csv").is_file():
        with (path / "all.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if not {"synsetId", "modelId", "split"} <= row.keys():
                    raise DataError(f"{path / 'all.csv'} must have the columns synsetId, modelId and split")
                # Some copies have lost the leading zero of the synset to a spreadsheet.
                splits.setdefault(row["split"], set()).add(f"{row['synsetId'].zfill(8)}-{row['modelId']}")
        return splits
    for folder in (path, path / "ShapeNet-55"):
        for split in ("train", "test"):
            if (folder / f"{split}.txt").is_file():
                lines = (folder / f"{split}.txt").read_text(encoding="utf-8").split()
                splits[split] = {Path(line).stem for line in lines}
    return splits
