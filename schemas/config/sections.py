"""What every part of the settings tree is: frozen, closed, and, where it has presets, filled in from one."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the settings. What is not one of its fields, or no number, is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, section by section."""
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both
