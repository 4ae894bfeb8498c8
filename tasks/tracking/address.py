"""Address of the tracking store of runs and models, from settings and workspace. No MLflow here."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from heterodub.schemas.addresses import without_password
from heterodub.schemas.config.settings import TrackingSettings
from heterodub.schemas.errors import SettingsError, TrackingError
from heterodub.tasks.stores.workspace import TRACKING, Workspace

_PORTS: Final = {"http": 80, "https": 443}

_CONNECT_S: Final = 5.0
"""A server that takes no connection within this time is not there."""


@dataclass(frozen=True, slots=True)
class TrackingAddress:
    """Address of a tracking store. `folder` and `artifacts` are local, and None where a server keeps things by itself.

    folder: holds a database of our own, so it is ours to make. artifacts: where files of new experiments go. login:
    user and password for a server. They are not part of its `uri`, which MLflow puts into the texts of its errors.
    """

    uri: str = field(repr=False)
    folder: Path | None = None
    artifacts: Path | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def is_server(self) -> bool:
        """True if the store is behind an MLflow server."""
        return urlsplit(self.uri).scheme in _PORTS

    @property
    def database(self) -> Path | None:
        """SQLite file of a store of our own."""
        return self.folder / "mlflow.db" if self.folder else None

    @property
    def exists(self) -> bool:
        """False if it is a store of our own that was not made yet."""
        return self.database is None or self.database.exists()

    def holds(self, address: str) -> bool:
        """Return True if an address of files leads into the folder of a store of our own, links followed. Another
        store was named by somebody, so it holds what it says.
        """
        if self.folder is None or self.artifacts is None:
            return True
        parts = urlsplit(address)
        path = unquote(parts.path) if parts.scheme == "file" else address
        return parts.scheme in ("", "file") and Path(path).resolve().is_relative_to(self.artifacts.resolve())

    def __str__(self) -> str:
        return without_password(self.uri)


def place_of(settings: TrackingSettings, ws: Workspace) -> TrackingAddress:
    """Return the store that the settings name, else the one inside the workspace. Nothing is made or opened.

    Raises: SettingsError - a remote workspace needs a server; or its path cannot be part of a database address.
    """
    folder = Path(ws.root) / TRACKING if ws.is_local else None
    if settings.uri is not None:
        place = TrackingAddress(settings.uri.rstrip("/"), None, folder and folder / "artifacts")
        if place.is_server:
            return _server(place.uri)
        if folder is None:
            raise SettingsError(
                f"[tracking] uri {place} is a database, and the workspace {without_password(ws.root)} is remote, so "
                "there is no place for files: name an MLflow server (http://...)"
            )
        return place
    if folder is None:
        raise SettingsError(
            f"the workspace {without_password(ws.root)} is remote, so [tracking] uri must name an MLflow server "
            "(http://...) or HETERODUB_TRACKING__URI be set"
        )
    if "?" in str(folder):  # SQLAlchemy takes what follows for options, and would write to another file
        raise SettingsError(f"{folder}: a path with '?' cannot hold an MLflow database; set [tracking] uri")
    return TrackingAddress(f"sqlite:///{folder}/mlflow.db", folder, folder / "artifacts")


def _server(uri: str) -> TrackingAddress:
    parts = urlsplit(uri)
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    clean = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return TrackingAddress(clean, login=(unquote(user), unquote(password)) if login else None)


def require_listening(place: TrackingAddress) -> None:
    """Refuse the address of a server that takes no connection. Raises: TrackingError."""
    if place.is_server and (why := server_listens(place, _CONNECT_S)):
        raise TrackingError(f"no MLflow server answers at {place} ({why}); start it, or correct [tracking] uri")


def server_listens(place: TrackingAddress, timeout_s: float) -> str | None:
    """Return why no server can be reached at an address within `timeout_s` seconds; None if one can."""
    parts = urlsplit(place.uri)
    try:
        address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
        socket.create_connection(address, timeout_s).close()
    except (OSError, ValueError) as error:
        return str(error)
    return None
