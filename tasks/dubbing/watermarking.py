"""The watermark in the dubbed frames of an output; frames that are the source's own keep their samples."""

from collections.abc import Generator
from contextlib import closing

from heterodub.tasks.dubbing.compositing import CompositedFrame
from heterodub.tasks.dubbing.passes import PassMonitor
from heterodub.tasks.media.canvas import PictureFormat, planes_of
from heterodub.tasks.provenance.watermark import embed


def watermarked(
    frames: Generator[CompositedFrame], look: PictureFormat, monitor: PassMonitor
) -> Generator[CompositedFrame]:
    """Yield the same frames, the dubbed ones with a watermark in their luma."""
    with closing(frames):
        for composited in frames:
            if composited.dubbed:
                with monitor("watermark"):
                    embed(planes_of(composited.frame, look).luma, look.bits)
            yield composited
