"""The two arms of an evaluation, pre-trained and untrained, and the data they are measured on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pointssl.backbones.base import Backbone
from pointssl.data.splits import Splits
from pointssl.evaluation.features import EncodeConfig, Table, encode_cached
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.record import Arm
from pointssl.runs.config import PretrainConfig
from pointssl.train.recipes import TRAIN_RECIPES

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Parts of the labels of the protocols `fractions-*`."""
SUBSETS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContext:
    """Everything that a protocol needs; the same for both arms."""

    arms: Mapping[Arm, Callable[[int], Backbone]]
    """Encoder of an arm for a seed; the pre-trained one is the same for all."""
    splits: Splits
    encode: EncodeConfig
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each decides which stored points are seen, how the clouds fall into folds, and the untrained weights."""
    cache: Path | None = None
    """Folder for features and fine-tunings."""
    finetune: PretrainConfig = TRAIN_RECIPES["finetune"]
    """Recipe of `finetune` and `fractions-finetune`; its encoder is replaced by the arms'."""
    score_epochs: bool = True
    """Score fine-tunings after every epoch, so that the best one can stand beside the last."""
    few_shot: FewShotConfig = field(default_factory=FewShotConfig)
    few_shot_finetune: PretrainConfig = TRAIN_RECIPES["finetune-few-shot"]
    """Recipe of few-shot protocol B."""
    fractions: tuple[float, ...] = FRACTIONS
    subsets: int = SUBSETS
    """Random subsets of the labels for every fraction below 1."""

    def subset_seeds(self, fraction: float) -> range:
        """Return the seeds of the subsets; all of the labels is one subset, however often it is drawn."""
        return range(1 if fraction == 1 else self.subsets)

    def features(self, arm: Arm, seed: int, part: str, points: int | None = None) -> Table:
        """Return the frozen features of the `train` or `test` part."""
        dataset = self.splits.train if part == "train" else self.splits.test
        config = (
            self.encode if points is None else replace(self.encode, reading=replace(self.encode.reading, points=points))
        )
        folder = None if self.cache is None else self.cache / "features"
        title = f"{arm} features, {part}, seed {seed}"
        return encode_cached(self.arms[arm](seed), dataset, config, folder, seed=seed, title=title)
