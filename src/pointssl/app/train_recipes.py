"""Named settings of supervised training, `pointssl train NAME`; the command line can change every value.

Sources: "-published" PointNet C. R. Qi et al., CVPR 2017; DGCNN Y. Wang et al., TOG 2019; the rest is ours.
"""

from dataclasses import replace

from pointssl.backbones import DGCNNConfig, PointNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.errors import SettingError, nearest
from pointssl.methods import ClassifyConfig
from pointssl.methods.interaction import InteractionConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig

# For a few hundred to a few thousand clouds; as the fine-tuning recipe "small". The gradient is clipped because the
# interaction loss wants it, and without that loss too, so that both arms get the same.
_DATA = DataConfig(points=1024, batch=32, augment=AugmentConfig(axis_scale=(0.8, 1.25), shift=0.1))
_OPTIM = OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, clip=10.0)

_POINTNET = PretrainConfig(method=ClassifyConfig(), backbone=PointNetConfig(), data=_DATA, optim=_OPTIM, epochs=40.0)
_DGCNN = replace(_POINTNET, backbone=DGCNNConfig(k=20))

TRAIN_RECIPES: dict[str, PretrainConfig] = {
    "train-pointnet": _POINTNET,
    # Alpha is the middle of what is worth trying; choose it with --validate.
    "train-pointnet-interaction": replace(_POINTNET, method=ClassifyConfig(interaction=InteractionConfig())),
    "train-dgcnn": _DGCNN,
    # Eight masked forms of 8 clouds cost what two batches cost: DGCNN has no shorter way to them.
    "train-dgcnn-interaction": replace(_DGCNN, method=ClassifyConfig(interaction=InteractionConfig(clouds=8))),
    # The published settings where they are public; the augmentation of PointNet's is from its code.
    "train-pointnet-published": PretrainConfig(
        method=ClassifyConfig(dropout=0.3),
        backbone=PointNetConfig(local=(64, 64), hidden=(64, 128), transforms=True, activate_pooled=True),
        data=DataConfig(points=1024, batch=32, augment=AugmentConfig(rotation="up", jitter=0.01)),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="step", step_factor=0.7, weight_decay=1e-4),
        epochs=200.0,
    ),
    "train-dgcnn-published": PretrainConfig(
        method=ClassifyConfig(label_smoothing=0.2),
        backbone=DGCNNConfig(k=20, pooling="max_mean"),
        data=DataConfig(points=1024, batch=32, augment=AugmentConfig(axis_scale=(2 / 3, 3 / 2), shift=0.2)),
        optim=OptimConfig(kind="sgd", lr=0.1, final_lr=1e-3, weight_decay=1e-4),
        epochs=250.0,
    ),
    # Seconds on one core: for tests, and to see whether one's own data goes through.
    "train-tiny": PretrainConfig(
        method=ClassifyConfig(hidden=(32,), interaction=InteractionConfig(regions=6, low=(1, 2), high=(5, 6))),
        backbone=PointNetConfig(local=(32,), hidden=(64,), pooled_dim=128),
        data=DataConfig(source="synthetic:96", points=256, batch=16),
        optim=OptimConfig(kind="adam", lr=3e-3, schedule="cosine"),
        epochs=5.0,
        checkpoint_every=10,
        log_every=1,
        monitor_every=10,
    ),
}


def train_recipe(name: str) -> PretrainConfig:
    """Return the settings of a recipe; raises `SettingError` with the nearest name for an unknown one."""
    if name not in TRAIN_RECIPES:
        raise SettingError(f"there is no recipe '{name}' for supervised training{nearest(name, TRAIN_RECIPES)}")
    return TRAIN_RECIPES[name]
