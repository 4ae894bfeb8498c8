"""Fine-tuning: a translator, and one clip of a few seconds whose speaker it is adapted to."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from model.features.timing import seconds_to_frames
from model.sealing import file_hash
from model.stage2.files import WEIGHTS, load_critics, load_translator
from model.stage2.lesson import CRITICS, PAINTER
from schemas.cards import TRANSLATOR
from schemas.reasons import Stage
from schemas.settings import Settings
from schemas.translation import Stage2Settings
from tasks.feeding.stored_clips import StoredClips
from tasks.learning.named_models import find_model
from tasks.learning.selection import Candidate, Selection, clip_named
from tasks.learning.sittings import GAP, LEAST_HELD
from tasks.learning.stage2 import Tuning
from tasks.stores.releases import Release
from tasks.stores.workspace import Workspace

_HELD_SHARE: Final = 0.2
"""Of a clip's frames that are held back, at its end."""


def tuning_clip(workspace: Workspace, release: Release, clip_id: str, seconds: float | None = None) -> Selection:
    """The clip of that id (or the only one whose id begins so), to learn from and to choose by, whatever its split.

    seconds: of the clip's beginning that are used for both, see held_back; the rest stays unseen.

    Raises: NotFoundError - the release has no such stage-2 clip, or several.
    """
    found = clip_named(workspace, release, clip_id)
    stored = StoredClips.of(workspace, Stage.STAGE2, release.versions[Stage.STAGE2.value])
    least = found.facts.frames if seconds is None else min(found.facts.frames, max(2, seconds_to_frames(seconds)))
    return Selection(release, stored, *held_back([_beginning(found, least)]))


def held_back(clips: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Clips as far as they are learned from, and whole those of which the end is held back to choose the best step by.

    It is a block at the end of the time, with a gap before it: frames that lie among learned ones, or beside them, are
    all but known. Clips that are too short for that are learned from to their end.
    """
    learned, judged = [], []
    for clip in clips:
        held = int(clip.facts.frames * _HELD_SHARE)
        if held < LEAST_HELD:
            learned.append(clip)
            continue
        learned.append(_beginning(clip, clip.facts.frames - held - GAP))
        judged.append(clip)
    return tuple(learned), tuple(judged)


def _beginning(clip: Candidate, frames: int) -> Candidate:
    return replace(clip, facts=replace(clip.facts, frames=frames))


def start_of(settings: Settings, workspace: Workspace, model: str | None, clip_id: str) -> tuple[Settings, Tuning]:
    """Where fine-tuning begins: the translator that a user names (see find_model), else the newest; and
    the settings, with that translator's shape and fine-tuning's pace.

    Raises: ModelFileError, TrackingError - it cannot be read, or there is none.
    """
    with TemporaryDirectory(prefix="heterodub-") as scratch:
        folder = translator_folder(settings, workspace, model, Path(scratch))
        changed, tuning = begin_from(folder, settings.stage2, clip_id)
    return settings.model_copy(update={"stage2": changed}), tuning


def begin_from(folder: Path, stage2: Stage2Settings, clip_id: str) -> tuple[Stage2Settings, Tuning]:
    """Where fine-tuning on a clip begins, from a translator's folder; and its settings, as start_of.

    What it learns from, losses, augmentation, sizes and references, is as in the translator's own training, which its
    card keeps; only the section `tuning` may overrule it. Batches, number format and the like belong to this machine,
    so they are as `stage2` has them. One face is learned, as it is: not mirrored, and with the embedder as it stands
    no window needs to go without the warped frames. All of its windows are learned from: a few of one clip would be
    the same few over and over.

    Raises: ModelFileError - the translator cannot be read.
    """
    painter, card = load_translator(folder)
    start = {PAINTER: painter.state_dict(), CRITICS: load_critics(folder).state_dict()}
    tuning, own = stage2.tuning, card.trained_by or stage2
    pace = {"steps": tuning.steps, "validate_every": tuning.validate_every, "save_every": tuning.validate_every}
    optimiser = {"learning_rate": tuning.learning_rate, "warmup_steps": 1, "average_decay": tuning.average_decay}
    losses = {"critics_from": 0} | tuning.losses.model_dump(exclude_none=True)
    augmentation = {"mirror": 0.0, "withheld": 0.0} | ({} if tuning.light is None else {"light": tuning.light})
    references = own.feed.references
    feed = {"window_frames": card.window_frames, "references": references, "windows_per_clip": 0.0}
    changed = stage2.model_copy(
        update={
            "shape": card.shape,
            "critics": card.critics,
            "critic_rate": tuning.critic_rate,
            "losses": own.losses.model_copy(update=losses),
            "feed": stage2.feed.model_copy(update=feed),
            "augmentation": own.augmentation.model_copy(update=augmentation),
            "optimiser": own.optimiser.model_copy(update=optimiser),
            "pace": stage2.pace.model_copy(update={**pace, "film_every": tuning.steps, "patience": 0}),
        }
    )
    return changed, Tuning(start, (clip_id,), file_hash(folder / WEIGHTS), own)


def translator_folder(settings: Settings, workspace: Workspace, model: str | None, scratch: Path) -> Path:
    """The files of a translator: a folder as it is, or what tasks/tracking/models.py fetches into `scratch`.

    Raises: TrackingError - there is none. ModelFileError - its files are damaged.
    """
    return find_model(settings, workspace, TRANSLATOR, model, scratch).folder
