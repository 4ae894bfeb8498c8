"""Can runs and models be kept: is the tracking store there, and does it answer."""

from collections.abc import Iterator

from schemas.errors import SettingsError, TrackingError, WorkspaceError
from schemas.settings import Settings
from tasks.stores.workspace import Workspace
from tasks.tracking.place import place_of

from .findings import Finding, good, problem

_WHAT = "store"
_LOST = "restore its files from a copy, or train anew and promote; until then whoever names that version is refused"
_NOT_KEPT = "restore the tracking store from a copy; what the model was made of cannot be traced without it"


def check_tracking(settings: Settings) -> list[Finding]:
    """Look at the tracking store; makes nothing. A workspace that cannot be opened is check_workspace's to tell."""
    return list(_store(settings))


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        place = place_of(settings.tracking, Workspace.open(settings.workspace))
    except WorkspaceError:
        return
    except SettingsError as error:
        yield problem("tracking", _WHAT, str(error), "without it nothing can be trained; ingest needs no tracking")
        return
    if place.database and not place.database.exists():
        yield good("tracking", _WHAT, f"not made yet; the first training makes {place.database}")
        return
    from tasks.tracking.deleted import deleted
    from tasks.tracking.soundness import damaged
    from tasks.tracking.store import NotAtHomeError, look

    try:
        detail = look(place)
        gone = deleted(place, settings.tracking.experiment)
        faults = damaged(place)
    except NotAtHomeError as error:
        yield problem("tracking", _WHAT, str(error), "relocate it; until then nothing is trained, deleted or promoted")
        return
    except TrackingError as error:
        yield problem("tracking", _WHAT, str(error), _remedy(place.is_server))
        return
    yield good("tracking", _WHAT, detail)
    for one in gone:
        yield problem("tracking", "deleted", one.what, one.command or _NOT_KEPT)
    for fault in faults:
        yield problem("tracking", "models", fault, _LOST)


def _remedy(is_server: bool) -> str:
    if is_server:
        return "start it (`mlflow server`), or correct [tracking] uri; without it nothing can be trained"
    return "restore the database from a copy, or move it away to begin a new history (models in it are lost to view)"
