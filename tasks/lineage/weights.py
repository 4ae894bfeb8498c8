"""Weights trained on footage that is taken down: registered versions, and training folders on this machine."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heterodub.schemas.errors import PromotionError
from heterodub.tasks.stores.removal import remove_below, require_below
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking import ledger
from heterodub.tasks.tracking.ledger import CHOOSE
from heterodub.tasks.training.run_dirs import each_training, media_behind, run_of, trainings

if TYPE_CHECKING:
    from heterodub.tasks.tracking.lineage import TouchedVersion
    from heterodub.tasks.tracking.store import Tracking

_DERIVED: Final = ("sync-*.safetensors", "paper-scores-*.json")


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Checkpoints and weights of one training, in bytes. is_known: True if it was trained on the footage for
    certain; else its training data are not known.
    """

    folder: Path
    bytes: int
    is_known: bool

    def row(self) -> dict[str, Any]:
        """Return the folder ready for JSON."""
        return {"folder": str(self.folder), "bytes": self.bytes, "known": self.is_known}


def training_folders(
    ws: Workspace, media: Collection[str], models: "Collection[TouchedVersion]"
) -> tuple[TrainingFolder, ...]:
    """Find the folders that were, or may have been, trained on one of the contents; on this machine only."""
    runs = {touched.version.run_id for touched in models if touched.clips}
    folders = []
    for folder in each_training(ws):
        logged, run = media_behind(folder), run_of(folder)
        is_known = run in runs or (logged is not None and not logged.isdisjoint(media))
        if is_known or (logged is None and run is None):
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            folders.append(TrainingFolder(folder, size, is_known))
    return tuple(folders)


def require_not_champion(ws: Workspace, models: "Collection[TouchedVersion]") -> None:
    """Refuse to delete a version that is champion, or about to be: aliases may lag behind the ledger.

    Raises: PromotionError - a champion was trained on the footage.
    """
    for touched in models:
        last = ledger.last_move(ws, touched.version.name)
        is_next = last is not None and last.to_version == touched.version.number
        if touched.clips and (is_next or "champion" in touched.aliases):
            raise PromotionError(
                f"{touched.version} was trained on it and is the champion: it is not deleted; nothing was done. "
                f"First move the champion: {CHOOSE} chooses a clean one; or train again and promote; or take down "
                "without --with-models, which tags it"
            )


def require_own(
    ws: Workspace,
    tracking: "Tracking | None",
    models: "Collection[TouchedVersion]",
    folders: Collection[TrainingFolder],
) -> None:
    """Refuse to delete models of another workspace.

    Raises: TrackingError, WorkspaceError - files of a version, or a training's folder, lie outside of this one.
    """
    for touched in models if tracking else ():
        if touched.clips and tracking:
            tracking.require_held(touched.version.source, str(touched.version))
    for training in folders:
        if training.is_known:
            require_below(_own(ws), training.folder)


def _own(ws: Workspace) -> Path:
    """The folder on this machine that is the workspace's alone."""
    return Path(ws.root) if ws.is_local else ws.scratch()


def delete_models(
    ws: Workspace,
    tracking: "Tracking | None",
    models: "Collection[TouchedVersion]",
    folders: Collection[TrainingFolder],
) -> dict[str, list[str]]:
    """Delete versions and folders that were trained on it for certain; returns their names.

    Raises: TrackingError - the store cannot be reached, or does not delete files.
    """
    versions = [touched.version for touched in models if touched.clips]
    if tracking is not None:
        from heterodub.tasks.tracking.deletion import delete_version

        for version in versions:
            delete_version(tracking, version)
    known_folders = [training.folder for training in folders if training.is_known]
    for folder in known_folders:
        remove_below(_own(ws), folder)
    return {
        "versions_deleted": [str(version) for version in versions],
        "folders_deleted": [str(folder) for folder in known_folders],
    }


def delete_derived(ws: Workspace) -> None:
    """Delete sync scorers, which are trained on stage-1 clips, and cached scores of the paper's tables, which name
    speakers. Both are computed again when needed.
    """
    for pattern in _DERIVED:
        for path in trainings(ws).glob(pattern):
            remove_below(path.parent, path)
