"""Histogram of every signal, with the policy's limits and the counts of missing values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from heterodub.model.features.arrays import Floats
from heterodub.schemas.policy import Policy, Rule
from heterodub.schemas.signals import SIGNALS, Signal
from heterodub.tasks.quality.routing import broken

_BINS: Final = 30


@dataclass(frozen=True, slots=True)
class Line:
    """Limit of the policy on a signal, and the number of measured clips that it refuses."""

    stage: str
    text: str
    refuses: int


@dataclass(frozen=True, slots=True)
class DrawnLimit:
    """Limit as a line of a chart: of a limit on both sides there are two."""

    stage: str
    value: float
    is_upper: bool
    is_lower_of_two: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """Histogram of one signal for the page: counts of clips in equal bins from low to high, and limits between them."""

    signal: Signal
    low: float
    high: float
    counts: list[int]
    drawn: tuple[DrawnLimit, ...]
    measured: int
    missing: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]


def histograms(clips: pa.Table, policy: Policy) -> list[Histogram]:
    """Build one for each signal, in the order of SIGNALS; `clips` has every signal and the column missing."""
    causes = _causes(clips["missing"])
    return [
        _histogram(signal, clips[signal.name], causes.get(signal.name, {}), rules_on(signal, policy))
        for signal in SIGNALS
    ]


def _causes(missing: pa.ChunkedArray) -> dict[str, dict[str, int]]:
    """Count the missing values of each signal by cause."""
    pairs = missing.combine_chunks()
    counted = pa.table({"signal": pairs.keys, "cause": pairs.items}).group_by(["signal", "cause"])
    by_signal: dict[str, dict[str, int]] = {}
    for row in counted.aggregate([([], "count_all")]).to_pylist():
        by_signal.setdefault(row["signal"], {})[row["cause"]] = row["count_all"]
    return by_signal


def rules_on(signal: Signal, policy: Policy) -> list[Rule]:
    """Return the limits that can be drawn; the rule that there is sound has none."""
    return [rule for rule in policy.rules() if rule.signal == signal.name and math.isfinite(rule.limit)]


def _histogram(signal: Signal, column: pa.ChunkedArray, causes: Mapping[str, int], rules: Sequence[Rule]) -> Histogram:
    values = np.asarray(column.drop_null().to_numpy(), np.float64)
    missing = dict(causes)
    if unexplained := column.null_count - sum(causes.values()):
        missing["no cause kept"] = unexplained
    lines = tuple(Line(str(rule.stage), rule_text(rule), int(broken(rule, values).sum())) for rule in rules)
    ordered = tuple(sorted(missing.items(), key=lambda pair: (-pair[1], pair[0])))
    drawn = tuple(limit for rule in rules for limit in _drawn(rule))
    low, high = _span(values, [limit.value for limit in drawn])
    counts = np.histogram(np.clip(values, low, high), _BINS, (low, high))[0].tolist()
    return Histogram(signal, low, high, counts, drawn, values.size, ordered, lines)


def rule_text(rule: Rule) -> str:
    """Return a limit as people write it, such as "\u2265 48"."""
    sign = {"min": "\u2265", "max": "\u2264", "max_abs": "|x| \u2264"}[rule.direction]
    return f"{sign} {rule.limit:g}"


def _drawn(rule: Rule) -> list[DrawnLimit]:
    if rule.direction != "max_abs":
        return [DrawnLimit(str(rule.stage), rule.limit, rule.direction == "max")]
    return [DrawnLimit(str(rule.stage), rule.limit, True), DrawnLimit(str(rule.stage), -rule.limit, False, True)]


def _span(values: Floats, limits: Sequence[float]) -> tuple[float, float]:
    """Return the range of the axis: nearly all values and every limit; single far outliers join the last bar."""
    ends = [*np.percentile(values, [1, 99]), *limits] if values.size else list(limits) or [0.0, 1.0]
    low, high = float(min(ends)), float(max(ends))
    room = (high - low) * 0.06 or max(abs(low) * 0.1, 0.5)
    if low >= 0 and low - room < 0.2 * high:  # an axis that nearly reaches zero starts there
        return 0.0, high + room
    return low - room, high + room
