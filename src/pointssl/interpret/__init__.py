"""Which structures of a cloud does a classifier use: simple local ones, or complex global ones?

`interact` measures one or more classifiers on the same clouds, `profile` reads strength by order from what it found,
`sampled` estimates where there are too many regions to try all coalitions.
"""

from pointssl.interpret.config import InteractConfig
from pointssl.interpret.measurement import interact
from pointssl.interpret.profiles import Profile, compare, profile
from pointssl.interpret.table import InteractionTable

__all__ = ["InteractConfig", "InteractionTable", "Profile", "compare", "interact", "profile"]
