"""Deletion of files about some clips from runs: pictures and films of them, pages that show them; and of versions."""

import logging
from collections.abc import Collection, Iterator

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from .models import Version
from .store import Tracking, tracking_errors

_log = logging.getLogger(__name__)

_PAGE = 1000


def erase_about(tracking: Tracking, clips: Collection[str], pages: Collection[str], page_runs: Collection[str]) -> int:
    """Delete what runs keep of clips, in every experiment; return how many files.

    clips: ids; files that have the first twelve digits of one in their name go. pages: files that go from `page_runs`.

    Raises: TrackingError - the store cannot be reached, or keeps its files where they cannot be deleted.
    """
    marks = tuple(clip[:12] for clip in clips)
    gone = 0
    for run_id, place in _runs(tracking):
        if not tracking.place.holds(place):
            _log.warning(
                "files of run %s are said to lie at %s, which is no place of ours: none is deleted", run_id, place
            )
            continue
        for name in _files(tracking, run_id, ""):
            if any(mark in name.rsplit("/", 1)[-1] for mark in marks) or (run_id in page_runs and name in pages):
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
        kept = tracking.client.get_model_version(version.name, str(version.number))
        files = get_artifact_repository(version.source, tracking_uri=tracking.place.uri)
        for entry in files.list_artifacts():
            files.delete_artifacts(entry.path)  # type: ignore[no-untyped-call]
        if kept.model_id:
            tracking.client.delete_logged_model(kept.model_id)
        tracking.client.delete_model_version(version.name, str(version.number))


def _runs(tracking: Tracking) -> Iterator[tuple[str, str]]:
    """Yield every run with its artifact address, deleted ones too: their files are still there."""
    from mlflow.entities import ViewType

    with tracking_errors(f"runs at {tracking.place}"):
        experiments = [one.experiment_id for one in tracking.client.search_experiments(ViewType.ALL)]
        token = None
        while True:
            found = tracking.client.search_runs(experiments, "", ViewType.ALL, _PAGE, page_token=token)
            yield from ((run.info.run_id, run.info.artifact_uri) for run in found)
            token = found.token
            if not token:
                return


def _files(tracking: Tracking, run_id: str, folder: str) -> Iterator[str]:
    with tracking_errors(f"files of run {run_id}"):
        try:
            entries = tracking.client.list_artifacts(run_id, folder or None)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return
            raise
    for entry in entries:
        if entry.is_dir:
            yield from _files(tracking, run_id, entry.path)
        else:
            yield entry.path
