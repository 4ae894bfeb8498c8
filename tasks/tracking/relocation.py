"""Relocation of a workspace's own tracking store to the place where it lies now.

MLflow keeps the absolute address of every run's and model's files. In a workspace that was moved or copied they name
the old place. Rewriting them is safe once nobody needs that place any more: it is gone, or the user confirms it.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heterodub.schemas.errors import TrackingError
from heterodub.tasks.stores.workspace import TRACKING

from .address import TrackingAddress

_ADDRESSES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns in which MLflow 3.17 keeps addresses of files."""

_MLFLOWS_OWN: Final = 0
_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Relocated:
    """Result of a relocation. `forgotten`: workspaces that the store belonged to; `missing`: models without files."""

    forgotten: tuple[str, ...]
    addresses: int
    models: int
    missing: tuple[str, ...]


def relocate(place: TrackingAddress, forget: Path | None = None) -> Relocated:
    """Rewrite every address of files below another workspace to this one, in one transaction.

    forget: the workspace that this one is a copy of, where it is still there: its models are then its own alone.

    Raises: TrackingError - the store is not inside the workspace, is busy or damaged; or the old place is still there
    and is not the one to be forgotten.
    """
    if place.database is None or place.artifacts is None:
        raise TrackingError(f"runs and models are kept at {place}, not in the workspace: there is nothing to rewrite")
    if not place.database.exists():
        raise TrackingError(f"there are no runs and models yet in {place.folder}")
    try:
        with closing(sqlite3.connect(place.database, timeout=_WAIT_S, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            old = _elsewhere(store, place.artifacts)
            for artifacts in old:
                _require_leave(artifacts, place.artifacts, forget)
            changed = sum(_rewrite(store, artifacts, str(place.artifacts)) for artifacts in old)
            sources = dict(store.execute("SELECT name || ' version ' || version, source FROM model_versions"))
            store.execute("COMMIT")
    except sqlite3.Error as error:
        raise TrackingError(f"tracking store {place}: {error}; nothing was changed") from error
    missing = tuple(sorted(name for name, source in sources.items() if not Path(source).exists()))
    return Relocated(tuple(str(_workspace_of(artifacts)) for artifacts in old), changed, len(sources), missing)


def _elsewhere(store: sqlite3.Connection, here: Path) -> list[str]:
    query = "SELECT DISTINCT artifact_location FROM experiments WHERE experiment_id != ? AND artifact_location != ?"
    folders = (str(row[0]) for row in store.execute(query, (_MLFLOWS_OWN, str(here))))
    return sorted(folder for folder in folders if Path(folder).parts[-2:] == (TRACKING, here.name))


def _require_leave(artifacts: str, here: Path, forget: Path | None) -> None:
    """Raises: TrackingError - the old place is still there, and the user did not allow to forget it."""
    old = Path(artifacts)
    if not old.exists() or (here.exists() and old.samefile(here)):
        return
    workspace = _workspace_of(artifacts)
    if forget is None or forget.resolve() != workspace.resolve():
        raise TrackingError(
            f"{workspace} is still there: remove it if this is the workspace now, or say `--forget {workspace}` if the "
            "two are to be separate from now on"
        )


def _workspace_of(artifacts: str) -> Path:
    return Path(artifacts).parent.parent


def _rewrite(store: sqlite3.Connection, old: str, new: str) -> int:
    changed = 0
    for table, column in _ADDRESSES:
        # not LIKE or replace(): a path may hold their wildcards, and one may be the beginning of another
        done = store.execute(
            f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "
            f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'",
            {"old": old, "new": new},
        )
        changed += done.rowcount
    return changed
