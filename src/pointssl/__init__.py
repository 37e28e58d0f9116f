"""Self-supervised learning on 3D point clouds: pre-train an encoder without labels, measure it, see what it learned.

Everything that the command line does is one typed call here. The names below are imported when they are first used, so
that `import pointssl` and `pointssl --help` answer at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pointssl.app.recipes import RECIPES
    from pointssl.backbones import BACKBONES
    from pointssl.backbones.adapt import Adapted
    from pointssl.data.check import check
    from pointssl.data.open import open_dataset
    from pointssl.data.store.pack import pack
    from pointssl.data.views.write import write_views
    from pointssl.evaluation.compare import compare
    from pointssl.evaluation.embed import embed
    from pointssl.evaluation.embedder import PointEmbedder
    from pointssl.evaluation.suite import evaluate
    from pointssl.interpret.measurement import interact
    from pointssl.methods import METHODS
    from pointssl.runs.config import PretrainConfig
    from pointssl.runs.run import Run, load
    from pointssl.show.run.report import write_report
    from pointssl.train.classifier import load_classifier, train_classifier
    from pointssl.train.pretrain import pretrain
    from pointssl.train.recipes import TRAIN_RECIPES
    from pointssl.train.segmenter import load_segmenter, train_segmenter

__version__ = "0.1.0"

_HOMES = {
    "Adapted": "backbones.adapt",
    "BACKBONES": "backbones",
    "METHODS": "methods",
    "PointEmbedder": "evaluation.embedder",
    "PretrainConfig": "runs.config",
    "RECIPES": "app.recipes",
    "Run": "runs.run",
    "TRAIN_RECIPES": "train.recipes",
    "check": "data.check",
    "compare": "evaluation.compare",
    "embed": "evaluation.embed",
    "evaluate": "evaluation.suite",
    "interact": "interpret.measurement",
    "load": "runs.run",
    "load_classifier": "train.classifier",
    "load_segmenter": "train.segmenter",
    "open_dataset": "data.open",
    "pack": "data.store.pack",
    "pretrain": "train.pretrain",
    "train_classifier": "train.classifier",
    "train_segmenter": "train.segmenter",
    "write_report": "show.run.report",
    "write_views": "data.views.write",
}

__all__ = [
    "BACKBONES",
    "METHODS",
    "RECIPES",
    "TRAIN_RECIPES",
    "Adapted",
    "PointEmbedder",
    "PretrainConfig",
    "Run",
    "__version__",
    "check",
    "compare",
    "embed",
    "evaluate",
    "interact",
    "load",
    "load_classifier",
    "load_segmenter",
    "open_dataset",
    "pack",
    "pretrain",
    "train_classifier",
    "train_segmenter",
    "write_report",
    "write_views",
]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pointssl' has no attribute '{name}'")
    module, _, there = _HOMES[name].partition(":")
    return getattr(import_module(f"pointssl.{module}"), there or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
