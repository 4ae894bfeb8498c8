"""Result of an evaluation: scores of every clip by every system, their report, and the MLflow run that holds them."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.intervals import Interval
from heterodub.model.evaluation.report import Report, ReportSpec, SystemMean, make_report
from heterodub.model.evaluation.strata import StratumScores, stratum_scores
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import ModelFileError, TrackingError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.strata import ClipStrata
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, Selection

if TYPE_CHECKING:
    from heterodub.tasks.tracking.runs import InputData

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model, or of those of several folds.

    evaluated_on: name of the clips, in words. facts: of the model (the first one's), for the summary. frechet: Frechet
    distance (model/evaluation/frechet.py) of each system's crops to the true ones, over features of all clips' frames,
    "frames", and "motion" for the changes between consecutive ones; of one translator alone. tags: the registered
    version's, as in MLflow. strata: those of the clips; without, there are no scores by stratum.
    """

    spec: ReportSpec
    stage: Stage
    release: str
    evaluated_on: str
    references: int
    model: str
    rows: tuple[ClipScores, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    frechet: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    strata: ClipStrata = field(default_factory=dict)

    @cached_property
    def report(self) -> Report:
        """Means over speakers, improvements over controls and verdicts."""
        return make_report(self.rows, self.spec)

    @cached_property
    def by_stratum(self) -> tuple[StratumScores, ...]:
        """Deciding score on each stratum of the clips."""
        return stratum_scores(self.rows, self.spec, self.strata)

    def summary(self) -> dict[str, Any]:
        """Return the report ready for JSON, without the single clips."""
        names = ("stage", "release", "evaluated_on", "references", "model", "frechet")
        strata = [asdict(part) for part in self.by_stratum]
        return {name: getattr(self, name) for name in names} | {**self.facts, **asdict(self.report), "strata": strata}


def merged(parts: Sequence[Evaluation], name: str) -> Evaluation:
    """Merge the scores of several models under a name. A Frechet distance is of one model's pictures: none is kept."""
    rows = tuple(row for part in parts for row in part.rows)
    strata = {clip: of_clip for part in parts for clip, of_clip in part.strata.items()}
    return replace(parts[0], evaluated_on=name, rows=rows, frechet={}, strata=strata)


def require_evaluable(selection: Selection, backend: str, clips: Sequence[ClipRef], stage: Stage, name: str) -> None:
    """Refuse an evaluation that cannot be made. backend: of the landmarks that the model takes.

    Raises: ModelFileError - it is another than the release's. TrainingError - there are no clips to evaluate on.
    """
    release = selection.release
    if backend != release.backend:
        raise ModelFileError(
            f"the model reads landmarks of {backend}, release {release.release_id} holds {release.backend}; "
            f"ingest with that backend, or train on this release"
        )
    if not clips:
        raise TrainingError(f"release {release.release_id} has no {stage.value} clip in {name} to evaluate on")


_log = logging.getLogger(__name__)

_NOT_IN_NAMES: Final = re.compile(r"[^\w.-]+", re.ASCII)
"""What MLflow takes no names of metrics with, blanks besides."""

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
    description: str = "",
    data: "InputData | None" = None,
) -> str | None:
    """Log an evaluation to a new run and return its id; None, with a warning, if the store cannot be reached.

    rows: scores of every clip and system; speakers are logged as a hash. description: for people, in Markdown. data:
    the data set of the clips, if they are one. The tag MODEL_ID names the model that the scores are of.
    """
    from heterodub.tasks.tracking.models import MODEL_ID
    from heterodub.tasks.tracking.runs import tracked_run
    from heterodub.tasks.tracking.store import open_tracking

    try:
        tracking = open_tracking(settings.tracking, ws)
        with tracked_run(tracking.of("evaluation"), name) as run:
            run.tags({"kind": "evaluation", **tags})
            run.inputs(tags.get(MODEL_ID), data)
            run.metrics(metrics, 0, tags.get(MODEL_ID), data)
            run.describe(description)
            run.content(f"{FOLDER}/scores.json", summary)
            if rows:
                run.content(f"{FOLDER}/clips.json", [row.pseudonymous_row() for row in rows])
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


def stratum_metrics(strata: Iterable[StratumScores]) -> dict[str, float | None]:
    """Return deciding scores by names such as "stratum/face_size/below_90_px/nme_lips", and their intervals' ends."""
    metrics: dict[str, float | None] = {}
    for part in strata:
        name = f"stratum/{part.factor}/{_NOT_IN_NAMES.sub('_', part.stratum)}/{part.score}"
        interval = part.interval
        metrics |= {name: interval.mean, f"{name}/low": interval.low, f"{name}/high": interval.high}
    return metrics


def metric_name(system: str, score: str) -> str:
    """Return the name of a system's score in MLflow, such as "paired/nme_lips" of "paired audio"."""
    return f"{system.removesuffix(' audio').replace(' ', '_')}/{score}"
