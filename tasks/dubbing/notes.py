"""Remarks on a dubbing, for people."""

from collections.abc import Iterator
from fractions import Fraction

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.schemas.config.choices import Length
from heterodub.schemas.config.dubbing import DubJob
from heterodub.schemas.reasons import EXPLANATIONS, ClipReason, FileReason


def length_notes(
    timeline: OutputTimeline, picture_s: float, speech_s: Fraction, speech_cut_s: float, length: Length
) -> Iterator[str]:
    """Yield where speech and picture end. picture_s, speech_s: their own lengths, seconds. speech_cut_s: of the speech,
    what is left out at its end.
    """
    end_s, frame_s = timeline.end_s, int(timeline.lasts_N[-1]) * timeline.base
    if speech_cut_s:
        yield (
            f"the speech is {speech_cut_s:.2f} s longer than the picture: its last {speech_cut_s:.2f} s are cut off; "
            f"`--length speech` or `--length loop` keeps them"
        )
    elif end_s - speech_s >= frame_s:
        left_s = float(end_s - speech_s)
        yield f"the speech is {left_s:.2f} s shorter than the picture: silence follows it, under a mouth at rest"
    if length != "picture" and picture_s - float(end_s) >= float(frame_s):
        yield f"the picture is longer than the speech: its last {picture_s - float(end_s):.2f} s are cut off"


def no_face(job: DubJob, tracks: int, covered: int) -> str:
    """Explain why no face can be dubbed. tracks: faces in the video. covered: frames with a covered mouth."""
    if covered:
        return f"{job.video}: {EXPLANATIONS[ClipReason.MOUTH_COVERED]} of the face wherever it is seen"
    if tracks and job.turns is not None:
        return f"{job.video}: no face in any turn is that of its person; say where each is"
    if tracks and job.face != "speaking":
        return f"{job.video}: no shot has {job.face} faces; `--face 1` takes the largest of each"
    return f"{job.video}: {EXPLANATIONS[FileReason.NO_FACE]}, so there is no mouth to move"
