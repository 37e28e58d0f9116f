"""What stands in the settings of a run whose network or method was passed as an object."""

from dataclasses import dataclass

from pointssl.backbones import BackboneConfig
from pointssl.methods import MethodConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed(BackboneConfig, MethodConfig):
    """Stands for a network that was passed as an object: only who passed it can make it again."""

    class_name: str
    """Its class, for messages."""
