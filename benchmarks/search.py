"""How good and how fast is search: retrieval by class, copies that are known, exact and approximate neighbours.

    POINTSSL_DATA=... python benchmarks/search.py

Retrieval: mean average precision over all test clouds of four sets, each asking for the others of its class, by the
encoder that ships and by the same network untrained, both whitened by the clouds themselves. Copies: pairs that
psb-shrec12 itself names as near-duplicates. Neighbours: vectors of generated shapes, and random ones.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cells import TESTS
from pointssl.data.cloud import Dataset
from pointssl.data.open import open_dataset
from pointssl.evaluation.diagnostics import retrieval
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.runs import shipped
from pointssl.search import approximate
from pointssl.search.duplicates import RATIO, Draws, duplicates
from pointssl.search.encoder import open_encoder
from pointssl.search.index import index_of, nearest
from pointssl.show.explore.explore import untrained

RESULT = Path(__file__).resolve().parent.parent / "results" / "search.json"


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    result: dict[str, Any] = {
        "command": "python benchmarks/search.py",
        "versions": versions(),
        "encoder": shipped.default(),
    }
    result["retrieval"] = [found(name, test) for name, test in TESTS.items()]
    result["copies"] = copies()
    result["neighbours"] = [neighbours(*one) for one in (of_shapes(20_000), random(20_000))]
    write_json(RESULT, result)
    for row in (*result["retrieval"], result["copies"], *result["neighbours"]):
        print(row)


def found(name: str, test: str) -> dict[str, Any]:
    """Return mean average precisions on the test clouds of a set."""
    data = open_dataset(f"{os.environ['POINTSSL_DATA']}/{name}", test)
    encoder = open_encoder(None, data, whiten="own" if len(data) >= 100 else "kept")
    bare = untrained(encoder, None, data, "best")
    assert data.labels is not None
    row: dict[str, Any] = {"test": name, "shapes": len(data)}
    return row | {
        key: retrieval(one.vectors(data), data.labels) for key, one in (("shipped", encoder), ("untrained", bare))
    }


def copies() -> dict[str, Any]:
    """Return how many of the near-duplicates that a set names are found, and what else is."""
    path = Path(os.environ["POINTSSL_DATA"]) / "psb-shrec12"
    with np.load(path / "clouds.npz") as file:
        group = file["dup_group"]
    data: Dataset = open_dataset(path)
    index = index_of(data, open_encoder(None, data), source=str(path))
    assert len(index) == len(group)
    began = time.perf_counter()
    said = duplicates(index, data)
    seconds = time.perf_counter() - began
    pairs = {(i, j) for members in said.groups for i in members for j in members if i < j}
    known = {
        (int(i), int(j))
        for one in np.unique(group[group >= 0])
        for members in [np.flatnonzero(group == one)]
        for i in members
        for j in members
        if i < j
    }
    draws = Draws(data, 0)
    return {
        "shapes": len(data),
        "known": len(known),
        "known_within": sum(draws.ratio(i, j) <= RATIO for i, j in known),
        "found": len(pairs),
        "both": len(pairs & known),
        "seconds": round(seconds, 1),
    }


def random(count: int, queries: int = 200) -> tuple[str, np.ndarray, int]:
    """Return vectors that have no structure: the hardest for a graph."""
    drawn = np.random.default_rng(0).normal(size=(count + queries, 128)).astype(np.float32)
    return "random", drawn / np.linalg.norm(drawn, axis=1, keepdims=True), queries


def of_shapes(count: int, queries: int = 200) -> tuple[str, np.ndarray, int]:
    """Return vectors of generated shapes, by the small encoder that ships."""
    data = open_dataset(f"generated:unions:n={count + queries}:points=256")
    return "shapes", open_encoder("contrast-pointnet-generated", data, points=256).vectors(data), queries


def neighbours(kind: str, unit: np.ndarray, queries: int, k: int = 10) -> dict[str, Any]:
    """Return queries a second of both engines and the share of true neighbours that the graph finds."""
    vectors, asked = unit[:-queries], unit[-queries:]
    began = time.perf_counter()
    exact, _ = nearest(vectors, asked, k)
    plain = time.perf_counter() - began
    began = time.perf_counter()
    graph = approximate.build(vectors)
    built = time.perf_counter() - began
    began = time.perf_counter()
    near, _ = approximate.ask(graph, vectors, asked, k)
    quick = time.perf_counter() - began
    recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(exact.tolist(), near.tolist(), strict=True)])
    return {
        "kind": kind,
        "vectors": len(vectors),
        "exact_per_second": round(queries / plain),
        "graph_per_second": round(queries / quick),
        "graph_built_in": round(built, 1),
        "recall_at_10": round(float(recall), 3),
    }


if __name__ == "__main__":
    main()
