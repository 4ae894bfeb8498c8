"""Histogram of every signal, with the policy's limits and the counts of missing values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from model.features.arrays import Floats
from schemas.policy import Policy, Rule
from schemas.reasons import Stage
from schemas.signals import SIGNALS, Signal
from schemas.wording import counted
from tasks.quality.routing import broken

WIDTH: Final = 300
HEIGHT: Final = 118
_TOP, _FLOOR = 30, 100
_BINS: Final = 30
_LOW, _UP = "\u2265", "\u2264"


@dataclass(frozen=True, slots=True)
class Line:
    """Limit of the policy on a signal, and the number of measured clips that it refuses."""

    stage: str
    text: str
    refuses: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Histogram of one signal for the page."""

    signal: Signal
    svg: Markup
    measured: int
    missing: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]


def histograms(clips: pa.Table, policy: Policy) -> list[Histogram]:
    """Build one for each signal, in the order of schemas.signals; `clips` has every signal and the column missing."""
    causes = _causes(clips["missing"])
    return [
        _histogram(signal, clips[signal.name], causes.get(signal.name, {}), _limits_on(signal, policy))
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


def _limits_on(signal: Signal, policy: Policy) -> list[Rule]:
    """Return the limits that can be drawn; the rule that there is sound has none."""
    return [rule for rule in policy.rules() if rule.signal == signal.name and math.isfinite(rule.limit)]


def _histogram(signal: Signal, column: pa.ChunkedArray, causes: Mapping[str, int], rules: Sequence[Rule]) -> Histogram:
    values = np.asarray(column.drop_null().to_numpy(), np.float64)
    missing = dict(causes)
    if unexplained := column.null_count - sum(causes.values()):
        missing["no cause kept"] = unexplained
    lines = tuple(Line(str(rule.stage), _text(rule), int(broken(rule, values).sum())) for rule in rules)
    ordered = tuple(sorted(missing.items(), key=lambda pair: (-pair[1], pair[0])))
    return Histogram(signal, _svg(values, rules), values.size, ordered, lines)


def _text(rule: Rule) -> str:
    sign = {"min": _LOW, "max": _UP, "max_abs": f"|x| {_UP}"}[rule.direction]
    return f"{sign} {rule.limit:g}"


def _span(values: Floats, limits: Sequence[float]) -> tuple[float, float]:
    """Return the range of the axis: nearly all values and every limit; single far outliers join the last bar."""
    ends = [*np.percentile(values, [1, 99]), *limits] if values.size else list(limits) or [0.0, 1.0]
    low, high = float(min(ends)), float(max(ends))
    room = (high - low) * 0.06 or max(abs(low) * 0.1, 0.5)
    if low >= 0 and low - room < 0.2 * high:  # an axis that nearly reaches zero starts there
        return 0.0, high + room
    return low - room, high + room


def _limits(rules: Sequence[Rule]) -> list[tuple[Rule, float]]:
    limits = []
    for rule in rules:
        limits.append((rule, rule.limit))
        if rule.direction == "max_abs":
            limits.append((rule, -rule.limit))
    return limits


def _svg(values: Floats, rules: Sequence[Rule]) -> Markup:
    limits = _limits(rules)
    low, high = _span(values, [limit for _, limit in limits])

    def x(value: float) -> float:
        return (value - low) / (high - low) * WIDTH

    counts, _ = np.histogram(np.clip(values, low, high), _BINS, (low, high))
    tallest = max(int(counts.max()), 1)
    step = WIDTH / _BINS
    parts = []
    for number, count in enumerate(counts):
        if count:
            tall = max(2.0, (_FLOOR - _TOP) * count / tallest)
            parts.append(
                f'<rect class="column" x="{number * step + 0.5:.1f}" y="{_FLOOR - tall:.1f}" width="{step - 1:.1f}"'
                f' height="{tall:.1f}"><title>{counted(count, "clip")}</title></rect>'
            )
    parts.append(f'<line class="floor" x1="0" y1="{_FLOOR}" x2="{WIDTH}" y2="{_FLOOR}"/>')
    for rule, limit in limits:
        parts.append(_limit_line(rule, x(limit), limit))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        value = low + share * (high - low)
        parts.append(
            f'<text class="tick" x="{share * WIDTH:.0f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{_short(value)}</text>'
        )
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>')


def _limit_line(rule: Rule, at: float, limit: float) -> str:
    """Draw the limit as a line; its foot points to the side that is refused."""
    top = _TOP - 22 if rule.stage == Stage.STAGE1 else _TOP - 10
    is_upper = rule.direction == "max" or (rule.direction == "max_abs" and limit > 0)
    anchor, gap = ("end", -4) if at > WIDTH - 60 or (rule.direction == "max_abs" and not is_upper) else ("start", 4)
    label = f"{_UP if is_upper else _LOW} {limit:g}"
    return (
        f'<g class="{rule.stage}"><line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{_FLOOR}"/>'
        f'<path d="M{at:.1f} {_FLOOR} l{7 if is_upper else -7} 0"/>'
        f'<text x="{at + gap:.1f}" y="{top + 8}" text-anchor="{anchor}">{label}</text></g>'
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"
