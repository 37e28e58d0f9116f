"""Checks that all settings share: numbers are numbers, and seeds are seeds.

NaN passes every comparison of the form `if value <= 0: raise`, and then ends an hour of training, or does not.
"""

import math
from dataclasses import fields
from typing import Any


def require_finite(settings: Any) -> None:
    """Refuse NaN and infinities in a settings dataclass, and a `seed` that no generator takes.

    Raises:
        ValueError: naming the setting.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        several = isinstance(value, tuple)
        if any(isinstance(one, float) and not math.isfinite(one) for one in (value if several else (value,))):
            raise ValueError(f"{field.name} must be {'finite numbers' if several else 'a finite number'}, got {value}")
        if field.name == "seed" and not 0 <= value < 2**63:
            raise ValueError(f"seed must be 0 to 2**63 - 1, got {value}")
