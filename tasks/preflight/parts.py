"""Single checks. Each raises the error with which the work itself would end, only sooner."""

import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from heterodub.schemas.config.dubbing import BUILTIN
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import ClusterError, NotFoundError, SettingsError, TrackingError, TrainingError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.builtin.find import builtin_model
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace, trouble_with_folder
from heterodub.tasks.tracking.address import TrackingAddress, place_of, require_listening
from heterodub.tasks.training.clip_selection import find_release

_CONNECT_S: Final = 5.0
"""Seconds until a connection attempt counts as failed."""

_SOCKETS: Final = ("tcp", "tls", "ws", "wss")
"""Kinds of Dask addresses behind which a port listens."""


def require_clips(settings: Settings, release_id: str | None, stage: Stage, *splits: str) -> Release:
    """Return the release of that id (default: the newest), if it holds clips of the stage in each of the splits.

    Raises: WorkspaceError, NotFoundError - there is none. TrainingError - it is of another version of heterodub, or a
    split is empty.
    """
    release = find_release(Workspace.open(settings.workspace), release_id)
    counts = {split: facts.get("clips", 0) for split, facts in release.counts.get(stage.value, {}).items()}
    if empty := [split for split in splits if not counts.get(split)]:
        counted = ", ".join(f"{counts.get(split, 0)} {split}" for split in ("train", "val", "test"))
        raise TrainingError(
            f"release {release.release_id} has no {stage.value} clip in its {empty[0]} split: {counted}; ingest more "
            "speakers"
        )
    return release


def require_tracking(settings: Settings) -> TrackingAddress:
    """Return the address of runs and models, if it can be reached.

    Raises: SettingsError - see place_of. TrackingError - a server does not answer. WorkspaceError.
    """
    place = place_of(settings.tracking, Workspace.open(settings.workspace))
    require_listening(place)
    return place


def require_model(settings: Settings, kind: str, name: str | None, may_be_folder: bool = True) -> None:
    """Refuse a model that does not exist. name: folder, "builtin", version number, "@alias" or run id; None: the newest
    version.

    Raises: TrackingError - the registry has no such version, or does not answer. NotFoundError - a folder without a
    model, or a path that leads nowhere. ModelFileError - what ships is damaged. SettingsError, WorkspaceError.
    """
    from heterodub.schemas.cards import CARD, FINETUNED

    if name == BUILTIN and may_be_folder:
        builtin_model(kind)
        return
    looks_like_path = name is not None and "/" in name and not name.startswith((f"{FINETUNED}/", "models:/"))
    if name is not None and may_be_folder and (Path(name).is_dir() or looks_like_path):
        if not (Path(name) / CARD).is_file():
            raise NotFoundError(f"{name} holds no {kind}: {CARD} is not there")
        return
    place = require_tracking(settings)
    from heterodub.tasks.tracking.kinds import KINDS
    from heterodub.tasks.tracking.registry import named_version, usable_version
    from heterodub.tasks.tracking.store import open_at

    if not place.exists:
        raise TrackingError(f"no {kind} is registered at {place}: `{KINDS[kind].made_by}` makes one")
    (usable_version if may_be_folder else named_version)(open_at(place), kind, name)


def require_scheduler(address: str | None) -> None:
    """Refuse the address of a Dask scheduler at which no port listens; other kinds of addresses pass.

    Raises: ClusterError - no port, or nothing listens there.
    """
    if address is None or urlsplit(address).scheme not in _SOCKETS:
        return
    try:
        parts = urlsplit(address)
        if parts.port is None:
            raise ValueError("it names no port")
        socket.create_connection((parts.hostname or "", parts.port), _CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {message_of(error)}") from error


def require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to or created.

    Raises: SettingsError - the text names the obstacle.
    """
    if trouble := trouble_with_folder(folder):
        raise SettingsError(f"{folder}: {trouble}")
