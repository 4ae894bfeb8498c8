"""What trainings that paint look at on their val split, stage 2's and the rivals' alike."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.metrics.speakers import over_speakers
from model.perception.lite0 import Lite0
from model.stage1.judging import reference_frames
from model.stage2.judging import PictureExam, Sitting, sit
from model.stage2.scorecard import Sat
from model.stage2.scores import score
from schemas.errors import TrainingError
from tasks.feeding.picture_batches import portrait
from tasks.learning.selection import Candidate, Footage

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

_SCORES: Final = ("pd_lower", "pd5_lower", "pd_mouth", "psnr_mouth", "ssim_lower", "sharpness_mouth")


def read_sittings(
    footage: Footage,
    clips: Sequence[Candidate],
    side_px: int,
    references: int,
    most_frames: int,
    strict: bool = True,
) -> list[Sitting]:
    """Clips to judge on, in memory. Those too short to tell frames of and judge others are left out.

    strict: that none is left is an error.

    Raises: TrainingError - a clip's numbers cannot be used, or none is long enough. NotFoundError, WorkspaceError - one
    cannot be read.
    """
    sittings = []
    for exam in _exams(footage, clips, side_px):
        with suppress(ValueError):  # too short
            sittings.append(sit(exam, references, most_frames))
    if strict:
        require_some(sittings, references)
    return sittings


def later_sittings(footage: Footage, side_px: int) -> list[Sitting]:
    """The ends of the clips that are looked at, frames of their learned beginnings told; those of no use left out.

    Raises: TrainingError - a clip's numbers cannot be used. NotFoundError, WorkspaceError - one cannot be read.
    """
    learned = {clip.facts.clip_id: clip.facts.frames for clip in footage.train}
    sittings = []
    for exam in _exams(footage, footage.val, side_px):
        end, tracked = learned[exam.clip_id], exam.portrait.tracked_T
        span = slice(end + GAP, min(len(tracked), end + GAP + 2 * FRAMES))
        if tracked[:end].any() and tracked[span].any():
            sittings.append(Sitting(exam, reference_frames(tracked[:end], REFERENCES), span))
    return sittings


def _exams(footage: Footage, clips: Sequence[Candidate], side_px: int) -> Iterator[PictureExam]:
    for clip in clips:
        try:
            read = portrait(footage.stored.pictures(clip.place), side_px, clip.facts.frames)
        except ValueError as error:
            raise TrainingError(f"clip {clip.facts.clip_id}: {error}") from error
        yield PictureExam(clip.facts.clip_id, clip.facts.speaker, read)


def require_some(exams: Sequence[object], references: int) -> None:
    """Raises: TrainingError - every clip was too short to be told frames of."""
    if not exams:
        raise TrainingError(f"no clip to judge on has more than the {references} tracked frames that are told")


def validation_scores(painted: Iterable[tuple[Sitting, NDArray[np.float32]]], judge: Lite0) -> dict[str, float | None]:
    """What a training looks at on its val split: "loss", the perceptual distance on the lower half by the stages it
    learns from, and scores; means over speakers. painted: crops of each sitting's span, (F, S, S, 3) in 0..1.
    """
    sat = [
        Sat(sitting.exam.clip_id, sitting.exam.speaker, "painted", score(sitting, made, judge))
        for sitting, made in painted
    ]
    means = {name: over_speakers(sat, name) for name in _SCORES}
    return {"loss": means["pd_lower"]} | means
