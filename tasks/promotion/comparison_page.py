"""The page that lays two models beside each other for people: one HTML file that needs nothing else."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, StrictUndefined

from model.metrics.bootstrap import Interval, Resampling, difference_interval, mean_interval
from schemas.config.settings import Settings
from schemas.display import visible

from .data_difference import DataDifference, data_difference
from .decision import PolicyCheck, PromotionDecision
from .gate import Comparison, fetched
from .model_scores import ModelScores
from .summaries import figure

if TYPE_CHECKING:
    from tasks.tracking.models import Version

_DRAWN: Final = 2
"""Clips at either end that are drawn: where the challenger does best against the champion, and where worst."""

_WIDE, _HIGH = 520, 150
"""Size of a curve, pixels."""

_BAR: Final = 150
_BAR_EDGE: Final = 6
"""Length of the line that an interval is drawn on, and what is left free at its ends; pixels."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one model's curve, as SVG has them, and its last value."""

    version: int
    points: str
    last: float


@dataclass(frozen=True, slots=True)
class Bar:
    """Where the parts of an interval's drawing stand, pixels from the left."""

    low: float
    high: float
    mean: float
    zero: float
    limit: float


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """The page as HTML, and its films (MP4) by clip: those the challenger does best on first, the worst last."""

    html: str
    films: Mapping[str, bytes]


def comparison_page(
    settings: Settings, comparison: Comparison, sheets: Sequence[ModelScores], verdict: PromotionDecision
) -> ComparisonPage:
    """Draw the clips and write the page; every text is escaped. Speakers are not named on it.

    Raises: ModelFileError, NotFoundError, TrackingError, WorkspaceError - a model, clip or curve cannot be read.
    """
    ranked = _ranked(sheets, comparison.rule.primary)
    shown = [clip for clip, *_ in dict.fromkeys([*ranked[:_DRAWN], *ranked[-_DRAWN:]])]
    with fetched(settings, comparison) as (ws, folders):
        drawn = comparison.judge.draw(ws, settings, comparison.benchmark, folders, comparison.rule, shown)
        difference = _difference(ws, comparison)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "interval": _interval, "figure": figure, "embedded": _embedded}
    template = environment.from_string(files(__package__).joinpath("comparison.html").read_text("utf-8"))
    html = template.render(
        comparison=comparison,
        verdict=verdict,
        sheets=sheets,
        scores=_scores(comparison, sheets),
        costs=sorted({name for sheet in sheets for name in sheet.costs}),
        ranked=ranked,
        shown=[(clip, ours, theirs, drawn[clip]) for clip, ours, theirs in ranked if clip in shown],
        bars={check.name: _bar(check) for check in verdict.checks},
        curves=_curves(settings, comparison),
        size=(_WIDE, _HIGH),
        difference=difference,
    )
    return ComparisonPage(html, {clip: drawn[clip].film for clip in shown})


def _ranked(sheets: Sequence[ModelScores], primary: str) -> list[tuple[str, float, float | None]]:
    """(clip, challenger's error, champion's error), the clip on which the challenger gains most first; of a first
    champion, the clip it does best on.
    """
    clips = sorted(sheets[0].speakers)
    ours = sheets[0].column(sheets[0].own, primary, clips)
    theirs = sheets[1].column(sheets[1].own, primary, clips) if len(sheets) > 1 else [None] * len(clips)
    rows = [(clip, mine, other) for clip, mine, other in zip(clips, ours, theirs, strict=True) if mine is not None]
    return sorted(rows, key=lambda row: row[1] - (row[2] or 0.0))


def _scores(comparison: Comparison, sheets: Sequence[ModelScores]) -> list[dict[str, Any]]:
    """A row a system and score: each candidate's mean, and their difference on the same clips."""
    clips = sorted(sheets[0].speakers)
    groups = [sheets[0].speakers[clip] for clip in clips]
    how = Resampling(**comparison.policy.resampling.model_dump())
    rows = []
    for system in sheets[0].systems():
        for score in comparison.judge.directions:
            columns = [sheet.column(system, score, clips) for sheet in sheets]
            means = [mean_interval(column, groups, how) for column in columns]
            if all(mean.mean is None for mean in means):
                continue
            change = difference_interval(columns[0], columns[1], groups, how) if len(columns) > 1 else None
            rows.append({"system": system, "score": score, "means": means, "change": change})
    return rows


def _difference(ws: Any, comparison: Comparison) -> DataDifference | None:
    if comparison.champion is None:
        return None
    before, after = (version.tags.get("release", "") for version in (comparison.champion, comparison.challenger))
    return data_difference(ws, before, after, comparison.judge.stage)


def _curves(settings: Settings, comparison: Comparison) -> dict[str, list[Curve]]:
    """Losses over steps by name, of both candidates, as far as their runs are still there."""
    from tasks.stores.workspace import Workspace
    from tasks.tracking.registry import curve
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    both: list[Version] = [version for version in (comparison.challenger, comparison.champion) if version is not None]
    found: dict[str, list[Curve]] = {}
    for name in ("loss/total", "val/loss"):
        told = {version.number: curve(tracking, version, name) for version in both}
        if any(told.values()):
            found[name] = _drawn(told)
    return found


def _drawn(told: Mapping[int, Sequence[tuple[int, float]]]) -> list[Curve]:
    """Curves on one scale."""
    steps = [step for points in told.values() for step, _ in points]
    values = [value for points in told.values() for _, value in points]
    low, high, last = min(values), max(values), max(steps) or 1
    spread = (high - low) or 1.0
    made = []
    for version, points in told.items():
        if points:
            placed = (f"{_WIDE * step / last:.1f},{_HIGH * (high - value) / spread:.1f}" for step, value in points)
            made.append(Curve(version, " ".join(placed), points[-1][1]))
    return made


def _bar(check: PolicyCheck) -> Bar | None:
    """A check's interval on a line of its own, with zero and what was asked for; None where there is no interval."""
    value = check.value
    if value is None or value.mean is None or value.low is None or value.high is None:
        return None
    ends = (0.0, check.limit, value.low, value.high)
    low, spread = min(ends), (max(ends) - min(ends)) or 1.0

    def place(at: float) -> float:
        return round(_BAR_EDGE + (_BAR - 2 * _BAR_EDGE) * (at - low) / spread, 1)

    return Bar(place(value.low), place(value.high), place(value.mean), place(0.0), place(check.limit))


def _embedded(data: bytes, kind: str) -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")


def _interval(value: Interval | None) -> str:
    if value is None or value.mean is None:
        return "\u2013"
    if value.low is None or value.high is None:
        return f"{value.mean:.4g}"
    return f"{value.mean:.4g} ({value.low:.4g} to {value.high:.4g})"
