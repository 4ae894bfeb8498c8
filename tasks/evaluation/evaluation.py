"""Result of an evaluation: scores of every clip by every system, and their report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from heterodub.model.metrics.clip_scores import ClipScores
from heterodub.model.metrics.report import Report, ReportSpec, make_report
from heterodub.schemas.errors import ModelFileError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.training.clip_selection import ClipRef, Selection

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model, or of those of several folds.

    evaluated_on: name of the clips, in words. facts: of the model (the first one's), for the summary. frechet: Frechet
    distance (model/metrics/frechet.py) of each system's crops to the true ones, over features of all clips' frames,
    "frames", and "motion" for the changes between consecutive ones; of one translator alone. tags: the registered
    version's, as in MLflow.
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

    @cached_property
    def report(self) -> Report:
        """Means over speakers, improvements over controls and verdicts."""
        return make_report(self.rows, self.spec)

    def summary(self) -> dict[str, Any]:
        """Return the report ready for JSON, without the single clips."""
        names = ("stage", "release", "evaluated_on", "references", "model", "frechet")
        return {name: getattr(self, name) for name in names} | {**self.facts, **asdict(self.report)}


def merged(parts: Sequence[Evaluation], name: str) -> Evaluation:
    """Merge the scores of several models under a name. A Frechet distance is of one model's pictures: none is kept."""
    rows = tuple(row for part in parts for row in part.rows)
    return replace(parts[0], evaluated_on=name, rows=rows, frechet={})


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
