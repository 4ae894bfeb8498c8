"""Queries of earlier runs: trainings that ended well, challengers that were not promoted, evidence, curves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from .models import Version
from .registry import versions
from .runs import TrackedRun
from .store import Tracking, if_there, pages, tracking_errors

TRAINING: Final = "training"
"""Tag of a training's run: identity of its release, clips and settings together, as its folder is named."""

SETTINGS: Final = "settings"
"""Tag of a training's run: identity of its settings alone."""

EVALUATED: Final = "evaluated"
"""Tag of a training's run: the release on whose test split its model was scored."""

_SCORES: Final = "evaluation/scores.json"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A version whose training ended well, with the tags of its run."""

    version: Version
    tags: Mapping[str, str]


def finished_training(tracking: Tracking, model: str, training: str) -> TrainedVersion | None:
    """Return the newest version from a training, by its identity, whose run ended well; None if there is none.

    Raises: TrackingError - the store cannot be reached.
    """
    by_run = {version.run_id: version for version in versions(tracking, model)}
    runs = _search(tracking, f"tags.{TRAINING} = '{training}' and attributes.status = 'FINISHED'")
    done = [TrainedVersion(by_run[run.info.run_id], dict(run.data.tags)) for run in runs if run.info.run_id in by_run]
    return max(done, key=lambda trained: trained.version.number, default=None)


def trained_by(tracking: Tracking, model: str, settings: str) -> frozenset[int]:
    """Return the versions that were trained by settings of this identity.

    Raises: TrackingError - the store cannot be reached.
    """
    runs = {run.info.run_id for run in _search(tracking, f"tags.{SETTINGS} = '{settings}'")}
    return frozenset(version.number for version in versions(tracking, model) if version.run_id in runs)


def kept_out(tracking: Tracking, model: str) -> dict[int, str]:
    """Challengers that were evaluated and did not become champion, by the policy or by a person: why, by version.

    Raises: TrackingError - the store cannot be reached.
    """
    condition = f"tags.model = '{model}' and tags.outcome != 'promote' and attributes.status = 'FINISHED'"
    runs = sorted(_search(tracking, condition), key=lambda run: int(run.info.start_time))
    return {int(run.data.tags["challenger"]): run.data.tags.get("reason", "") for run in runs}


def keep_scores(tracking: Tracking, version: Version, release: str, scores: Mapping[str, Any]) -> None:
    """Store a version's scores on a release's test split in the run of its training, as JSON, and tag the run.

    Raises: TrackingError - the store cannot be reached.
    """
    run = TrackedRun(tracking, version.run_id, resumed=True)
    run.content(_SCORES, scores)
    run.tags({EVALUATED: release})


def runs_of_benchmarks(tracking: Tracking, benchmarks: Collection[str]) -> set[str]:
    """Return the runs that hold evidence made on a benchmark, and the runs of the challengers it was made for.

    Raises: TrackingError - the store cannot be reached.
    """
    if not benchmarks:
        return set()
    with tracking_errors(f"runs at {tracking.place}"):
        experiments = [experiment.experiment_id for experiment in tracking.client.search_experiments()]
        evidence = [
            run for benchmark in benchmarks for run in _search(tracking, f"tags.benchmark = '{benchmark}'", experiments)
        ]
    return {run.info.run_id for run in evidence} | {run.data.tags.get("challenger_run", "") for run in evidence}


def curve(tracking: Tracking, version: Version, metric: str) -> list[tuple[int, float]]:
    """Return a metric of the version's run as (step, value), by step; empty where the run is gone or holds none.

    Raises: TrackingError - the store cannot be reached.
    """
    run = version.run_id
    points = if_there(f"run {run}", lambda: tracking.client.get_metric_history(run, metric))
    return sorted({point.step: point.value for point in points or ()}.items())


def _search(tracking: Tracking, condition: str, experiments: Sequence[str] | None = None) -> list[Any]:
    """Return the runs that match a filter, of any page. experiments: ids; else that of the tracking alone."""
    chosen = [tracking.experiment_id] if experiments is None else list(experiments)
    search = partial(tracking.client.search_runs, chosen, condition, max_results=_PAGE)
    with tracking_errors(f"runs at {tracking.place}"):
        return list(pages(lambda token: search(page_token=token)))
