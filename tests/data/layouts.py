"""The public data sets in miniature: every layout, with generated points, written into a folder."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

SIZE = 64
"""Points per cloud."""


Array = NDArray[Any]


def points(seed: int, count: int = SIZE) -> Array:
    """Return points in the unit ball that differ from seed to seed."""
    cloud = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    cloud -= cloud.mean(0)
    return np.asarray(cloud / np.linalg.norm(cloud, axis=1).max())


def write_h5(path: Path, **arrays: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file[key] = values


def clouds(first: int, count: int) -> Array:
    return np.stack([points(first + i) for i in range(count)])


def modelnet_h5(root: Path) -> Path:
    """Two train files and one test file; chair (8) and airplane (0) among the labels."""
    write_h5(root / "ply_data_train0.h5", data=clouds(0, 2), label=np.array([[8], [0]], np.uint8), normal=clouds(5, 2))
    write_h5(root / "ply_data_train1.h5", data=clouds(2, 1), label=np.array([[2]], np.uint8), normal=clouds(7, 1))
    write_h5(root / "ply_data_test0.h5", data=clouds(3, 1), label=np.array([[8]], np.uint8), normal=clouds(8, 1))
    lines = [f"data/modelnet40_ply_hdf5_2048/ply_data_train{i}.h5" for i in (1, 0)]
    (root / "train_files.txt").write_text("\n".join(lines) + "\n")
    (root / "ply_data_train_0_id2file.json").write_text(json.dumps(["chair/chair_0001.ply", "airplane/airplane_1.ply"]))
    (root / "ply_data_train_1_id2file.json").write_text(json.dumps(["bed/bed_0003.ply"]))
    return root


def modelnet_resampled(root: Path) -> Path:
    """Text files with commas, and lists."""
    for i, name in enumerate(("chair_0001", "night_stand_0007", "airplane_0002")):
        family = name.rpartition("_")[0]
        (root / family).mkdir(parents=True, exist_ok=True)
        table = np.concatenate([points(i), points(i + 10)], 1)
        np.savetxt(root / family / f"{name}.txt", table, fmt="%.6f", delimiter=",")
    (root / "modelnet40_train.txt").write_text("chair_0001\nnight_stand_0007\n")
    (root / "modelnet40_test.txt").write_text("airplane_0002\n")
    return root


CUBE = """OFF
8 6 0
0 0 0
1 0 0
1 1 0
0 1 0
0 0 1
1 0 1
1 1 1
0 1 1
4 0 3 2 1
4 4 5 6 7
4 0 1 5 4
4 1 2 6 5
4 2 3 7 6
4 3 0 4 7
"""


def modelnet_off(root: Path) -> Path:
    """The ten classes; a cube in train and one in test of each."""
    from pointssl.data.public.modelnet import MODELNET10

    for name in MODELNET10:
        for split in ("train", "test"):
            (root / name / split).mkdir(parents=True)
            (root / name / split / f"{name}_{split}.off").write_text(CUBE)
    return root


def scanobjectnn(root: Path) -> Path:
    """All three variants; their clouds start at different seeds."""
    for folder, ending, seed in (
        ("main_split", "objectdataset", 0),
        ("main_split_nobg", "objectdataset", 10),
        ("main_split", "objectdataset_augmentedrot_scale75", 20),
    ):
        for word, count, first in (("training", 3, seed), ("test", 2, seed + 5)):
            mask = np.zeros((count, SIZE), np.int64) - (np.arange(SIZE) < 10)
            path = root / "h5_files" / folder / f"{word}_{ending}.h5"
            write_h5(path, data=clouds(first, count), label=np.arange(count) + 12, mask=mask)
    return root


def shapenetpart_h5(root: Path) -> Path:
    """One cap in each split."""
    for i, split in enumerate(("train", "val", "test")):
        part = np.full((1, SIZE), 6, np.uint8)
        part[:, : 10 + i] = 7
        write_h5(root / f"ply_data_{split}0.h5", data=clouds(i, 1), label=np.array([[2]], np.uint8), pid=part)
    return root


def shapenetpart_text(root: Path) -> Path:
    """A mug in train, a cap in val, a mug in test."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "synsetoffset2category.txt").write_text("Cap\t02954340\nMug\t03797390\n")
    (root / "train_test_split").mkdir()
    for i, (split, synset, part) in enumerate(
        (("train", "03797390", 36), ("val", "02954340", 6), ("test", "03797390", 37))
    ):
        (root / synset).mkdir(exist_ok=True)
        table = np.concatenate([points(i), points(i + 10), np.full((SIZE, 1), part)], 1)
        np.savetxt(root / synset / f"shape{i}.txt", table, fmt="%.6f")
        listed = root / "train_test_split" / f"shuffled_{split}_file_list.json"
        listed.write_text(json.dumps([f"shape_data/{synset}/shape{i}"]))
    return root


def shapenet_folders(root: Path) -> Path:
    """An airplane as a file, a chair as a folder with a model, and a csv with splits that has lost leading zeros."""
    (root / "02691156").mkdir(parents=True)
    np.save(root / "02691156" / "aaa.npy", points(0))
    (root / "03001627" / "bbb" / "models").mkdir(parents=True)
    vertices = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
    faces = "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
    (root / "03001627" / "bbb" / "models" / "model_normalized.obj").write_text(vertices + faces)
    rows = "id,synsetId,subSynsetId,modelId,split\n1,2691156,2691156,aaa,train\n2,3001627,3001627,bbb,test\n"
    (root / "all.csv").write_text(rows)
    return root


def shapenet_flat(root: Path) -> Path:
    """Files called by synset and model, with lists of names."""
    (root / "shapenet_pc").mkdir(parents=True)
    np.save(root / "shapenet_pc" / "02691156-aaa.npy", points(0))
    np.save(root / "shapenet_pc" / "03001627-bbb.npy", points(1))
    (root / "ShapeNet-55").mkdir()
    (root / "ShapeNet-55" / "train.txt").write_text("02691156-aaa.npy\n")
    (root / "ShapeNet-55" / "test.txt").write_text("03001627-bbb.npy\n")
    return root


def shapenet_archive(root: Path) -> Path:
    """The unlabelled archive."""
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "shapenet57448xyzonly.npz", data=clouds(0, 3))
    return root


def s3dis_rooms(root: Path) -> Path:
    """A room of 1.8 m x 0.9 m in areas 1 and 5: 150 floor points on its left, 120 chair points on its right."""
    for area in (1, 2, 3, 4, 5, 6):
        folder = root / f"Area_{area}" / "office_1" / "Annotations"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(area)
        for name, count, low, high in (("floor_1", 150, 0.0, 0.8), ("chair_1", 120, 1.1, 1.8)):
            xyz = rng.uniform((low, 0, 0), (high, 0.9, 2.0), (count, 3)) + np.array([5, -3, 1])
            xyz[0] = (low + 5, -3, 1)  # the corner itself, so that blocks start where the test expects them
            rgb = rng.integers(0, 256, (count, 3))
            np.savetxt(folder / f"{name}.txt", np.concatenate([xyz, rgb], 1), fmt=["%.3f"] * 3 + ["%d"] * 3)
    return root


def s3dis_h5(root: Path) -> Path:
    """Five blocks in two files: areas 1, 1, 5 and 5, 6."""
    data = np.random.default_rng(0).random((5, SIZE, 9)).astype(np.float32)
    label = np.arange(5 * SIZE).reshape(5, SIZE).astype(np.uint8) % 13
    write_h5(root / "ply_data_all_0.h5", data=data[:3], label=label[:3])
    write_h5(root / "ply_data_all_1.h5", data=data[3:], label=label[3:])
    (root / "all_files.txt").write_text("indoor3d/ply_data_all_0.h5\nindoor3d/ply_data_all_1.h5\n")
    rooms = ("Area_1_a_1", "Area_1_a_2", "Area_5_b_1", "Area_5_b_1", "Area_6_c_1")
    (root / "room_filelist.txt").write_text("\n".join(rooms) + "\n")
    return root
