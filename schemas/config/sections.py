"""Base of the settings and of every record kept in a file: frozen, closed, and, where it has presets, filled in from
one.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from heterodub.schemas.addresses import require_no_credentials

Address = Annotated[str, AfterValidator(require_no_credentials)]
"""A path or address in a settings file or a list, which holds no credentials."""


class Section(BaseModel):
    """A part of the settings or of a stored record. Unknown fields and numbers that are not finite are refused: nan
    compares as false with everything, so a limit of it would silently never refuse.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `over` into `base`, section by section."""
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both
