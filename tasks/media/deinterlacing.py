"""Combed frames made whole, one by one, before anything else sees them."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from .interlace import CombFinder, Luma, sample


def luma_of(frame: VideoFrame) -> Luma | None:
    """Samples of a frame's luma; None where its first plane is none."""
    form = frame.format
    grey = len(form.components) == 1
    if form.is_rgb or form.has_palette or form.is_big_endian or not (form.is_planar or grey):
        return None
    bits = form.components[0].bits
    memory: Any = frame.planes[0]
    kind = np.uint16 if bits > 8 else np.uint8
    rows = np.frombuffer(memory, kind).reshape(-1, frame.planes[0].line_size // np.dtype(kind).itemsize)
    return sample(rows[: frame.height, : frame.width], bits)


class Deinterlacer:
    """Passes frames on, combed ones deinterlaced to one picture each; `count` says how many were.

    bwdif looks at a frame's neighbours, so one frame is held back. Frames that are not combed stay as they are, though
    flagged: a progressive film in an interlaced stream loses nothing, and telecined films lose nothing in the frames
    that are whole. Frames of formats that bwdif cannot take stay combed.
    """

    def __init__(self) -> None:
        self.count = 0
        self._finder = CombFinder()
        self._before: VideoFrame | None = None
        self._weaver: _Bwdif | None = None

    def over(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The same number of frames, in order."""
        now: tuple[VideoFrame, Luma | None] | None = None
        for frame in frames:
            after = frame, luma_of(frame)
            if now is not None:
                yield self._shown(*now, *after)
            now = after
        if now is not None:
            yield self._shown(*now, None, None)

    def _shown(
        self, frame: VideoFrame, luma: Luma | None, after: VideoFrame | None, luma_after: Luma | None
    ) -> VideoFrame:
        before, self._before = self._before, frame
        if luma is None or not self._finder.step(luma, luma_after, frame.interlaced_frame):
            self._weaver = None
            return frame
        try:
            made = self._woven(frame, before, after)
        except (ValueError, OSError):  # what FFmpegError is, too
            return frame
        self.count += 1
        made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
        return made

    def _woven(self, frame: VideoFrame, before: VideoFrame | None, after: VideoFrame | None) -> VideoFrame:
        """The frame without its comb."""
        if self._weaver is None or not self._weaver.goes_on(frame):
            self._weaver = _Bwdif(frame, self._finder.top_first)
            self._weaver.push(before if self._weaver.takes(before) else frame)
            self._weaver.push(frame)
        made = self._weaver.push(after if self._weaver.takes(after) else frame)
        if made is None:
            raise ValueError("bwdif gave no picture")
        return made


class _Bwdif:
    """ffmpeg's deinterlacer, fed frame by frame; each but the first gives the picture of the one before it."""

    def __init__(self, frame: VideoFrame, top_first: bool) -> None:
        self._kind = _kind(frame)
        self._last: VideoFrame | None = None
        self._fed = 0
        self._graph = Graph()
        self._graph.threads = 1
        width, height, form, colorspace, color_range = self._kind
        source = self._graph.add(
            "buffer",
            f"video_size={width}x{height}:pix_fmt={form}:time_base=1/25:pixel_aspect=1/1"
            f":colorspace={colorspace}:range={color_range}",
        )
        bwdif = self._graph.add("bwdif", f"mode=send_frame:parity={'tff' if top_first else 'bff'}:deint=all")
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def takes(self, frame: VideoFrame | None) -> bool:
        """Whether a frame is there, and of the same kind as the others."""
        return frame is not None and _kind(frame) == self._kind

    def goes_on(self, frame: VideoFrame) -> bool:
        """Whether the frame was fed last, so that the one behind it gives its picture."""
        return self._last is frame

    def push(self, frame: VideoFrame | None) -> VideoFrame | None:
        """Feed a frame; the picture of the one before it, None for the first."""
        assert frame is not None
        own = frame.pts, frame.time_base
        frame.pts, frame.time_base = self._fed, Fraction(1, 25)
        try:
            self._graph.vpush(frame)
        finally:
            frame.pts = own[0]
            if own[1] is not None:
                frame.time_base = own[1]
        self._fed, self._last = self._fed + 1, frame
        return self._graph.vpull() if self._fed > 1 else None


def _kind(frame: VideoFrame) -> tuple[int, int, str, int, int]:
    return frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)
