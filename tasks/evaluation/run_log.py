"""Logs an evaluation to MLflow: a run of its own, tagged with model and data, with its scores and tables."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from heterodub.model.metrics.clip_scores import ClipScores
from heterodub.model.metrics.intervals import Interval
from heterodub.model.metrics.report import SystemMean
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import TrackingError
from heterodub.tasks.stores.workspace import Workspace

_log = logging.getLogger(__name__)

FOLDER: Final = "evaluation"
"""Folder of the tables among a run's files."""


def log_evaluation(
    ws: Workspace,
    settings: Settings,
    name: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float | None],
    summary: Mapping[str, Any],
    rows: Sequence[ClipScores] = (),
) -> str | None:
    """Log an evaluation to a new run and return its id; None, with a warning, if the store cannot be reached.

    rows: scores of every clip and system. Speakers are logged as a hash: a takedown cannot reach files of a run by
    name.
    """
    from heterodub.tasks.tracking.runs import tracked_run
    from heterodub.tasks.tracking.store import open_tracking

    try:
        tracking = open_tracking(settings.tracking, ws)
        with tracked_run(tracking, name) as run:
            run.tags({"kind": "evaluation", **tags})
            run.metrics(metrics)
            run.content(f"{FOLDER}/scores.json", _text(summary))
            if rows:
                run.content(f"{FOLDER}/clips.json", _text([_unnamed(row) for row in rows]))
            return run.run_id
    except TrackingError as error:
        _log.warning("the scores were not logged to MLflow: %s", error)
        return None


def metrics_of(means: Iterable[SystemMean]) -> dict[str, float | None]:
    """Return means and interval ends, by names such as "paired/nme_lips" and "paired/nme_lips/low"."""
    metrics: dict[str, float | None] = {}
    for mean in means:
        name, interval = metric_name(mean.system, mean.score), mean.interval
        metrics |= {name: interval.mean, f"{name}/low": interval.low, f"{name}/high": interval.high}
    return metrics


def gains_of(gains: Mapping[str, Interval]) -> dict[str, float | None]:
    """Gains of one system over another, by names such as "gain/nme_lips" and "gain/nme_lips/low"."""
    return metrics_of(SystemMean("gain", score, interval) for score, interval in gains.items())


def metric_name(system: str, score: str) -> str:
    """Return the name of a system's score in MLflow, such as "paired/nme_lips" of "paired audio"."""
    return f"{system.removesuffix(' audio').replace(' ', '_')}/{score}"


def _unnamed(row: ClipScores) -> dict[str, Any]:
    return row.row() | {"speaker": hashlib.sha256(row.speaker.encode()).hexdigest()[:12]}


def _text(tree: Any) -> str:
    return json.dumps(tree, indent=2) + "\n"
