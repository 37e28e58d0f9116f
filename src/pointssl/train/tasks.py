"""The list of what is learned from labels: which task the settings of a method belong to."""

from collections.abc import Mapping

from pointssl.errors import SettingError
from pointssl.methods import ClassifyConfig, SegmentConfig
from pointssl.runs.config import PretrainConfig
from pointssl.train import classifier, segmenter
from pointssl.train.supervised import Task

TASKS: Mapping[type, Task] = {ClassifyConfig: classifier.TASK, SegmentConfig: segmenter.TASK}


def task_of(config: PretrainConfig) -> Task:
    """Return what settings learn from labels; raises `SettingError` where they are those of a pretext task."""
    task = TASKS.get(type(config.method))
    if task is None:
        kind = type(config.method).__name__.removesuffix("Config")
        raise SettingError(f"{kind} learns without labels: use `pointssl pretrain`; `pointssl recipes` lists both")
    return task
