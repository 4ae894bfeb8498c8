"""Page that compares two models for people: one self-contained HTML file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, StrictUndefined

from model.metrics.intervals import Interval, Resampling, difference_interval, mean_interval
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
"""Clips that are drawn at either end: the challenger's best against the champion, and its worst."""

_WIDE, _HIGH = 520, 150
"""Size of a curve, pixels."""

_BAR: Final = 150
_BAR_EDGE: Final = 6
"""Length of the line that an interval is drawn on, and the margin at its ends; pixels."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one model's curve, as SVG has them, and its last value."""

    version: int
    points: str
    last: float


@dataclass(frozen=True, slots=True)
class Bar:
    """Positions of the parts of an interval's drawing, pixels from the left."""

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
    settings: Settings, comparison: Comparison, model_scores: Sequence[ModelScores], verdict: PromotionDecision
) -> ComparisonPage:
    """Render the clips and the page; every text is escaped. Speakers are not named on it.

    Raises: ModelFileError, NotFoundError, TrackingError, WorkspaceError - a model, clip or curve cannot be read.
    """
    ranked = _ranked(model_scores, comparison.rule.primary)
    shown = [clip for clip, *_ in dict.fromkeys([*ranked[:_DRAWN], *ranked[-_DRAWN:]])]
    with fetched(settings, comparison) as (ws, folders):
        drawn = comparison.evaluator.render(ws, settings, comparison.benchmark, folders, comparison.rule, shown)
        difference = _difference(ws, comparison)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"visible": visible, "interval": _interval, "figure": figure, "embedded": _embedded}
    template = environment.from_string(files(__package__).joinpath("comparison.html").read_text("utf-8"))
    html = template.render(
        comparison=comparison,
        verdict=verdict,
        model_scores=model_scores,
        scores=_scores(comparison, model_scores),
        costs=sorted({name for candidate in model_scores for name in candidate.costs}),
        ranked=ranked,
        shown=[(clip, ours, theirs, drawn[clip]) for clip, ours, theirs in ranked if clip in shown],
        bars={check.name: _bar(check) for check in verdict.checks},
        curves=_curves(settings, comparison),
        size=(_WIDE, _HIGH),
        difference=difference,
    )
    return ComparisonPage(html, {clip: drawn[clip].film for clip in shown})


def _ranked(model_scores: Sequence[ModelScores], primary: str) -> list[tuple[str, float, float | None]]:
    """Return (clip, challenger's error, champion's error), largest gain of the challenger first; without a champion,
    its lowest error first.
    """
    clips = sorted(model_scores[0].speakers)
    ours = model_scores[0].column(model_scores[0].main_system, primary, clips)
    theirs = (
        model_scores[1].column(model_scores[1].main_system, primary, clips)
        if len(model_scores) > 1
        else [None] * len(clips)
    )
    rows = [(clip, mine, other) for clip, mine, other in zip(clips, ours, theirs, strict=True) if mine is not None]
    return sorted(rows, key=lambda row: row[1] - (row[2] or 0.0))


def _scores(comparison: Comparison, model_scores: Sequence[ModelScores]) -> list[dict[str, Any]]:
    """Return a row for each system and score: each candidate's mean, and their difference on the same clips."""
    clips = sorted(model_scores[0].speakers)
    groups = [model_scores[0].speakers[clip] for clip in clips]
    how = Resampling(**comparison.policy.resampling.model_dump())
    rows = []
    for system in model_scores[0].systems():
        for score in comparison.evaluator.directions:
            columns = [candidate.column(system, score, clips) for candidate in model_scores]
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
    return data_difference(ws, before, after, comparison.evaluator.stage)


def _curves(settings: Settings, comparison: Comparison) -> dict[str, list[Curve]]:
    """Return the losses over steps by name, of both candidates, as far as their runs still exist."""
    from tasks.stores.workspace import Workspace
    from tasks.tracking.registry import curve
    from tasks.tracking.store import open_tracking

    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    both: list[Version] = [version for version in (comparison.challenger, comparison.champion) if version is not None]
    curves: dict[str, list[Curve]] = {}
    for name in ("loss/total", "val/loss"):
        points_by_version = {version.number: curve(tracking, version, name) for version in both}
        if any(points_by_version.values()):
            curves[name] = _scaled(points_by_version)
    return curves


def _scaled(points_by_version: Mapping[int, Sequence[tuple[int, float]]]) -> list[Curve]:
    """Return curves on one scale."""
    steps = [step for points in points_by_version.values() for step, _ in points]
    values = [value for points in points_by_version.values() for _, value in points]
    low, high, last = min(values), max(values), max(steps) or 1
    spread = (high - low) or 1.0
    curves = []
    for version, points in points_by_version.items():
        if points:
            placed = (f"{_WIDE * step / last:.1f},{_HIGH * (high - value) / spread:.1f}" for step, value in points)
            curves.append(Curve(version, " ".join(placed), points[-1][1]))
    return curves


def _bar(check: PolicyCheck) -> Bar | None:
    """Return positions of a check's interval, zero and limit on a line; None if there is no interval."""
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
    return "\u2013" if value is None else value.format(".4g", missing="\u2013")
