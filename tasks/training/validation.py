"""What trainings that paint look at on their val split, stage 2's and the baselines' alike."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.generator import reference_frames
from model.evaluation.image_scores import score
from model.evaluation.translator import EvalWindow, TranslatorEvalClip, sit
from model.evaluation.translator_report import TranslatorClipScores
from model.metrics.speakers import over_speakers
from model.perceptual.lite0 import Lite0
from schemas.errors import TrainingError
from tasks.training.clip_selection import ClipRef, TrainingClips
from tasks.training.data.translator_dataset import portrait

EXAMS: Final = 12
"""Clips of the val split that are looked at, spread over its speakers."""

FRAMES: Final = 8
"""Frames of each that are painted."""

REFERENCES: Final = 8
"""Frames of each that are told."""

LEAST_HELD: Final = 10
"""Frames at a clip's end that are worth judging fine-tuning by."""

GAP: Final = 5
"""Frames between what fine-tuning learns from and what it is judged by, 0.2 s: neighbours are all but the same."""

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
    """Clips to judge on, in memory. Those too short to tell frames of and judge others are left out.

    strict: that none is left is an error.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    eval_windows = []
    for exam in _exams(footage, clips, side_px):
        with suppress(ValueError):  # too short
            eval_windows.append(sit(exam, references, most_frames))
    if strict:
        require_some(eval_windows, references)
    return eval_windows


def later_eval_windows(footage: TrainingClips, side_px: int) -> list[EvalWindow]:
    """The ends of the clips that are looked at, frames of their learned beginnings told; those of no use left out.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - one cannot be read.
    """
    learned = {clip.facts.clip_id: clip.facts.frames for clip in footage.train}
    eval_windows = []
    for exam in _exams(footage, footage.val, side_px):
        end, tracked = learned[exam.clip_id], exam.portrait.tracked_T
        span = slice(end + GAP, min(len(tracked), end + GAP + 2 * FRAMES))
        if tracked[:end].any() and tracked[span].any():
            eval_windows.append(EvalWindow(exam, reference_frames(tracked[:end], REFERENCES), span))
    return eval_windows


def _exams(footage: TrainingClips, clips: Sequence[ClipRef], side_px: int) -> Iterator[TranslatorEvalClip]:
    for clip in clips:
        try:
            read = portrait(footage.stored.pictures(clip.place), side_px, clip.facts.frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield TranslatorEvalClip(clip.facts.clip_id, clip.facts.speaker, read)


def require_some(exams: Sequence[object], references: int) -> None:
    """Raises: TrainingError - every clip was too short to be told frames of."""
    if not exams:
        raise TrainingError(f"no clip to judge on has more than the {references} tracked frames that are told")


def validation_scores(
    painted: Iterable[tuple[EvalWindow, NDArray[np.float32]]], judge: Lite0
) -> dict[str, float | None]:
    """What a training looks at on its val split: "loss", the perceptual distance on the lower half by the stages it
    learns from, and scores; means over speakers. painted: crops of each evaluation window's span, (F, S, S, 3) in 0..1.
    """
    sat = [
        TranslatorClipScores(
            eval_window.exam.clip_id, eval_window.exam.speaker, "painted", score(eval_window, made, judge)
        )
        for eval_window, made in painted
    ]
    means = {name: over_speakers(sat, name) for name in _SCORES}
    return {"loss": means["perceptual_lower"]} | means
