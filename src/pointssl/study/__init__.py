"""Experiments on the engine and both ways to measure: what pre-training changes, by how much of it, and what transfers.

Each study trains and measures what is not there yet and computes its verdict from intervals.
"""

from pointssl.study.config import StudyConfig
from pointssl.study.extent import extent, extent_cost
from pointssl.study.pretraining import pretraining, pretraining_cost
from pointssl.study.result import Study, save
from pointssl.study.transfer import TransferConfig, transfer, transfer_cost

__all__ = [
    "Study",
    "StudyConfig",
    "TransferConfig",
    "extent",
    "extent_cost",
    "pretraining",
    "pretraining_cost",
    "save",
    "transfer",
    "transfer_cost",
]
