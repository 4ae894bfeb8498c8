"""Scores as rows of a table in the Prefect UI."""

from model.metrics.bootstrap import Interval
from model.stage1.judging import SYSTEMS
from model.stage1.scorecard import ERRORS, SCORES, Scorecard


def score_rows(card: Scorecard) -> list[dict[str, str]]:
    """A row for each system with each score and its interval; errors in percent of the face's diagonal."""
    judged = [system for system in SYSTEMS if any(mean.system == system for mean in card.means)]
    return [
        {"system": system} | {score: _text(card.mean(system, score), score) for score in SCORES} for system in judged
    ]


def _text(interval: Interval, score: str) -> str:
    if interval.mean is None:
        return "not measured"
    scale, unit = (100, " %") if score in ERRORS else (1, "")
    middle = f"{scale * interval.mean:.2f}{unit}"
    if interval.low is None or interval.high is None:
        return middle
    return f"{middle} ({scale * interval.low:.2f} to {scale * interval.high:.2f})"
