"""What a check-up finds: each thing looked at, how it is, and what to do when it is not well."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a thing is. Only a problem makes the check-up fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `remedy` says what to do, and is empty when all is well."""

    area: str
    what: str
    health: Health
    detail: str = ""
    remedy: str = ""


def good(area: str, what: str, detail: str = "") -> Finding:
    """A finding that all is well."""
    return Finding(area, what, Health.OK, detail)


def warning(area: str, what: str, detail: str, remedy: str) -> Finding:
    """A finding worth knowing, which stops nothing."""
    return Finding(area, what, Health.WARNING, detail, remedy)


def problem(area: str, what: str, detail: str, remedy: str) -> Finding:
    """A finding that has to be mended."""
    return Finding(area, what, Health.PROBLEM, detail, remedy)
