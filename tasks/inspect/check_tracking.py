"""Check of the tracking store: it exists and answers, and the files of models are whole."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import ModelFileError, SettingsError, TrackingError, WorkspaceError
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.address import TrackingAddress, place_of

from .findings import Finding, good, problem

_WHAT = "store"
_NOT_KEPT = "restore the tracking store from a copy; what the model was made of cannot be traced without it"
_NOT_AS_LOGGED = "restore its files from a copy, or choose another version (`heterodub rollback --reason TEXT`)"


def check_tracking(settings: Settings) -> list[Finding]:
    """Check the tracking store, read-only. A workspace that cannot be opened is reported by check_workspace."""
    return list(_store(settings))


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        place = place_of(settings.tracking, Workspace.open(settings.workspace))
    except WorkspaceError:
        return
    except SettingsError as error:
        yield problem("tracking", _WHAT, str(error), "without it nothing can be trained; ingest needs no tracking")
        return
    if not place.exists:
        yield good("tracking", _WHAT, f"not made yet; the first training makes {place.database}")
        return
    from heterodub.tasks.tracking.deletion import deleted
    from heterodub.tasks.tracking.store import NotAtHomeError, look

    try:
        detail = look(place)
        models = [*_models(place)]
        gone = deleted(place, settings.tracking.experiment)
    except NotAtHomeError as error:
        yield problem("tracking", _WHAT, str(error), "relocate it; until then nothing is trained, deleted or promoted")
        return
    except TrackingError as error:
        yield problem("tracking", _WHAT, str(error), _remedy(place.is_server))
        return
    yield good("tracking", _WHAT, detail)
    yield from models
    for deletion in gone:
        yield problem("tracking", "deleted", deletion.what, deletion.command or _NOT_KEPT)


def _models(place: TrackingAddress) -> Iterator[Finding]:
    """Check each version that an alias points at, its files against its checksums; of others in a store of our
    own, that there are files at all.

    Raises: TrackingError - the store does not answer.
    """
    from heterodub.tasks.tracking.kinds import KINDS
    from heterodub.tasks.tracking.models import verify_version
    from heterodub.tasks.tracking.registry import aliases_of, versions
    from heterodub.tasks.tracking.store import open_at

    tracking = open_at(place)
    for name in KINDS:
        pointed = aliases_of(tracking, name)
        for version in versions(tracking, name):
            what = ", ".join((f"{name} {version.number}", *pointed.get(version.number, ())))
            if place.folder and not (place.holds(version.source) and Path(version.source).is_dir()):
                yield problem("tracking", what, f"its files are not there: {version.source}", _NOT_AS_LOGGED)
            elif version.number in pointed:
                yield _against_checksums(what, partial(verify_version, tracking, version))


def _against_checksums(what: str, verify: Callable[[], None]) -> Finding:
    try:
        verify()
    except (ModelFileError, TrackingError) as error:
        return problem("tracking", what, str(error), _NOT_AS_LOGGED)
    return good("tracking", what, "every file as it was logged")


def _remedy(is_server: bool) -> str:
    if is_server:
        return "start it (`mlflow server`), or correct [tracking] uri; without it nothing can be trained"
    return "restore the database from a copy, or move it away to begin a new history (models in it are lost to view)"
