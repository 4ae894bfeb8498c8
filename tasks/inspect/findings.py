"""Findings of a check-up: subject, state, and remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """State of a subject. Only a problem makes the check-up fail."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. `remedy` says what to do, and is empty when all is well."""

    area: str
    what: str
    health: Health
    detail: str = ""
    remedy: str = ""


def good(area: str, what: str, detail: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(area, what, Health.OK, detail)


def warning(area: str, what: str, detail: str, remedy: str) -> Finding:
    """Return a finding that does not make the check-up fail."""
    return Finding(area, what, Health.WARNING, detail, remedy)


def problem(area: str, what: str, detail: str, remedy: str) -> Finding:
    """Return a finding that has to be corrected."""
    return Finding(area, what, Health.PROBLEM, detail, remedy)


def checked(area: str, what: str, fault: str, remedy: str, detail: str) -> Finding:
    """Return a problem if there is a fault, else a finding that all is well, with its detail."""
    return problem(area, what, fault, remedy) if fault else good(area, what, detail)
