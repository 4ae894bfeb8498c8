"""Deletion of versions, and of files about some clips from runs; and what was deleted that models still need."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlflow.entities import LifecycleStage, RunInfo, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from .address import TrackingAddress
from .kinds import KINDS
from .models import Version
from .registry import versions
from .store import NO_SUCH, Tracking, at, experiments, if_there, open_at, pages, restore_experiment, tracking_errors

_log = logging.getLogger(__name__)

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted thing: in words; the command that restores it, None where MLflow keeps nothing of it."""

    what: str
    command: str | None


def erase_about(
    tracking: Tracking, footage: Collection[str], pages: Collection[str], page_runs: Collection[str]
) -> int:
    """Delete what runs keep of clips and media, in every experiment; return how many files.

    footage: ids of clips and media; files that have the first twelve digits of one in their name, folders included, go.
    pages: files that go from `page_runs`.

    Raises: TrackingError - the store cannot be reached, or keeps its files where they cannot be deleted.
    """
    marks = tuple(identity[:12] for identity in footage)
    gone = 0
    for run_id, place in _runs(tracking):
        if not tracking.place.holds(place):
            _log.warning(
                "files of run %s are said to lie at %s, which is no place of ours: none is deleted", run_id, place
            )
            continue
        for name in _files(tracking, run_id, ""):
            if any(mark in name for mark in marks) or (run_id in page_runs and name in pages):
                with tracking_errors(f"{name} of run {run_id}"):
                    get_artifact_repository(place, tracking_uri=tracking.place.uri).delete_artifacts(name)  # type: ignore[no-untyped-call]
                gone += 1
    return gone


def delete_version(tracking: Tracking, version: Version) -> None:
    """Delete a version with its files. The files go first, so that an attempt that broke can be made again.

    Raises: TrackingError - the store cannot be reached, or keeps its files where they cannot be deleted or are not its
    own.
    """
    tracking.require_held(version.source, str(version))
    with tracking_errors(f"{version} at {tracking.place}"):
        files = get_artifact_repository(version.source, tracking_uri=tracking.place.uri)
        for entry in files.list_artifacts():
            files.delete_artifacts(entry.path)  # type: ignore[no-untyped-call]
        if version.model_id:
            tracking.client.delete_logged_model(version.model_id)
        tracking.client.delete_model_version(version.name, str(version.number))


def deleted(place: TrackingAddress, experiment: str) -> list[Deleted]:
    """List deleted experiments that new runs or registered versions need, and deleted runs of versions.

    experiment: its name in the settings.

    Raises: TrackingError - the store cannot be read.
    """
    tracking = open_at(place)
    gone = {entity.experiment_id: entity.name for entity in _experiments(tracking, ViewType.DELETED_ONLY)}
    runs = [(version, _run_of(tracking, version)) for name in KINDS for version in versions(tracking, name)]
    homes = {run.experiment_id for _, run in runs if run}
    own = experiments(experiment).values()
    needed = {experiment_id for experiment_id, name in gone.items() if experiment_id in homes or name in own}
    return [
        *(
            Deleted(f"experiment {gone[experiment_id]!r} was deleted", restore_experiment(place, experiment_id))
            for experiment_id in sorted(needed)
        ),
        *_deleted_runs(
            place, [(version, run) for version, run in runs if run is None or run.experiment_id not in gone]
        ),
    ]


def _deleted_runs(place: TrackingAddress, runs: Sequence[tuple[Version, RunInfo | None]]) -> Iterator[Deleted]:
    for version, run in runs:
        if run is None:
            yield Deleted(f"run {version.run_id} of {version} is not there any more", None)
        elif run.lifecycle_stage == LifecycleStage.DELETED:
            command = f"{at(place)} mlflow runs restore --run-id {version.run_id}"
            yield Deleted(f"run {version.run_id} of {version} was deleted", command)


def _run_of(tracking: Tracking, version: Version) -> RunInfo | None:
    """Return a version's run, active or deleted; None where it is not there."""
    what = f"run {version.run_id} of {version}"
    return if_there(what, lambda: tracking.client.get_run(version.run_id).info)


def _experiments(tracking: Tracking, view: int) -> list[Any]:
    search = partial(tracking.client.search_experiments, view)
    with tracking_errors(f"tracking store {tracking.place}"):
        return list(pages(lambda token: search(page_token=token)))


def _runs(tracking: Tracking) -> list[tuple[str, str]]:
    """Return every run with its artifact address, deleted ones too: their files are still there."""
    experiments = [experiment.experiment_id for experiment in _experiments(tracking, ViewType.ALL)]
    search = partial(tracking.client.search_runs, experiments, "", ViewType.ALL, _PAGE)
    with tracking_errors(f"runs at {tracking.place}"):
        return [(run.info.run_id, run.info.artifact_uri) for run in pages(lambda token: search(page_token=token))]


def _files(tracking: Tracking, run_id: str, folder: str) -> Iterator[str]:
    list_files = partial(tracking.client.list_artifacts, run_id, folder or None)
    for entry in if_there(f"files of run {run_id}", list_files, NO_SUCH) or ():
        if entry.is_dir:
            yield from _files(tracking, run_id, entry.path)
        else:
            yield entry.path
