"""The settings that all studies share."""

from dataclasses import dataclass, field, replace

from pointssl.errors import SettingError
from pointssl.interpret.config import MOST_EXACT, InteractConfig
from pointssl.interpret.profiles import ProfileConfig
from pointssl.methods import ClassifyConfig
from pointssl.runs.config import PretrainConfig
from pointssl.runs.device import choose_device


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """How networks are trained and measured; every arm gets the same."""

    recipe: PretrainConfig
    """Settings of every training; its seed is replaced, and its encoder by that of the pre-trained runs."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training of every arm per seed; fewer than two say nothing beyond the trained networks."""
    least_steps: int = 300
    """Updates of every training at least, where few labels give fewer in the recipe's epochs."""
    interact: InteractConfig = field(default_factory=InteractConfig)
    """Clouds, regions and scores; how clouds are read is the recipe's."""
    display: ProfileConfig = field(default_factory=ProfileConfig)
    """Which orders are low and high."""
    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; the GPU where there is one when not given."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different whole numbers from 0, at least one, got {self.seeds}")
        if self.least_steps < 1:
            raise ValueError(f"least_steps must be at least 1, got {self.least_steps}")
        if self.interact.regions > MOST_EXACT:
            raise ValueError(f"regions must be at most {MOST_EXACT}, got {self.interact.regions}")
        if not isinstance(self.recipe.method, ClassifyConfig):
            raise SettingError("a study trains classifiers; give a recipe of `pointssl train`, such as train-pointnet")
        self.display.ranges(self.interact.regions)
        choose_device(self.device)  # told before hours of training

    @property
    def measured(self) -> InteractConfig:
        """The measurement, with clouds read as in training."""
        return replace(self.interact, reading=self.recipe.data.reading, device=self.device)
