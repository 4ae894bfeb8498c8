"""Validation of picture trainings, stage 2's and the baselines', on their val split."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.evaluation.clip_scores import over_speakers
from heterodub.model.evaluation.generator import reference_frames
from heterodub.model.evaluation.image_scores import clip_scores
from heterodub.model.evaluation.translator import EvalWindow, TranslatorEvalClip, make_eval_window
from heterodub.model.perceptual import Lite0
from heterodub.schemas.errors import TrainingError
from heterodub.tasks.training.clip_selection import ClipRef, TrainingClips
from heterodub.tasks.training.datasets import face_clip

VAL_CLIPS: Final = 12
"""Number of val clips used for validation, spread over speakers."""

FRAMES: Final = 8
"""Number of scored frames of each."""

REFERENCES: Final = 8
"""Number of reference frames of each."""

LEAST_HELD: Final = 10
"""Least number of held-back frames at a clip's end for the validation of fine-tuning."""

GAP: Final = 5
"""Frames between fine-tuning's training and validation frames, 0.2 s: neighbours are nearly the same."""

_SCORES: Final = (
    "perceptual_lower",
    "perceptual_heldout_lower",
    "perceptual_mouth",
    "psnr_mouth",
    "ssim_lower",
    "sharpness_mouth",
)


def read_eval_windows(
    footage: TrainingClips,
    clips: Sequence[ClipRef],
    side_px: int,
    references: int,
    most_frames: int,
    strict: bool = True,
) -> list[EvalWindow]:
    """Read evaluation windows into memory. Clips too short for references and scored frames are left out.

    strict: raise an error if none is left.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    eval_windows = []
    for eval_clip in _eval_clips(footage, clips, side_px):
        with suppress(ValueError):  # too short
            eval_windows.append(make_eval_window(eval_clip, references, most_frames))
    if strict:
        require_some(eval_windows, references)
    return eval_windows


def later_eval_windows(footage: TrainingClips, side_px: int) -> list[EvalWindow]:
    """Read windows at the ends of the val clips, with references from their training part; unusable ones are left out.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - one cannot be read.
    """
    learned = {clip.facts.clip_id: clip.facts.frames for clip in footage.train}
    eval_windows = []
    for eval_clip in _eval_clips(footage, footage.val, side_px):
        end, tracked = learned[eval_clip.clip_id], eval_clip.face_clip.tracked_T
        span = slice(end + GAP, min(len(tracked), end + GAP + 2 * FRAMES))
        if tracked[:end].any() and tracked[span].any():
            eval_windows.append(EvalWindow(eval_clip, reference_frames(tracked[:end], REFERENCES), span))
    return eval_windows


def _eval_clips(footage: TrainingClips, clips: Sequence[ClipRef], side_px: int) -> Iterator[TranslatorEvalClip]:
    for clip in clips:
        try:
            pictures = face_clip(footage.stored.pictures(clip.place), side_px, clip.facts.frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, pictures)


def require_some(eval_clips: Sequence[object], references: int) -> None:
    """Raises: TrainingError - every clip was too short for references and scored frames."""
    if not eval_clips:
        raise TrainingError(f"no val clip has more tracked frames than the {references} references")


def validation_scores(
    generated: Iterable[tuple[EvalWindow, NDArray[np.float32]]], lite0: Lite0
) -> dict[str, float | None]:
    """Return validation scores, means over speakers: "loss", the perceptual distance on the lower half by the stages
    that the loss uses, and others. generated: crops of each evaluation window's span, (F, S, S, 3) in 0..1.
    """
    rows = [clip_scores(eval_window, "generated", crops, lite0) for eval_window, crops in generated]
    means = {name: over_speakers(rows, name) for name in _SCORES}
    return {"loss": means["perceptual_lower"]} | means
