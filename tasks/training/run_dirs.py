"""Where trainings keep their files on this machine, and what each of them has learned from."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from tasks.stores.removal import remove_below
from tasks.stores.workspace import Workspace
from tasks.training.clip_selection import Selection, TrainingClips

_CLIPS: Final = "clips.json"
"""File in a training's folder that names its clips by ids, also where the training never got a run or ended early."""

RUN: Final = "run.json"
"""File in a training's folder that names its run, so that a continued training continues its curves."""


def trainings(workspace: Workspace) -> Path:
    """Folder of all trainings on this machine, which may not be there yet."""
    return Path(workspace.root) / "training" if workspace.is_local else workspace.scratch() / "training"


def dubbings(workspace: Workspace) -> Path:
    """Folder of what translators learned while they dubbed; what opens foreign videos may write into this one alone."""
    return trainings(workspace) / "dubbings"


def each_training(workspace: Workspace) -> list[Path]:
    """The folders of single trainings on this machine."""
    above = (trainings(workspace), dubbings(workspace))
    found = (path for folder in above if folder.is_dir() for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if path != above[1])


def training_folder(workspace: Workspace, selection: Selection, settings: BaseModel, stage: str = "stage1") -> Path:
    """Where a training keeps its files: the same release, clips and settings lead to the same folder, so that a run
    that was killed is continued by running it again.
    """
    clips = [clip.facts.clip_id for clip in (*selection.train, *selection.val)]
    identity = json.dumps([selection.release.release_id, clips, settings.model_dump(mode="json")])
    name = f"{stage}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return trainings(workspace) / name


def begin(folder: Path, footage: TrainingClips, fresh: bool) -> None:
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
    """Files that a training's folder has learned from or looked at, by sha256; None where it does not say."""
    try:
        return frozenset(str(row["media_id"]) for row in json.loads((folder / _CLIPS).read_text()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def run_of(folder: Path) -> str | None:
    """The run of the training that keeps its files in a folder; None where none is named."""
    try:
        return str(json.loads((folder / RUN).read_text())["run_id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
