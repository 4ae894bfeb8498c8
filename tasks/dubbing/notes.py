"""Remarks on a dubbing, for people."""

from collections.abc import Iterator
from fractions import Fraction

from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.schemas.config.choices import Length


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
