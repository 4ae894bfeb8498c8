"""Formatting of pydantic's errors as sentences that name the field, the value, and what is accepted."""

from pydantic import ValidationError

from .addresses import without_password


def describe(error: ValidationError) -> str:
    """Format one sentence per bad field, joined by '; '."""
    parts = []
    for problem in error.errors(include_url=False):
        field = ".".join(str(step) for step in problem["loc"]) or "(the whole file)"
        if problem["type"] == "missing":
            parts.append(f"{field} is missing")
        elif problem["type"] == "extra_forbidden":
            parts.append(f"{field} is not a known field")
        else:
            value = without_password(repr(problem["input"]))
            parts.append(f"{field} = {value}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(parts)
