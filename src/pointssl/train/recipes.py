"""Named settings of supervised training: of `pointssl train NAME`, and of the protocols that fine-tune.

`train-*` name an encoder and start from scratch; `finetune-*` say how to train and take the encoder that they are given
(`--init-from RUN`). Weight decay leaves out biases and norms in all of them, which the sources do not say.

Sources: `train-pointnet-published` C. R. Qi et al., "PointNet", CVPR 2017, with the augmentation of its code;
`train-dgcnn-published` Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", TOG 2019, as its PyTorch port
trains it; `finetune-occo-*` H. Wang et al., "Unsupervised Point Cloud Pre-training via Occlusion Completion", ICCV
2021; `finetune-point-mae` Y. Pang et al., "Masked Autoencoders for Point Cloud Self-supervised Learning", ECCV 2022;
`finetune-few-shot` X. Yu et al., "Point-BERT", CVPR 2022; `segment-dgcnn-published` (parts) and
`segment-scenes-dgcnn-published` as DGCNN's PyTorch port trains them; the rest is ours.
"""

from dataclasses import replace

from pointssl.backbones import DGCNNConfig, PointNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.errors import SettingError, nearest
from pointssl.methods import ClassifyConfig, SegmentConfig
from pointssl.methods.interaction import InteractionConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig

_SCALE_AND_SHIFT = AugmentConfig(axis_scale=(2 / 3, 3 / 2), shift=0.2)

# For a few hundred to a few thousand clouds. The gradient is clipped because the interaction loss wants it, and without
# that loss too, so that both arms get the same.
_OURS = PretrainConfig(
    method=ClassifyConfig(),
    data=DataConfig(
        reading=ReadConfig(points=1024), batch_size=32, augment=AugmentConfig(axis_scale=(0.8, 1.25), shift=0.1)
    ),
    optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, clip=10.0),
    epochs=40.0,
)
_POINTNET = replace(_OURS, backbone=PointNetConfig())
_DGCNN = replace(_OURS, backbone=DGCNNConfig(k=20))

_PUBLISHED_POINTNET = PretrainConfig(
    method=ClassifyConfig(dropout=0.3),
    backbone=PointNetConfig(local=(64, 64), hidden=(64, 128), transforms=True, activate_pooled=True),
    data=DataConfig(reading=ReadConfig(points=1024), batch_size=32, augment=AugmentConfig(rotation="up", jitter=0.01)),
    optim=OptimConfig(kind="adam", lr=1e-3, schedule="step", step_factor=0.7, weight_decay=1e-4),
    epochs=200.0,
)
_PUBLISHED_DGCNN = PretrainConfig(
    method=ClassifyConfig(label_smoothing=0.2),
    backbone=DGCNNConfig(k=20, pooling="max_mean"),
    data=DataConfig(reading=ReadConfig(points=1024), batch_size=32, augment=_SCALE_AND_SHIFT),
    optim=OptimConfig(kind="sgd", lr=0.1, final_lr=1e-3, weight_decay=1e-4),
    epochs=250.0,
)
_TRANSFORMER = OptimConfig(kind="adamw", lr=5e-4, weight_decay=0.05, warmup_epochs=10.0)

# Parts: all stored points are scored, so that a network of 1,024 points sees a shape of 2,048 in two halves.
_PARTS = replace(
    _OURS,
    method=SegmentConfig(),
    data=DataConfig(
        reading=ReadConfig(points=1024), batch_size=16, augment=AugmentConfig(axis_scale=(0.8, 1.25), shift=0.1)
    ),
)
# Blocks of rooms stay in metres; the vertical is no matter of augmentation.
_SCENES = replace(
    _PARTS,
    data=DataConfig(
        reading=ReadConfig(points=1024, normalise=False, allow_repeats=True),
        batch_size=16,
        augment=AugmentConfig(rotation="up", jitter=0.01),
    ),
)

TRAIN_RECIPES: dict[str, PretrainConfig] = {
    "train-pointnet": _POINTNET,
    # Alpha is the middle of what is worth trying; choose it with --validate.
    "train-pointnet-interaction": replace(_POINTNET, method=ClassifyConfig(interaction=InteractionConfig())),
    "train-dgcnn": _DGCNN,
    # Eight masked forms of 8 clouds cost what two batches cost: DGCNN has no shorter way to them.
    "train-dgcnn-interaction": replace(_DGCNN, method=ClassifyConfig(interaction=InteractionConfig(clouds=8))),
    "train-pointnet-published": _PUBLISHED_POINTNET,
    "train-dgcnn-published": _PUBLISHED_DGCNN,
    "finetune": _OURS,
    "finetune-occo-pointnet": PretrainConfig(
        method=ClassifyConfig(dropout=0.3),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=24),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="step", step_factor=0.5, weight_decay=1e-4),
        epochs=200.0,
    ),
    "finetune-occo-dgcnn": PretrainConfig(
        method=ClassifyConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=24),
        optim=_PUBLISHED_DGCNN.optim,
        epochs=250.0,
    ),
    "finetune-point-mae": PretrainConfig(
        method=ClassifyConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32, augment=_SCALE_AND_SHIFT),
        optim=replace(_TRANSFORMER, clip=10.0),
        epochs=300.0,
    ),
    "finetune-few-shot": PretrainConfig(
        method=ClassifyConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32, augment=_SCALE_AND_SHIFT),
        optim=_TRANSFORMER,
        epochs=150.0,
    ),
    "segment-pointnet": replace(_PARTS, backbone=PointNetConfig()),
    "segment-dgcnn": replace(_PARTS, backbone=DGCNNConfig(k=20, form="segmentation")),
    "segment-dgcnn-published": PretrainConfig(
        method=SegmentConfig(hidden=(256, 256, 128)),
        backbone=DGCNNConfig(k=40, form="segmentation"),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=32, augment=_SCALE_AND_SHIFT),
        optim=_PUBLISHED_DGCNN.optim,
        epochs=200.0,
    ),
    "segment-scenes-pointnet": replace(_SCENES, backbone=PointNetConfig()),
    "segment-scenes-dgcnn-published": PretrainConfig(
        method=SegmentConfig(hidden=(512, 256)),
        backbone=DGCNNConfig(k=20, form="segmentation"),
        data=DataConfig(reading=ReadConfig(points=4096, normalise=False, allow_repeats=True), batch_size=32),
        optim=_PUBLISHED_DGCNN.optim,
        epochs=100.0,
    ),
    # Seconds on one core.
    "segment-tiny": PretrainConfig(
        method=SegmentConfig(hidden=(32,), dropout=0.0),
        backbone=PointNetConfig(local=(32,), hidden=(64,), pooled_dim=128),
        data=DataConfig(reading=ReadConfig(points=256), batch_size=16),
        optim=OptimConfig(kind="adam", lr=3e-3, schedule="cosine"),
        epochs=5.0,
        checkpoint_every=10,
        log_every=1,
        monitor_every=10,
    ),
    # Seconds on one core: for tests, and to see whether one's own data goes through.
    "train-tiny": PretrainConfig(
        method=ClassifyConfig(hidden=(32,), interaction=InteractionConfig(regions=6, low=(1, 2), high=(5, 6))),
        backbone=PointNetConfig(local=(32,), hidden=(64,), pooled_dim=128),
        data=DataConfig(reading=ReadConfig(points=256), batch_size=16),
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
