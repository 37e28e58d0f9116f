"""Published ways to fine-tune a classifier, as settings.

Sources: "occo-*" H. Wang et al., "Unsupervised Point Cloud Pre-training via Occlusion Completion", ICCV 2021; "dgcnn"
Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", TOG 2019, as its PyTorch port trains it; "pointnet"
C. R. Qi et al., "PointNet", CVPR 2017; "point-mae" Y. Pang et al., "Masked Autoencoders for Point Cloud Self-supervised
Learning", ECCV 2022; "few-shot" X. Yu et al., "Point-BERT", CVPR 2022; "small" is ours, for a few hundred to a few
thousand clouds.
"""

from dataclasses import dataclass, field

from pointssl.data.augment import AugmentConfig
from pointssl.runs.config import OptimConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """Settings of supervised training; both arms, pre-trained and from scratch, get exactly the same."""

    epochs: int = 40
    """Passes over the training clouds."""
    batch_size: int = 32
    """Clouds per step."""
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(kind="adamw", weight_decay=0.05))
    """How the weights follow the gradient."""
    warmup_epochs: int = 0
    """Epochs of linear rise of the learning rate; replaces the optimiser's own warm-up steps."""
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(axis_scale=(0.8, 1.25), shift=0.1))
    """Random changes of the training clouds."""
    hidden: tuple[int, ...] = (512, 256)
    """Widths of the classifier between the pooled feature and the classes; linear, batch norm, ReLU, dropout."""
    dropout: float = 0.5
    """Share of classifier activations set to zero in training."""
    label_smoothing: float = 0.0
    """The target is 1 - this on the class and shares this among the others."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("epochs", self.epochs, 1),
            ("batch_size", self.batch_size, 2),
            ("warmup_epochs", self.warmup_epochs, 0),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        for name, share in (("dropout", self.dropout), ("label_smoothing", self.label_smoothing)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {share}")
        if self.optim.accumulate != 1:
            raise ValueError(f"optim.accumulate must be 1 in fine-tuning, got {self.optim.accumulate}")


_DGCNN_OPTIM = OptimConfig(kind="sgd", lr=0.1, final_lr=1e-3, weight_decay=1e-4)
_TRANSFORMER_OPTIM = OptimConfig(kind="adamw", lr=5e-4, weight_decay=0.05)
_SCALE_AND_SHIFT = AugmentConfig(axis_scale=(2 / 3, 3 / 2), shift=0.2)

RECIPES: dict[str, FinetuneConfig] = {
    "small": FinetuneConfig(),
    "pointnet": FinetuneConfig(
        epochs=200,
        optim=OptimConfig(schedule="step", step_factor=0.7, weight_decay=1e-4),
        augment=AugmentConfig(rotation="up", jitter=0.01),
        dropout=0.3,
    ),
    "dgcnn": FinetuneConfig(epochs=250, optim=_DGCNN_OPTIM, augment=_SCALE_AND_SHIFT, label_smoothing=0.2),
    "occo-pointnet": FinetuneConfig(
        epochs=200,
        batch_size=24,
        optim=OptimConfig(schedule="step", step_factor=0.5, weight_decay=1e-4),
        augment=AugmentConfig(),
        dropout=0.3,
    ),
    "occo-dgcnn": FinetuneConfig(epochs=250, batch_size=24, optim=_DGCNN_OPTIM, augment=AugmentConfig()),
    "point-mae": FinetuneConfig(
        epochs=300,
        optim=OptimConfig(kind="adamw", lr=5e-4, weight_decay=0.05, clip=10.0),
        warmup_epochs=10,
        augment=_SCALE_AND_SHIFT,
    ),
    "few-shot": FinetuneConfig(epochs=150, optim=_TRANSFORMER_OPTIM, warmup_epochs=10, augment=_SCALE_AND_SHIFT),
}
"""Name to settings; weight decay leaves out biases and norms in all of them, which the sources do not say."""
