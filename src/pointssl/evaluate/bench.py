"""The two arms of an evaluation, pre-trained and untrained, and the data they are measured on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pointssl.backbones.base import Backbone
from pointssl.data.splits import Splits
from pointssl.evaluate.features import Reading, Table, encode_cached
from pointssl.evaluate.few_shot import FewShotConfig
from pointssl.evaluate.fractions import FRACTIONS, SUBSETS
from pointssl.evaluate.recipes import RECIPES, FinetuneConfig
from pointssl.evaluate.record import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that a protocol needs; the same for both arms."""

    arms: Mapping[Arm, Callable[[int], Backbone]]
    """Encoder of an arm for a seed; the pre-trained one is the same for all."""
    splits: Splits
    reading: Reading
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each decides which stored points are seen, how the clouds fall into folds, and the untrained weights."""
    cache: Path | None = None
    """Folder for features and finished fine-tunings."""
    finetune: FinetuneConfig = RECIPES["small"]
    """Recipe of `finetune` and `fractions-finetune`."""
    few_shot: FewShotConfig = field(default_factory=FewShotConfig)
    few_shot_finetune: FinetuneConfig = RECIPES["few-shot"]
    """Recipe of few-shot protocol B."""
    fractions: tuple[float, ...] = FRACTIONS
    subsets: int = SUBSETS
    """Random subsets of the labels for every fraction below 1."""

    def features(self, arm: Arm, seed: int, part: str, points: int | None = None) -> Table:
        """Return the frozen features of the `train` or `test` part."""
        dataset = self.splits.train if part == "train" else self.splits.test
        reading = self.reading if points is None else replace(self.reading, points=points)
        folder = None if self.cache is None else self.cache / "features"
        title = f"{arm} features, {part}, seed {seed}"
        return encode_cached(self.arms[arm](seed), dataset, reading, folder, seed=seed, title=title)
