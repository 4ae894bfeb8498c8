"""Folders of trainings on this machine, and the record of their training clips."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from heterodub.tasks.stores.removal import remove_below
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import Selection, TrainingClips

_CLIPS: Final = "clips.json"
"""File in a training's folder with the ids of its clips; it exists even if the training got no run or ended early."""

RUN: Final = "run.json"
"""File in a training's folder with the id of its run, so that a resumed training continues the run's curves."""


def trainings(workspace: Workspace) -> Path:
    """Return the folder of all trainings on this machine; it may not exist yet."""
    return Path(workspace.root) / "training" if workspace.is_local else workspace.scratch() / "training"


def dubbings(workspace: Workspace) -> Path:
    """Folder of what translators learned while they dubbed; what opens foreign videos may write into this one alone."""
    return trainings(workspace) / "dubbings"


def each_training(workspace: Workspace) -> list[Path]:
    """The folders of single trainings on this machine."""
    above = (trainings(workspace), dubbings(workspace))
    folders = (path for folder in above if folder.is_dir() for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in folders if path != above[1])


def training_folder(selection: Selection, settings: BaseModel, stage: str = "stage1") -> Path:
    """Return the folder of a training. The same release, clips and settings give the same folder, so that running a
    killed training again resumes it.
    """
    clips = [clip.facts.clip_id for clip in (*selection.train, *selection.val)]
    identity = json.dumps([selection.release.release_id, clips, settings.model_dump(mode="json")])
    name = f"{stage}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return trainings(selection.workspace) / name


def prepare(folder: Path, footage: TrainingClips, fresh: bool) -> None:
    """Make a training's folder, and note there what it learns from. fresh: forget what an earlier one left.

    Raises: WorkspaceError - that would be deleted through a link.
    """
    if fresh:
        with suppress(FileNotFoundError):
            remove_below(folder.parent, folder)
    folder.mkdir(parents=True, exist_ok=True)
    clips = (*footage.train, *footage.val)
    rows = [{"clip_id": clip.facts.clip_id, "media_id": clip.place.media_id} for clip in clips]
    (folder / _CLIPS).write_text(json.dumps(rows) + "\n")


def media_behind(folder: Path) -> frozenset[str] | None:
    """Return the media (sha256) of a training's train and val clips; None if its folder has no record."""
    try:
        return frozenset(str(row["media_id"]) for row in json.loads((folder / _CLIPS).read_text()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def run_of(folder: Path) -> str | None:
    """Return the run of the training in a folder; None if none is recorded."""
    try:
        return str(json.loads((folder / RUN).read_text())["run_id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
