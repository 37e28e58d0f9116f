"""Named settings to start from: `pointssl pretrain NAME`, every value of which can be changed on the command line.

A comment says what a recipe costs and what it gives; the figures with their spread are in the README.
"""

from dataclasses import replace

from pointssl.backbones import DGCNNConfig, EdgePointNetConfig, PatchTransformerConfig, PointNetConfig
from pointssl.backbones.image import ResNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.errors import SettingError, nearest
from pointssl.methods import (
    AutoencoderConfig,
    ContrastConfig,
    CrossPointConfig,
    DistillationConfig,
    FoldingConfig,
    IAEConfig,
    JigsawConfig,
    MixConfig,
    MMPointConfig,
    OcCoConfig,
    ParAEConfig,
    PointContrastConfig,
    PointJEPAConfig,
    PointMAEConfig,
    Rotation3DConfig,
    STRLConfig,
)
from pointssl.methods.pictures import PictureConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig

# CrossPoint's published values, which MM-Point's code is a descendant of and which stand in where its paper is silent.
_CROSSPOINT_DATA = DataConfig(reading=ReadConfig(points=2048), batch_size=20)
_CROSSPOINT_OPTIM = OptimConfig(kind="adam", lr=1e-3, schedule="cosine", weight_decay=1e-6)

# Seconds on one core: for tests, and to see whether one's own data goes through.
_TINY = PretrainConfig(
    backbone=PointNetConfig(local=(32,), hidden=(64,), pooled_dim=128),
    data=DataConfig(reading=ReadConfig(points=256), batch_size=16),
    optim=OptimConfig(kind="adam", lr=3e-3, schedule="cosine"),
    epochs=5.0,
    checkpoint_every=10,
    log_every=1,
    monitor_every=10,
)
_TINY_PATCHES = replace(
    _TINY,
    backbone=PatchTransformerConfig(patches=16, patch_points=16, width=48, depth=2, heads=3),
    optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05),
)

RECIPES: dict[str, PretrainConfig] = {
    # The paper's settings where it gives them (J 32, 1024 points, 25 epochs, no augmentation, z 1024 wide), and those
    # of the same authors' registration network where it does not (Adam 1e-3, batch 32).
    "parae-pointnet": PretrainConfig(
        method=ParAEConfig(components=32),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine"),
        epochs=25.0,
    ),
    # A narrower head and six epochs, chosen on a validation part of psb-shrec12's training clouds: the probe is as good
    # as with the recipe above (LOG.md) at a quarter of the cost per cloud.
    "parae-pointnet-light": PretrainConfig(
        method=ParAEConfig(components=32, head=(128,)),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine"),
        epochs=6.0,
    ),
    # The same with the classification encoder of DGCNN, whose point features are 512 wide.
    "parae-dgcnn": PretrainConfig(
        method=ParAEConfig(components=32, head=(512, 256)),
        backbone=DGCNNConfig(k=20),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine"),
        epochs=25.0,
    ),
    # Encoder, feature and heads as in the evaluation code of the released weights; four views and a ResNet-18 are ours.
    "mm-point-dgcnn": PretrainConfig(
        method=MMPointConfig(views=4),
        backbone=DGCNNConfig(k=15, pooling="max_mean"),
        data=_CROSSPOINT_DATA,
        optim=_CROSSPOINT_OPTIM,
        epochs=100.0,
    ),
    "mm-point-pointnet": PretrainConfig(
        method=MMPointConfig(views=4),
        backbone=PointNetConfig(),
        data=_CROSSPOINT_DATA,
        optim=_CROSSPOINT_OPTIM,
        epochs=100.0,
    ),
    # The published settings; the images are shaded renderings where the paper's are coloured ones.
    "crosspoint-dgcnn": PretrainConfig(
        method=CrossPointConfig(image=ResNetConfig(depth=50)),
        backbone=DGCNNConfig(k=15, pooling="max_mean"),
        data=_CROSSPOINT_DATA,
        optim=_CROSSPOINT_OPTIM,
        epochs=100.0,
    ),
    "crosspoint-pointnet": PretrainConfig(
        method=CrossPointConfig(image=ResNetConfig(depth=50)),
        backbone=PointNetConfig(),
        data=_CROSSPOINT_DATA,
        optim=_CROSSPOINT_OPTIM,
        epochs=100.0,
    ),
    # Two changed copies of each cloud and nothing else: the cheapest method. The changes are those that lifted a
    # PointNet in a first trial; eleven variants of them ended within half a point of each other.
    "contrast-pointnet": PretrainConfig(
        method=ContrastConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(source="generated:unions", reading=ReadConfig(points=512), batch_size=64),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine"),
        clouds_seen=1.4e6,
    ),
    # What won per second (LOG.md, docs/worth.md): neighbourhoods before the max, small clouds, copies centred and
    # scaled again. Twenty minutes on one core with bf16; what the encoder that ships was trained by.
    "contrast-edge-pointnet": PretrainConfig(
        method=ContrastConfig(
            augment=AugmentConfig(
                axis_scale=(2 / 3, 3 / 2), rotation="up", recentre=True, jitter=0.01, dropout=0.5, crop=0.3
            )
        ),
        backbone=EdgePointNetConfig(),
        data=DataConfig(source="generated:unions", reading=ReadConfig(points=256), batch_size=64),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine", warmup_steps=100, weight_decay=1e-6),
        clouds_seen=3e5,
        precision="auto",
    ),
    "contrast-dgcnn": PretrainConfig(
        method=ContrastConfig(),
        backbone=DGCNNConfig(k=20, pooling="max_mean"),
        data=DataConfig(source="generated:unions", reading=ReadConfig(points=512), batch_size=64),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine"),
        clouds_seen=1.4e6,
    ),
    # The optimiser, points and epochs of OcCo's re-implementation; pieces drawn anew in every step.
    "jigsaw-pointnet": PretrainConfig(
        method=JigsawConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-4, weight_decay=1e-4),
        epochs=200.0,
    ),
    # The code's settings; aligned clouds alone.
    "rotation3d-pointnet": PretrainConfig(
        method=Rotation3DConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3),
        epochs=250.0,
    ),
    # Learning rate and batch as published.
    "autoencoder-pointnet": PretrainConfig(
        method=AutoencoderConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=50),
        optim=OptimConfig(kind="adam", lr=5e-4),
        epochs=100.0,
    ),
    # The published values with our encoder; the code turns clouds about the up axis.
    "folding-pointnet": PretrainConfig(
        method=FoldingConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=16, augment=AugmentConfig(rotation="up")),
        optim=OptimConfig(kind="adam", lr=1e-4, weight_decay=1e-6),
        epochs=278.0,
    ),
    # The published values; side 4 draws 16,384 fine points, of which a processor feels every one.
    "occo-pointnet": PretrainConfig(
        method=OcCoConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-4),
        epochs=50.0,
    ),
    # The code's settings.
    "point-mae-patch-transformer": PretrainConfig(
        method=PointMAEConfig(),
        backbone=PatchTransformerConfig(),
        data=DataConfig(
            reading=ReadConfig(points=1024),
            batch_size=128,
            augment=AugmentConfig(axis_scale=(2 / 3, 3 / 2), shift=0.2),
        ),
        optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, warmup_epochs=10.0),
        epochs=300.0,
    ),
    # The repository's settings; its batches have 512 clouds on two devices.
    "point-jepa-patch-transformer": PretrainConfig(
        method=PointJEPAConfig(),
        backbone=PatchTransformerConfig(drop_path=0.25),
        data=DataConfig(
            reading=ReadConfig(points=1024),
            batch_size=256,
            augment=AugmentConfig(axis_scale=(0.8, 1.2), rotation="up", recentre=True),
        ),
        optim=OptimConfig(kind="adamw", lr=1e-3, final_lr=1e-6, weight_decay=0.05, warmup_epochs=30.0),
        epochs=500.0,
    ),
    # The code's settings, without LARS; its PointNet saw 50 epochs in batches of 48.
    "strl-dgcnn": PretrainConfig(
        method=STRLConfig(),
        backbone=DGCNNConfig(k=40, pooling="max_mean"),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3),
        epochs=100.0,
    ),
    "strl-pointnet": PretrainConfig(
        method=STRLConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=48),
        optim=OptimConfig(kind="adam", lr=1e-3),
        epochs=50.0,
    ),
    # The source's optimiser and pairs; crops of one cloud in place of frames of a scan.
    "point-contrast-dgcnn": PretrainConfig(
        method=PointContrastConfig(),
        backbone=DGCNNConfig(form="segmentation"),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4),
        epochs=50.0,
    ),
    "point-contrast-pointnet": PretrainConfig(
        method=PointContrastConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=1024), batch_size=32),
        optim=OptimConfig(kind="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4),
        epochs=50.0,
    ),
    # The source's optimiser, batch and noise; of 4,096 points the encoder sees 2,048.
    "iae-dgcnn": PretrainConfig(
        method=IAEConfig(),
        backbone=DGCNNConfig(k=20),
        data=DataConfig(reading=ReadConfig(points=4096, allow_repeats=True), batch_size=16),
        optim=OptimConfig(kind="adam", lr=1e-4),
        epochs=100.0,
    ),
    "iae-pointnet": PretrainConfig(
        method=IAEConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=2048), batch_size=32),
        optim=OptimConfig(kind="adam", lr=1e-3),
        epochs=100.0,
    ),
    # Two tasks on one encoder, on equal terms.
    "mix-pointnet": PretrainConfig(
        method=MixConfig(tasks=(ParAEConfig(head=(128,)), ContrastConfig())),
        backbone=PointNetConfig(),
        data=DataConfig(reading=ReadConfig(points=512), batch_size=64),
        optim=OptimConfig(kind="adam", lr=1e-3),
        epochs=25.0,
    ),
    # DINO's form; data, points, batch and optimiser are those of the contrast of copies, to be compared with it.
    "distillation-pointnet": PretrainConfig(
        method=DistillationConfig(),
        backbone=PointNetConfig(),
        data=DataConfig(source="generated:unions", reading=ReadConfig(points=512), batch_size=64),
        optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, warmup_steps=100, clip=3.0),
        clouds_seen=1.4e6,
    ),
    "distillation-edge-pointnet": PretrainConfig(
        method=DistillationConfig(),
        backbone=EdgePointNetConfig(),
        data=DataConfig(source="generated:unions", reading=ReadConfig(points=256), batch_size=64),
        optim=OptimConfig(kind="adamw", lr=1e-3, weight_decay=0.05, warmup_steps=100, clip=3.0),
        clouds_seen=3e5,
        precision="auto",
    ),
    # Seconds on one core, views drawn from the points.
    "mm-point-tiny": PretrainConfig(
        method=MMPointConfig(
            views=2,
            hidden=(64, 64),
            intra_dim=64,
            view_dim=32,
            image=ResNetConfig(width=8, channels=1),
            pictures=PictureConfig(kind="depth", size=32),
        ),
        backbone=PointNetConfig(local=(32,), hidden=(64,), pooled_dim=128),
        data=DataConfig(reading=ReadConfig(points=256), batch_size=16),
        optim=OptimConfig(kind="adam", lr=3e-3, schedule="cosine"),
        epochs=5.0,
        checkpoint_every=10,
        log_every=1,
        monitor_every=10,
    ),
    "parae-tiny": replace(_TINY, method=ParAEConfig(components=8, head=(64, 32))),
    "point-mae-tiny": replace(_TINY_PATCHES, method=PointMAEConfig(depth=1, heads=3)),
    "point-jepa-tiny": replace(_TINY_PATCHES, method=PointJEPAConfig(width=24, depth=1, heads=2, momentum=(0.9, 1.0))),
    "point-contrast-tiny": replace(_TINY, method=PointContrastConfig(pairs=32, dim=16, head=(32,))),
    "iae-tiny": replace(_TINY, method=IAEConfig(queries=256, width=32, blocks=2)),
    "mix-tiny": replace(
        _TINY,
        method=MixConfig(tasks=(ParAEConfig(components=8, head=(64, 32)), ContrastConfig(hidden=64, dim=32))),
    ),
    "distillation-tiny": replace(
        _TINY, method=DistillationConfig(prototypes=64, hidden=64, bottleneck=32, local_crops=2, momentum=0.99)
    ),
    "strl-tiny": replace(_TINY, method=STRLConfig(hidden=64, dim=32)),
}


def recipe(name: str) -> PretrainConfig:
    """Return the settings of a recipe; raises `SettingError` with the nearest name for an unknown one."""
    if name not in RECIPES:
        raise SettingError(f"there is no recipe '{name}'{nearest(name, RECIPES)}")
    return RECIPES[name]
