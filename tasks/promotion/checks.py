"""Checks of the promotion policy: one rule each, with its figure and its result."""

from dataclasses import dataclass
from typing import Final

from heterodub.model.evaluation.intervals import Interval, Scores

MOST_LOST: Final = 0.1
"""Share of the clips on which the champion has a score and the challenger none, beyond which it counts as worse: a
mouth that stands still has no correlation, and must not pass because of that."""


@dataclass(frozen=True, slots=True)
class PolicyCheck:
    """One rule and its result.

    what: the rule in words. value: the figure, more is better, with its interval. limit: the value it had to reach.
    """

    name: str
    what: str
    passed: bool
    value: Interval | None
    limit: float
    detail: str = ""


def figure(check: PolicyCheck) -> str:
    """Return the figure of a check with its interval as text, or why there is none."""
    value = check.value
    if value is None or value.mean is None:
        return check.detail or "not measured"
    text = value.format("+.3f")
    return f"{text}, {check.detail}" if check.detail else text


def lost_clips(ours: Scores, theirs: Scores) -> int:
    """Count the clips on which only the other model has a score."""
    return sum(our is None and their is not None for our, their in zip(ours, theirs, strict=True))
