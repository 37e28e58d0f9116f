"""Regions and values of real shapes."""

import dataclasses
from pathlib import Path

import numpy as np

from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.interpret import InteractConfig, interact
from tests.interpret.networks import EncoderAndHead


def test_interact__on_scanned_and_modelled_shapes(shared_data: Path) -> None:
    data = open_dataset(str(shared_data / "psb-shrec12"), "test")
    settings = InteractConfig(clouds=6, regions=8, reading=ReadConfig(points=512), device="cpu")
    network = EncoderAndHead(len(data.classes))
    fast = interact({"a": network}, data, settings)["a"]
    slow = interact({"a": network}, data, dataclasses.replace(settings, max_pooled=False))["a"]
    np.testing.assert_allclose(fast.v, slow.v, atol=1e-5 * float(np.abs(slow.v).max()), rtol=0)
    assert len(np.unique(fast.label)) == 6  # one cloud of each of six classes
    assert all(len(np.unique(region)) == 8 for region in fast.region)
