"""What learned from footage that is taken down: registered versions, and the folders of trainings on this machine."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import PromotionError
from tasks.promotion import ledger
from tasks.promotion.alias_moves import CHOOSE
from tasks.promotion.training_data import Touched
from tasks.stores.removal import remove_below, require_below
from tasks.stores.workspace import Workspace
from tasks.training.run_dirs import each_training, media_behind, run_of, trainings

if TYPE_CHECKING:
    from tasks.tracking.store import Tracking

_MADE_ANEW: Final = ("sync-*.safetensors", "paper-scores-*.json")


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """Checkpoints and weights of one training, in bytes. is_known: whether it learned from the footage for sure; else
    it does not say what it learned from.
    """

    folder: Path
    bytes: int
    is_known: bool

    def row(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"folder": str(self.folder), "bytes": self.bytes, "known": self.is_known}


def training_folders(ws: Workspace, media: Collection[str], models: Collection[Touched]) -> tuple[TrainingFolder, ...]:
    """Folders that learned from one of the contents, or may have. Those of other machines are not seen from here."""
    runs = {touched.version.run_id for touched in models if touched.clips}
    found = []
    for folder in each_training(ws):
        told, run = media_behind(folder), run_of(folder)
        is_known = run in runs or (told is not None and not told.isdisjoint(media))
        if is_known or (told is None and run is None):
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            found.append(TrainingFolder(folder, size, is_known))
    return tuple(found)


def require_out_of_force(ws: Workspace, models: Collection[Touched]) -> None:
    """Refuse to delete what is in use, or about to be: aliases may lag behind the ledger.

    Raises: PromotionError - a champion learned from the footage.
    """
    for touched in models:
        last = ledger.last_move(ws, touched.version.name)
        is_next = last is not None and last.to_version == touched.version.number
        if touched.clips and (is_next or "champion" in touched.aliases):
            raise PromotionError(
                f"{touched.version} learned from it and is the champion, so it is not deleted; nothing was done. Move "
                f"first: {CHOOSE} puts a clean one in its place; or train anew and promote; or take down without "
                "--with-models, which tags it"
            )


def require_own(
    ws: Workspace, tracking: "Tracking | None", models: Collection[Touched], folders: Collection[TrainingFolder]
) -> None:
    """Refuse to delete models of another workspace.

    Raises: TrackingError, WorkspaceError - files of a version, or a training's folder, lie outside of this one.
    """
    for touched in models if tracking else ():
        if touched.clips and tracking:
            tracking.require_held(touched.version.source, str(touched.version))
    for one in folders:
        if one.is_known:
            require_below(_own(ws), one.folder)


def _own(ws: Workspace) -> Path:
    """The folder on this machine that is the workspace's alone."""
    return Path(ws.root) if ws.is_local else ws.scratch()


def delete_models(
    ws: Workspace, tracking: "Tracking | None", models: Collection[Touched], folders: Collection[TrainingFolder]
) -> dict[str, list[str]]:
    """Delete versions and folders that learned from it for sure; says which.

    Raises: TrackingError - the store cannot be reached, or does not delete files.
    """
    sure = [touched.version for touched in models if touched.clips]
    if tracking is not None:
        from tasks.tracking.erasing import delete_version

        for version in sure:
            delete_version(tracking, version)
    known = [one.folder for one in folders if one.is_known]
    for folder in known:
        remove_below(_own(ws), folder)
    return {"versions_deleted": [str(version) for version in sure], "folders_deleted": [str(one) for one in known]}


def delete_made_anew(ws: Workspace) -> None:
    """Sync scorers, which learned from stage-1 clips, too, and kept scores of the paper's tables, which name speakers:
    both are made anew when asked for.
    """
    for pattern in _MADE_ANEW:
        for path in trainings(ws).glob(pattern):
            remove_below(path.parent, path)
