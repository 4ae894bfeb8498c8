"""Deleted parts of the tracking store that registered models still need, and how to restore them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlflow.entities import LifecycleStage, ViewType
from mlflow.exceptions import MlflowException

from .address import TrackingAddress
from .kinds import KINDS
from .models import Version
from .registry import MISSING, versions
from .store import Tracking, at, open_to_ask, restore_experiment, tracking_errors


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted thing: in words; the command that restores it, None where MLflow keeps nothing of it."""

    what: str
    command: str | None


def deleted(place: TrackingAddress, experiment: str) -> list[Deleted]:
    """List deleted experiments that trainings use or that registered versions came from, and deleted runs of versions.

    experiment: name of the one that new runs are filed under.

    Raises: TrackingError - the store cannot be read.
    """
    tracking = open_to_ask(place)
    with tracking_errors(f"tracking store {place}"):
        gone = {one.experiment_id: one.name for one in _deleted_experiments(tracking)}
    found = [
        (version, stage, home) for name in KINDS for version in versions(tracking, name)
        for stage, home in [_run_of(tracking, version)]
    ]  # fmt: skip
    needed = {home for _, _, home in found if home in gone} | {one for one, name in gone.items() if name == experiment}
    return [
        *(Deleted(f"experiment {gone[one]!r} was deleted", restore_experiment(place, one)) for one in sorted(needed)),
        *_runs(place, [(version, stage) for version, stage, home in found if home not in gone]),
    ]


def _runs(place: TrackingAddress, found: list[tuple[Version, str | None]]) -> Iterator[Deleted]:
    for version, stage in found:
        if stage is None:
            yield Deleted(f"run {version.run_id} of {version} is not there any more", None)
        elif stage == LifecycleStage.DELETED:
            command = f"{at(place)} mlflow runs restore --run-id {version.run_id}"
            yield Deleted(f"run {version.run_id} of {version} was deleted", command)


def _deleted_experiments(tracking: Tracking) -> Iterator[Any]:
    token = None
    while True:
        page = tracking.client.search_experiments(view_type=ViewType.DELETED_ONLY, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _run_of(tracking: Tracking, version: Version) -> tuple[str | None, str]:
    """Return the stage of a version's run, active or deleted, None where it is not there; and its experiment."""
    with tracking_errors(f"run {version.run_id} of {version}"):
        try:
            info = tracking.client.get_run(version.run_id).info
        except MlflowException as error:
            if error.error_code in MISSING:
                return None, ""
            raise
    return info.lifecycle_stage, info.experiment_id
