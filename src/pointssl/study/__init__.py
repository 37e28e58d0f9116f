"""Experiments on the engine and both ways to measure: what pre-training changes, by how much of it, and what transfers.

Each study trains and measures what is not there yet and computes its verdict from intervals: `pretraining.run`,
`scaling.run`, `transfer.run`, each with a `cost` beside it.
"""

from pointssl.study import pretraining, scaling, transfer
from pointssl.study.config import StudyConfig
from pointssl.study.result import Study, save
from pointssl.study.transfer import TransferConfig

__all__ = ["Study", "StudyConfig", "TransferConfig", "pretraining", "save", "scaling", "transfer"]
