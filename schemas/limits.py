"""Limits of policy files: a field's name states its effect, `min_x` and `max_x` bound `x`, `max_abs_x` its size."""

from typing import Any, Literal

from pydantic import Field

Direction = Literal["min", "max", "max_abs"]


def limit_field(why: str, *, low: float | None = None, high: float | None = None) -> Any:
    """Field of a limit that may be absent. low, high: bounds of the limit itself."""
    return Field(None, description=why, ge=low, le=high, strict=True)  # strict: true and "8" are no numbers


def parse_limit(field: str) -> tuple[Direction, str]:
    """Split a limit's name into its direction and what it bounds.

    Raises: ValueError - it starts with no direction.
    """
    for direction in ("max_abs", "max", "min"):
        if field.startswith(direction + "_"):
            return direction, field.removeprefix(direction + "_")
    raise ValueError(f"limit {field!r} starts with none of min_, max_, max_abs_")
