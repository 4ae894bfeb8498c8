"""Page that compares two models for people: one self-contained HTML file."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from heterodub.model.evaluation.intervals import Interval, Resampling, difference_interval, mean_interval
from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.registry import curve
from heterodub.tasks.visualization.charts import OTHER_RGB, PREDICTED_RGB, hexed, new_figure, png

from .candidates import ModelScores
from .checks import PolicyCheck, figure
from .decision import PromotionDecision
from .gate import Comparison, fetched

_DRAWN: Final = 2
"""Clips that are drawn at either end: the challenger's best against the champion, and its worst."""

_COLUMNS: Final = ("clip_id", "corpus", "split")

_CURVE_INCHES: Final = (5.2, 2.0)

_BAR: Final = 150
_BAR_EDGE: Final = 6
"""Length of the line that an interval is drawn on, and the margin at its ends; pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Positions of the parts of an interval's drawing, pixels from the left."""

    low: float
    high: float
    mean: float
    zero: float
    limit: float


@dataclass(frozen=True, slots=True)
class DataDifference:
    """Rows (corpus, reason, clips), most first. note: set, and the rest empty, where the releases cannot be read."""

    before: str
    after: str
    added: tuple[tuple[str, str, int], ...] = ()
    removed: tuple[tuple[str, str, int], ...] = ()
    kept: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """The page as HTML, and its films (MP4) by clip and title: those the challenger does best on first, the worst
    last.
    """

    html: str
    films: Mapping[str, Mapping[str, bytes]]


def comparison_page(
    comparison: Comparison, model_scores: Sequence[ModelScores], verdict: PromotionDecision
) -> ComparisonPage:
    """Render the clips and the page; every text is escaped. Speakers are not named on it.

    Raises: ModelFileError, NotFoundError, TrackingError, WorkspaceError - a model, clip or curve cannot be read.
    """
    ranked = _ranked(model_scores, comparison.rule.primary)
    shown_clips = [clip for clip, *_ in dict.fromkeys([*ranked[:_DRAWN], *ranked[-_DRAWN:]])]
    with fetched(comparison) as candidates:
        drawn = comparison.evaluator.load().render(candidates, shown_clips)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "visible": visible,
        "interval": _interval,
        "figure": figure,
        "embedded": _embedded,
        "percent": _percent,
    }
    template = environment.from_string(files(__package__).joinpath("comparison.html").read_text("utf-8"))
    html = template.render(
        comparison=comparison,
        verdict=verdict,
        model_scores=model_scores,
        scores=_scores(comparison, model_scores),
        costs=sorted({name for candidate in model_scores for name in candidate.costs}),
        ranked=ranked,
        shown=[(clip, ours, theirs, drawn[clip]) for clip, ours, theirs in ranked if clip in shown_clips],
        bars={check.name: _bar(check) for check in verdict.checks},
        curves=_curves(comparison),
        difference=_difference(comparison),
    )
    return ComparisonPage(html, {clip: drawn[clip].films for clip in shown_clips})


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


def _difference(comparison: Comparison) -> DataDifference | None:
    if comparison.champion is None:
        return None
    before, after = (version.release for version in (comparison.champion, comparison.challenger))
    return data_difference(comparison.champions.ws, before, after, comparison.evaluator.stage)


def _curves(comparison: Comparison) -> dict[str, bytes]:
    """Draw the losses over steps by name, of both candidates, as far as their runs still exist. Returns PNGs."""
    both = [version for version in (comparison.challenger, comparison.champion) if version is not None]
    charts: dict[str, bytes] = {}
    for name in ("loss/total", "val/loss"):
        points_by_version = {version.number: curve(comparison.champions.tracking, version, name) for version in both}
        if any(points_by_version.values()):
            charts[name] = _line_chart(points_by_version)
    return charts


def _line_chart(points_by_version: Mapping[int, Sequence[tuple[int, float]]]) -> bytes:
    figure = new_figure(*_CURVE_INCHES, "")
    chart = figure.subplots()
    for (version, points), rgb in zip(points_by_version.items(), (PREDICTED_RGB, OTHER_RGB), strict=False):
        if points:
            steps, values = zip(*points, strict=True)
            chart.plot(steps, values, color=hexed(rgb), label=f"version {version} ends at {values[-1]:.4g}")
    chart.set_xlabel("step")
    chart.legend(frameon=False)
    return png(figure)


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


def _percent(value: Interval | None) -> str:
    return "\u2013" if value is None else value.format("+.1f", 100, missing="\u2013")


def data_difference(ws: Workspace, before: str, after: str, stage: Stage) -> DataDifference:
    """Compare the clips for training and validation of two releases of a stage."""
    try:
        old, new = (releases.find(ws, name) for name in (before, after))
        had, has = (_training(ws, release, stage) for release in (old, new))
    except NotFoundError as error:
        return DataDifference(before, after, note=str(error))
    reasons = _reasons(ws, new, stage)
    reasons_before = _reasons(ws, old, stage)
    return DataDifference(
        before,
        after,
        _counted((has[clip], _why_added(clip, reasons_before)) for clip in has.keys() - had.keys()),
        _counted((had[clip], _why_removed(clip, reasons)) for clip in had.keys() - has.keys()),
        len(had.keys() & has.keys()),
    )


def _training(ws: Workspace, release: Release, stage: Stage) -> dict[str, str]:
    rows = releases.release_clips(ws, release, stage, None, list(_COLUMNS)).to_pylist()
    return {row["clip_id"]: row["corpus"] for row in rows if row["split"] in ("train", "val")}


def _reasons(ws: Workspace, release: Release, stage: Stage) -> dict[str, str]:
    """Return why the stage refused each clip of a release; empty for admitted ones."""
    name = f"{stage.value}_reasons"
    rows = releases.read_table(ws, release, "clips", ["clip_id", name]).to_pylist()
    return {row["clip_id"]: ", ".join(row[name]) for row in rows}


def _why_added(clip: str, reasons_before: dict[str, str]) -> str:
    if clip not in reasons_before:
        return "new footage"
    return f"was refused: {reasons_before[clip]}" if reasons_before[clip] else "was in another split"


def _why_removed(clip: str, reasons: dict[str, str]) -> str:
    if clip not in reasons:
        return "not in the workspace any more"
    return f"now refused: {reasons[clip]}" if reasons[clip] else "now in another split"


def _counted(rows: Any) -> tuple[tuple[str, str, int], ...]:
    return tuple((corpus, reason, count) for (corpus, reason), count in Counter(rows).most_common())
