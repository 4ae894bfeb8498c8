"""Verdict on a shot: its measures against the limits of a policy, and nothing else."""

from heterodub.schemas.acceptance import AcceptancePolicy, BrokenLimit, ShotMeasures, ShotVerdict
from heterodub.schemas.limits import Direction


def judge(shot: ShotMeasures, policy: AcceptancePolicy) -> ShotVerdict:
    """Return the verdict on a shot. A measure that is missing breaks no limit."""
    broken = tuple(
        BrokenLimit(measure, value, field, limit, shot.seen_at_s(measure))
        for field, direction, measure, limit in policy.limits()
        if (value := shot.values.get(measure)) is not None and _breaks(value, direction, limit)
    )
    return ShotVerdict(shot, broken, "failed" if broken else "accepted")


def _breaks(value: float, direction: Direction, limit: float) -> bool:
    match direction:
        case "min":
            return value < limit
        case "max":
            return value > limit
        case "max_abs":
            return abs(value) > limit
