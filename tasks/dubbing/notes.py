"""Sentences about a dubbing: notes for its user, the reason of a failure, and the comment in the file's metadata."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from schemas.config.dubbing import SYNTHETIC, DubJob
from schemas.reasons import EXPLANATIONS, ClipReason, FileReason
from tasks.dubbing.models import Models
from tasks.dubbing.source import SourceVideo

if TYPE_CHECKING:
    from tasks.dubbing.dub import DubPlan

SILENT: Final = 10 ** (-60 / 20)
"""Peak below which a speech counts as silent: -60 dBFS, below the level of the quietest speech that is learned from."""


def on_speech(plan: "DubPlan", job: DubJob) -> Iterator[str]:
    """Yield notes on the speech, and on where it and the picture end."""
    end_s, frame_s = plan.timeline.end_s, int(plan.timeline.lasts_N[-1]) * plan.timeline.base
    picture_s = plan.followed.seconds
    if plan.speech_peak < SILENT:
        yield "the speech is silent, so the mouth rests"
    if cut_s := plan.speech_cut_s:
        yield (
            f"the speech is {cut_s:.2f} s longer than the picture: its last {cut_s:.2f} s are cut off; "
            f"`--length speech` or `--length loop` keeps them"
        )
    elif end_s - plan.speech_s >= frame_s:
        left_s = float(end_s - plan.speech_s)
        yield f"the speech is {left_s:.2f} s shorter than the picture: silence follows it, under a mouth at rest"
    if job.length != "picture" and picture_s - float(end_s) >= float(frame_s):
        yield f"the picture is longer than the speech: its last {picture_s - float(end_s):.2f} s are cut off"


def on_covers(plan: "DubPlan") -> Iterator[str]:
    """Yield a note on frames whose mouth is covered."""
    if plan.covered:
        yield f"something lies over the mouth in {plan.covered} frames, which are left alone"


def on_damage(film: SourceVideo) -> Iterator[str]:
    """Yield a note for each damage that ended the decoding."""
    return (f"the video is damaged, what follows is lost: {words}" for words in film.damage)


def no_face(job: DubJob, tracks: int, covered: int) -> str:
    """Explain why no face can be dubbed. tracks: faces in the video. covered: frames with a covered mouth."""
    if covered:
        return f"{job.video}: {EXPLANATIONS[ClipReason.MOUTH_COVERED]} of the face wherever it is seen"
    if tracks:
        return f"{job.video}: no shot has {job.face} faces; `--face 1` takes the largest of each"
    return f"{job.video}: {EXPLANATIONS[FileReason.NO_FACE]}, so there is no mouth to move"


def comment(models: Models) -> str:
    """Text for the file's metadata: that it is synthetic, and made by which models."""
    try:
        ours = version("heterodub")
    except PackageNotFoundError:
        ours = "of a checkout"
    generator, translator = models.names
    return (
        f"synthetic: the mouth was made to fit another speech; digitalSourceType={SYNTHETIC}; "
        f"software=heterodub {ours}; landmarks={generator}; translator={translator}"
    )
