"""Fine-tuning of a translator on one clip of a few seconds, to adapt it to its speaker."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from heterodub.model.checksums import file_hash
from heterodub.model.features.timing import seconds_to_frames
from heterodub.model.io import load_discriminators, load_translator
from heterodub.model.stage2.training_module import DISCRIMINATORS, TRANSLATOR_NETWORK
from heterodub.schemas.cards import TRANSLATOR, WEIGHTS
from heterodub.schemas.config.settings import Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.reasons import Stage
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_selection import ClipRef, Selection, clip_named
from heterodub.tasks.training.clip_store import StoredClips
from heterodub.tasks.training.stage2 import Finetuning
from heterodub.tasks.training.validation import GAP, LEAST_HELD

_HELD_SHARE: Final = 0.2
"""Share of a clip's frames that is held back, at its end."""


def finetuning_clip(workspace: Workspace, release: Release, clip_id: str, seconds: float | None = None) -> Selection:
    """Select the clip of that id (or the only one whose id begins so) for training and validation, whatever its split.

    seconds: length of the clip's beginning used for both, see held_back; the rest stays unseen.

    Raises: NotFoundError - the release has no such stage-2 clip, or several.
    """
    clip = clip_named(workspace, release, clip_id)
    stored = StoredClips.of(workspace, release, Stage.STAGE2)
    frames = clip.facts.frames if seconds is None else min(clip.facts.frames, max(2, seconds_to_frames(seconds)))
    return Selection(release, stored, *held_back([_beginning(clip, frames)]))


def held_back(clips: Sequence[ClipRef]) -> tuple[tuple[ClipRef, ...], tuple[ClipRef, ...]]:
    """Return the clips cut to their training frames, and those (whole) with held-back frames to select the best step.

    The held-back frames are a block at the clip's end, with a gap before it, since neighbours of training frames are
    nearly known. Clips that are too short for that are used for training to their end.
    """
    train, val = [], []
    for clip in clips:
        held_frames = int(clip.facts.frames * _HELD_SHARE)
        if held_frames < LEAST_HELD:
            train.append(clip)
            continue
        train.append(_beginning(clip, clip.facts.frames - held_frames - GAP))
        val.append(clip)
    return tuple(train), tuple(val)


def _beginning(clip: ClipRef, frames: int) -> ClipRef:
    return replace(clip, facts=replace(clip.facts, frames=frames))


def start_of(
    settings: Settings, workspace: Workspace, model: str | None, clip_id: str
) -> tuple[Stage2Settings, Finetuning]:
    """Load the start of fine-tuning, the translator that a user names (see find_model) or the newest; with settings of
    that translator's architecture and fine-tuning's schedule.

    Raises: ModelFileError, TrackingError - it cannot be read, or there is none.
    """
    from heterodub.tasks.tracking.registry import find_model  # which loads MLflow

    with TemporaryDirectory(prefix="heterodub-") as scratch:
        folder = find_model(settings, workspace, TRANSLATOR, model, Path(scratch)).folder
        return begin_from(folder, settings.stage2, clip_id)


def begin_from(folder: Path, stage2: Stage2Settings, clip_id: str) -> tuple[Stage2Settings, Finetuning]:
    """Load the start of fine-tuning on a clip from a translator's folder, with its settings, as start_of.

    Losses, augmentation, sizes and references are those of the translator's own training, which its card keeps; only
    the section `finetuning` overrides them. Batch size, precision and the like depend on the machine, so they come from
    `stage2`. There is no mirroring, since only one face is learned, and no warp dropout, since the embedder is frozen.
    All windows of the clip are used.

    Raises: ModelFileError - the translator cannot be read.
    """
    translator, card = load_translator(folder)
    start = {TRANSLATOR_NETWORK: translator.state_dict(), DISCRIMINATORS: load_discriminators(folder).state_dict()}
    finetuning, trained_by = stage2.finetuning, card.trained_by or stage2
    schedule = {
        "max_steps": finetuning.steps,
        "eval_interval": finetuning.eval_interval,
        "save_interval": finetuning.eval_interval,
    }
    optimiser = {"learning_rate": finetuning.learning_rate, "warmup_steps": 1, "ema_decay": finetuning.ema_decay}
    losses = {"disc_start_step": 0} | finetuning.losses.model_dump(exclude_none=True)
    augmentation = {"hflip_prob": 0.0, "warp_dropout": 0.0} | (
        {} if finetuning.color_jitter is None else {"color_jitter": finetuning.color_jitter}
    )
    references = trained_by.data.references
    data = {"window_frames": card.window_frames, "references": references, "windows_per_clip": 0.0}
    changed = stage2.model_copy(
        update={
            "architecture": card.architecture,
            "discriminators": card.discriminators,
            "disc_learning_rate": finetuning.disc_learning_rate,
            "losses": trained_by.losses.model_copy(update=losses),
            "data": stage2.data.model_copy(update=data),
            "augmentation": trained_by.augmentation.model_copy(update=augmentation),
            "optimiser": trained_by.optimiser.model_copy(update=optimiser),
            "schedule": stage2.schedule.model_copy(
                update={**schedule, "sample_interval": finetuning.steps, "patience": 0}
            ),
        }
    )
    return changed, Finetuning(start, (clip_id,), file_hash(folder / WEIGHTS), trained_by)
