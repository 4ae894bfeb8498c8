"""The steps of dubbing as Prefect tasks. Each is thin: the work is done by the plain parts it calls."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import HeterodubError, MediaRefusedError
from heterodub.tasks.dubbing import batch, jobs
from heterodub.tasks.dubbing.jobs import inputs_of, pictures_of, uri_of
from heterodub.tasks.dubbing.model_lookup import nothing_was_named
from heterodub.tasks.dubbing.spread_jobs import workers_of
from heterodub.tasks.evaluation.acceptance_reports import failed_shots
from heterodub.tasks.media.paths import content_of
from heterodub.tasks.monitoring.run_log import Counts, as_step
from heterodub.tasks.steps.artifacts import show_table
from heterodub.tasks.steps.progress import step_progress
from heterodub.tasks.stores.workspace import Workspace

_LOG: Final = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
@as_step("read", lambda jobs: Counts(files=len(jobs)))
def read_jobs(manifest: str) -> list[DubJob]:
    """Read the jobs of a manifest.

    Raises: SourceError - it cannot be read, or a row is bad; the text says which.
    """
    return jobs.read_jobs(Path(manifest))


@task(cache_policy=NO_CACHE)
@as_step("dub", jobs.dub_counts)
def dub_jobs(
    jobs: Sequence[DubJob], generator: str | None, translator: str | None, settings: Settings, resume: bool
) -> list[dict[str, Any]]:
    """Dub every job; the summaries say how each ended. resume: skip those that an earlier run finished.

    Raises: ModelFileError, TrackingError, WorkspaceError, WeightsMissingError - the models cannot be loaded.
    """
    elsewhere = workers_of(settings, generator, translator)
    results = batch.dub_jobs(jobs, generator, translator, settings, step_progress(), resume, elsewhere)
    return [result.summary() for result in results]


@task(cache_policy=NO_CACHE)
def log_dubs(jobs: Sequence[DubJob], summaries: Sequence[dict[str, Any]], settings: Settings) -> None:
    """Log every new dub to MLflow, with its film; without a workspace, none. What cannot be logged causes a warning."""
    if nothing_was_named(settings):
        return
    for job, summary in zip(jobs, summaries, strict=True):
        if summary["error"] is None and not summary["skipped"]:
            try:
                _log_dub(job, summary, settings)
            except (HeterodubError, MediaRefusedError, OSError) as error:
                _LOG.warning("a dub was not logged to MLflow: %s", error)


def _log_dub(job: DubJob, summary: dict[str, Any], settings: Settings) -> None:
    from heterodub.tasks.tracking.dubs import log_dub  # a dub without a workspace needs no MLflow
    from heterodub.tasks.tracking.store import open_tracking

    kinds = {job.video: "video", job.turns: "turns", job.appearance_from: "appearance"}
    kinds |= dict.fromkeys(pictures_of(job).values(), "person")
    inputs: dict[str, list[str]] = {}
    for name in inputs_of(job):
        inputs.setdefault(kinds.get(name, "speech"), []).append(content_of(uri_of(name), settings.limits.web_origins))
    tracking = open_tracking(settings.tracking, Workspace.open(settings.workspace))
    log_dub(tracking, summary, inputs, settings.dub.kept_film_mib)


@task(cache_policy=NO_CACHE)
def show_dubbings(summaries: Sequence[dict[str, Any]]) -> None:
    """Show how each job ended in the Prefect UI."""
    columns = (
        *("error", "video", "out", "skipped", "frames", "dubbed", "passed_through", "covered"),
        *("speech_cut_s", "realtime_factor", "signed_by"),
    )
    rows = [
        {name: str(summary.get(name, "")) for name in columns}
        | {"acceptance": (summary.get("acceptance") or {}).get("state", "not measured")}
        | {"notes": "; ".join(summary.get("notes", ()))}
        for summary in summaries
    ]
    show_table("dubbings", rows)
    if failed := failed_shots(summaries):
        show_table("acceptance", failed, "Shots that failed acceptance; curves and stills are in the pages named here.")
