"""Scores as rows of a table in the Prefect UI."""

from model.evaluation.generator_report import ERRORS, Scorecard
from model.evaluation.translator_report import PictureCard
from model.metrics.bootstrap import Interval


def score_rows(card: Scorecard | PictureCard) -> list[dict[str, str]]:
    """Return a row of scores with intervals for each system; landmark errors in percent of the face's diagonal."""
    rows: dict[str, dict[str, str]] = {}
    for mean in card.means:
        rows.setdefault(mean.system, {"system": mean.system})[mean.score] = _text(mean.interval, mean.score)
    return list(rows.values())


def _text(interval: Interval, score: str) -> str:
    if interval.mean is None:
        return "not measured"
    scale, unit = (100, " %") if score in ERRORS else (1, "")
    middle = f"{scale * interval.mean:.2f}{unit}"
    if interval.low is None or interval.high is None:
        return middle
    return f"{middle} ({scale * interval.low:.2f} to {scale * interval.high:.2f})"
