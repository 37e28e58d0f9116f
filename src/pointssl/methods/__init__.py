"""Pretext tasks, one paper a file: each maps a batch of unlabelled clouds to a loss.

`METHODS` is the whole list: name, settings, class. Adding one is a file here, its test, its page under docs/methods, a
line below and a recipe; the contract tests fail until all five exist.
"""

from pointssl.backbones.base import Backbone
from pointssl.methods.autoencoder import Autoencoder, AutoencoderConfig
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.methods.classify import Classify, ClassifyConfig
from pointssl.methods.contrast import Contrast, ContrastConfig
from pointssl.methods.crosspoint import CrossPoint, CrossPointConfig
from pointssl.methods.distillation import Distillation, DistillationConfig
from pointssl.methods.folding import Folding, FoldingConfig
from pointssl.methods.iae import IAE, IAEConfig
from pointssl.methods.jigsaw import Jigsaw, JigsawConfig
from pointssl.methods.mix import Mix, MixConfig
from pointssl.methods.mm_point import MMPoint, MMPointConfig
from pointssl.methods.occo import OcCo, OcCoConfig
from pointssl.methods.parae import ParAE, ParAEConfig
from pointssl.methods.point_contrast import PointContrast, PointContrastConfig
from pointssl.methods.point_jepa import PointJEPA, PointJEPAConfig
from pointssl.methods.point_mae import PointMAE, PointMAEConfig
from pointssl.methods.rotation import Rotation3D, Rotation3DConfig
from pointssl.methods.segment import PointSegmenter, Segment, SegmentConfig
from pointssl.methods.strl import STRL, STRLConfig

Methods = dict[str, tuple[type[MethodConfig], type[PretextMethod]]]

METHODS: Methods = {
    "parae": (ParAEConfig, ParAE),
    "mm-point": (MMPointConfig, MMPoint),
    "crosspoint": (CrossPointConfig, CrossPoint),
    "contrast": (ContrastConfig, Contrast),
    "jigsaw": (JigsawConfig, Jigsaw),
    "rotation3d": (Rotation3DConfig, Rotation3D),
    "autoencoder": (AutoencoderConfig, Autoencoder),
    "folding": (FoldingConfig, Folding),
    "occo": (OcCoConfig, OcCo),
    "point-mae": (PointMAEConfig, PointMAE),
    "point-jepa": (PointJEPAConfig, PointJEPA),
    "strl": (STRLConfig, STRL),
    "point-contrast": (PointContrastConfig, PointContrast),
    "iae": (IAEConfig, IAE),
    "mix": (MixConfig, Mix),
    "distillation": (DistillationConfig, Distillation),
}
SUPERVISED: Methods = {"classify": (ClassifyConfig, Classify), "segment": (SegmentConfig, Segment)}
"""What learns from labels on the same engine; no pretext tasks, and started by `pointssl train`."""


def build_method(config: MethodConfig, backbone: Backbone) -> PretextMethod:
    """Return the method that `config` describes, around `backbone`."""
    for settings, method in (METHODS | SUPERVISED).values():
        if type(config) is settings:
            return method(backbone, config)
    raise ValueError(f"config must be settings of one of {sorted(METHODS)}, got {type(config).__name__}")


def figures_of(config: object) -> tuple[Figure, ...]:
    """Return the logged figures of the method that `config` describes; none of settings that belong to no method."""
    if not isinstance(config, MethodConfig):
        return ()
    known = (METHODS | SUPERVISED).values()
    return next((method.curves(config) for kind, method in known if type(config) is kind), ())


__all__ = [
    "IAE",
    "METHODS",
    "STRL",
    "SUPERVISED",
    "Autoencoder",
    "AutoencoderConfig",
    "Classify",
    "ClassifyConfig",
    "Contrast",
    "ContrastConfig",
    "CrossPoint",
    "CrossPointConfig",
    "Distillation",
    "DistillationConfig",
    "Folding",
    "FoldingConfig",
    "IAEConfig",
    "Jigsaw",
    "JigsawConfig",
    "MMPoint",
    "MMPointConfig",
    "MethodConfig",
    "Mix",
    "MixConfig",
    "OcCo",
    "OcCoConfig",
    "ParAE",
    "ParAEConfig",
    "PointContrast",
    "PointContrastConfig",
    "PointJEPA",
    "PointJEPAConfig",
    "PointMAE",
    "PointMAEConfig",
    "PointSegmenter",
    "PretextMethod",
    "Rotation3D",
    "Rotation3DConfig",
    "STRLConfig",
    "Segment",
    "SegmentConfig",
    "build_method",
    "figures_of",
]
