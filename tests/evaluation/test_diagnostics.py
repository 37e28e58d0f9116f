"""Diagnostics on planted features whose figures are known, and against scikit-learn."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pointssl.app.cli import main
from pointssl.evaluation import diagnostics
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.train.pretrain import pretrain
from tests.evaluation.doubles import blobs


def test_effective_rank__equal_directions_and_one() -> None:
    cross = np.concatenate([np.eye(4), -np.eye(4)])  # centred; four singular values of sqrt(2)
    assert diagnostics.effective_rank(cross + 7) == pytest.approx(4)
    line = np.outer(np.arange(5.0), [1, 2, 3])
    assert diagnostics.effective_rank(line) == pytest.approx(1)
    assert diagnostics.effective_rank(np.full((3, 2), 5.0)) == 0
    # Singular values in the ratio 3 to 1: exp(-(3/4 log 3/4 + 1/4 log 1/4)) = 1.7548.
    assert diagnostics.effective_rank(np.array([[3.0, 0], [-3, 0], [0, 1], [0, -1]])) == pytest.approx(1.7548, abs=1e-4)


def test_alignment__by_hand() -> None:
    x, y = np.array([[2.0, 0], [0, 3]]), np.array([[5.0, 0], [0, -1]])
    assert diagnostics.alignment(x, x) == 0
    assert diagnostics.alignment(x, y) == pytest.approx(2)  # 0 and (1 + 1)² of two pairs


def test_uniformity__by_hand() -> None:
    assert diagnostics.uniformity(np.array([[1.0, 1], [2, 2]])) == pytest.approx(0)
    assert diagnostics.uniformity(np.array([[1.0, 0], [-2, 0]])) == pytest.approx(-8)  # d² = 4
    # Pairs at d² of 2, 2 and 4: the mean of e^-4, e^-4 and e^-8.
    rows = np.array([[1.0, 0], [-1, 0], [0, 1]])
    assert diagnostics.uniformity(rows) == pytest.approx(np.log((2 * np.exp(-4) + np.exp(-8)) / 3))


def test_cka__turns_and_scale_change_nothing_and_strangers_have_nothing_in_common() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 200))
    turn = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    assert diagnostics.cka(x, 5 * x @ turn + 3) == pytest.approx(1)
    # More features than clouds, where the biased estimate says 0.77 of two that have nothing in common.
    strangers = [diagnostics.cka(x, rng.normal(size=(60, 200))) for _ in range(20)]
    assert np.mean(strangers) == pytest.approx(0, abs=0.02)
    half = np.concatenate([x, 0 * x], axis=1), np.concatenate([x, rng.normal(size=x.shape)], axis=1)
    # <K, K + L> / (|K| |K + L|) with |K| = |L| and nothing in common: 1 / sqrt(2).
    assert diagnostics.cka(*half) == pytest.approx(0.5**0.5, abs=0.05)
    with pytest.raises(ValueError, match="at least 4 clouds, got 3"):
        diagnostics.cka(x[:3], x[:3])


def test_cka__unbiased_sum_over_different_clouds() -> None:
    """HSIC by its definition: the mean of k_ij l_ij + k_ij l_qr - 2 k_ij l_iq over all clouds that differ."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        k, m, terms = a @ a.T, b @ b.T, []
        for i in range(6):
            for j in range(6):
                for q in range(6):
                    for r in range(6):
                        if len({i, j, q, r}) == 4:
                            terms.append(k[i, j] * m[i, j] + k[i, j] * m[q, r] - 2 * k[i, j] * m[i, q])
        return float(np.mean(terms))

    assert diagnostics.cka(x, y) == pytest.approx(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)))


def test_retrieval__scikit_learns_average_precision() -> None:
    x, labels = blobs(3, 8, spread=3.0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = []
    for i in range(len(x)):
        others = np.delete(np.arange(len(x)), i)
        expected.append(average_precision_score(labels[others] == labels[i], unit[others] @ unit[i]))
    assert diagnostics.retrieval(x, labels) == pytest.approx(np.mean(expected), abs=1e-6)
    assert diagnostics.retrieval(np.eye(2), np.array([0, 1])) is None


def test_clusters__planted_and_none() -> None:
    x, labels = blobs(4, 20, spread=0.05)
    assert diagnostics.clusters(x, labels) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    assert diagnostics.clusters(noise, labels) < 0.2


def test_diagnose__both_arms_and_every_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = DataConfig(source="synthetic:48", batch_size=8)
    run = pretrain(PretrainConfig(method=ParAEConfig(components=4, head=(8,)), data=data, steps=2), tmp_path / "run")
    out = tmp_path / "figures.json"
    main(["diagnose", str(run), "--data", "synthetic:240", "--points", "64", "--json", str(out)])
    kept = json.loads(out.read_text())
    assert set(kept["encoders"]) == {str(run), f"{run}, untrained"}
    assert [(p["a"], p["b"]) for p in kept["pairs"]] == [(str(run), f"{run}, untrained")]
    assert "CKA" in capsys.readouterr().out
    for figures in kept["encoders"].values():
        assert 1 <= figures["effective_rank"] <= kept["test_clouds"]
        assert 0 < figures["alignment"] < 4
        assert -8 < figures["uniformity"] < 0
