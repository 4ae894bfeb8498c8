"""Opening of the tracking store, patient enough for a busy server but not for minutes when there is none."""

import fcntl
import logging
import os
import shlex
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from heterodub.model.files import is_disk_full
from heterodub.schemas.addresses import without_password
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.display import counted
from heterodub.schemas.errors import TrackingError
from heterodub.tasks.stores.workspace import TRACKING, Workspace

from .address import TrackingAddress, place_of, require_listening, server_listens

_log = logging.getLogger(__name__)

Purpose = Literal["training", "evaluation", "promotion", "dubbing"]

_ENVIRONMENT: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # 7 by default, which together wait for four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to answers, which may be JSON
}
"""MLflow takes these from the environment alone; values that the user has set are kept."""

_MLFLOWS_OWN: Final = "0"
"""Id of the experiment "Default", which every store has and nobody here uses."""

_EXPERIMENTS: Final = 1000

_LONGEST_CAUSE: Final = 400

NO_SUCH: Final = ("RESOURCE_DOES_NOT_EXIST",)
MISSING: Final = (*NO_SUCH, "INVALID_PARAMETER_VALUE")
"""Codes by which MLflow reports that a version or alias is not there; which of the two depends on the store."""

T = TypeVar("T")


def experiments(name: str) -> dict[Purpose, str]:
    """Name the experiment of each purpose. name: that of the settings, which trainings have."""
    purposes: tuple[Purpose, ...] = get_args(Purpose)
    return {purpose: name if purpose == "training" else f"{name}-{purpose}" for purpose in purposes}


@dataclass(frozen=True, slots=True)
class Tracking:
    """An open tracking store and the experiment in it that runs are filed under.

    experiment: name of the one for trainings; those for other purposes are named after it.
    """

    place: TrackingAddress
    client: MlflowClient
    experiment: str
    experiment_id: str

    def of(self, purpose: Purpose) -> "Tracking":
        """Return the store with the experiment of another purpose, which is made if missing.

        Raises: TrackingError - the store cannot be reached, or the experiment was deleted.
        """
        return replace(
            self, experiment_id=_experiment_id(self.place, self.client, experiments(self.experiment)[purpose])
        )

    def require_held(self, address: str, what: str) -> None:
        """Refuse files outside of a store of our own. Raises: TrackingError - the address leads elsewhere."""
        if not self.place.holds(address):
            raise TrackingError(
                f"the files of {what} are said to lie at {without_password(address)}, outside of "
                f"{self.place.artifacts}: they are neither read nor deleted"
            )

    def listens(self, timeout_s: float = 2.0) -> bool:
        """Return True if a request is worth trying: cheap, and never longer than `timeout_s` seconds."""
        return not self.place.is_server or server_listens(self.place, timeout_s) is None


def open_tracking(settings: TrackingSettings, ws: Workspace) -> Tracking:
    """Open the store of the settings; its experiment, and the folder of a local one, are made if missing.

    Raises: SettingsError - see place_of. TrackingError - the server does not answer, or the store cannot be used.
    """
    place = place_of(settings, ws)
    require_listening(place)
    with _first_opening(place):
        client = _client(place)
        return Tracking(place, client, settings.experiment, _experiment_id(place, client, settings.experiment))


def open_at(place: TrackingAddress) -> Tracking:
    """Open a store that is there, to query models or delete some; makes nothing, and no run can be begun.

    Raises: TrackingError - it cannot be reached. NotAtHomeError.
    """
    require_listening(place)
    client = _client(place)
    with tracking_errors(f"tracking store {place}"):
        for experiment in client.search_experiments(ViewType.ALL, max_results=_EXPERIMENTS):
            if _is_of_another(place, experiment):
                _require_at_home(place, experiment)
    return Tracking(place, client, "", "")


def look(place: TrackingAddress) -> str:
    """Describe a store that is there, for a check-up; makes and changes nothing.

    Raises: TrackingError - it cannot be used.
    """
    require_listening(place)
    client = _client(place)
    with tracking_errors(f"tracking store {place}"):
        models = client.search_registered_models(max_results=100)
        all_experiments = client.search_experiments(ViewType.ALL, max_results=_EXPERIMENTS)
        experiments = [experiment for experiment in all_experiments if experiment.experiment_id != _MLFLOWS_OWN]
    for experiment in experiments:
        _require_at_home(place, experiment)
    return f"{counted(len(experiments), 'experiment')}, {counted(len(models), 'registered model')} at {place}"


def pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield the results of every page of a search, which takes the token of a page, None for the first."""
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def if_there(what: str, query: Callable[[], T], missing: Collection[str] = MISSING) -> T | None:
    """Return the answer to a query; None where the store has no such thing.

    missing: codes by which MLflow reports that. Raises: as tracking_errors.
    """
    with tracking_errors(what):
        try:
            return query()
        except MlflowException as error:
            if error.error_code in missing:
                return None
            raise


@contextmanager
def tracking_errors(what: str) -> Iterator[None]:
    """Turn what MLflow raises into a TrackingError that starts with `what`; a full disk stays an OSError.

    Raises: TrackingError - MLflow, its database or the network failed. OSError - there is no room.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        raise TrackingError(f"{what}: {_cause(error)}") from error
    except OSError as error:  # requests raises these too
        if is_disk_full(error.errno):
            raise
        raise TrackingError(f"{what}: {_cause(error)}") from error


def _client(place: TrackingAddress) -> MlflowClient:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if place.login:
        os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = place.login
    for chatty in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with tracking_errors(f"tracking store {place}"):
        return MlflowClient(tracking_uri=place.uri, registry_uri=place.uri)


def _experiment_id(place: TrackingAddress, client: MlflowClient, experiment: str) -> str:
    """Return the id of an experiment of that name, which is made if missing."""
    with tracking_errors(f"tracking store {place}"):
        stored = client.get_experiment_by_name(experiment)
        if stored is None:
            try:
                return str(client.create_experiment(experiment, str(place.artifacts) if place.artifacts else None))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                stored = client.get_experiment_by_name(experiment)  # another process has just made it
    if stored is None:
        raise TrackingError(f"experiment {experiment!r} was made and is not there: another process deletes it")
    if stored.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {experiment!r} was deleted from {place}: `{restore_experiment(place, stored.experiment_id)}` "
            "restores it; or name another one in [tracking] experiment"
        )
    _require_at_home(place, stored)
    return str(stored.experiment_id)


class NotAtHomeError(TrackingError):
    """The store was moved or copied to where it lies now, and its runs and models still name files elsewhere."""


def _require_at_home(place: TrackingAddress, experiment: Any) -> None:
    """MLflow keeps absolute paths, so a copied workspace would write into the one it was copied from, or delete there.

    Raises: NotAtHomeError.
    """
    if place.folder and experiment.artifact_location != str(place.artifacts):
        raise NotAtHomeError(
            f"{place.folder} was moved or copied here: its runs still name files in {experiment.artifact_location}. "
            f"`heterodub relocate -w {shlex.quote(str(place.folder.parent))}` rewrites them; or set [tracking] uri"
        )


def _is_of_another(place: TrackingAddress, experiment: Any) -> bool:
    """Return True if an experiment keeps its files beside another database of ours, there or not. Somebody else's own
    experiments, and a workspace that is reached through a link, are none of it.
    """
    if place.folder is None or place.database is None or place.artifacts is None:
        return False
    there = Path(experiment.artifact_location)
    if there.parts[-2:] != (TRACKING, place.artifacts.name):
        return False
    database = there.with_name(place.database.name)
    return not (database.exists() and database.samefile(place.database))


def restore_experiment(place: TrackingAddress, experiment_id: str) -> str:
    """Return the command that restores a deleted experiment, with all of its runs."""
    return f"{at(place)} mlflow experiments restore --experiment-id {experiment_id}"


def at(place: TrackingAddress) -> str:
    """Return the prefix of one of MLflow's commands; those that restore have no option for an address."""
    return f"MLFLOW_TRACKING_URI={shlex.quote(str(place))}"


@contextmanager
def _first_opening(place: TrackingAddress) -> Iterator[None]:
    """Lock: two processes that make the tables of one new database at once break each other."""
    if place.folder is None:
        yield
        return
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.database and not place.database.exists():
            _log.info("making the tracking store %s, which takes some seconds", place.database)
        yield


def _cause(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return without_password(words) if len(words) <= _LONGEST_CAUSE else words[:_LONGEST_CAUSE] + " ..."
