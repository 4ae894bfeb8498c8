"""Deinterlacing of combed frames, one by one, before any other processing."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from heterodub.model.features.timing import section_of
from heterodub.schemas.contract import FPS
from heterodub.schemas.records import WHOLE_FILM, FilmSegment

from .interlace import MEMORY, CombFinder, Luma, sample


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


def filter_chain(*filters: tuple[str, str]) -> Graph:
    """Build a graph of ffmpeg's filters (name, options), each fed by the one before, on one thread."""
    graph = Graph()
    graph.threads = 1
    nodes = [graph.add(name, options) for name, options in filters]
    for node, following in pairwise(nodes):
        node.link_to(following)
    graph.configure()
    return graph


class Deinterlacer:
    """Passes frames on, combed ones deinterlaced to one picture each; `count` says how many were.

    bwdif uses a frame's neighbours, so one frame is held back. What is known of the film is forgotten a second before
    each section (see schemas/contract.py). segment: part of the film that is counted.

    Frames that are not combed stay as they are, though flagged: a progressive film in an interlaced stream loses
    nothing, and telecined films lose nothing in the frames that are whole. Those of formats that bwdif cannot take stay
    combed.
    """

    def __init__(self, segment: FilmSegment = WHOLE_FILM) -> None:
        self.count = 0
        self._segment = segment
        self._first_s: Fraction | None = None
        self._at = 0
        self._finder = CombFinder()
        self._before: VideoFrame | None = None
        self._filter: _Bwdif | None = None

    def over(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """Yield the same number of frames, in order."""
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
        section, self._at = section_of(self._at + MEMORY), self._frame_at(frame)
        if section != section_of(self._at + MEMORY):
            self._finder.restart()
            self._filter = None
        if luma is None or not self._finder.step(luma, luma_after, frame.interlaced_frame):
            self._filter = None
            return frame
        try:
            deinterlaced = self._deinterlaced(frame, before, after)
        except (ValueError, OSError):  # what FFmpegError is, too
            return frame
        self.count += self._at in self._segment
        deinterlaced.pts, deinterlaced.time_base, deinterlaced.duration = frame.pts, frame.time_base, frame.duration
        return deinterlaced

    def _frame_at(self, frame: VideoFrame) -> int:
        """Number of the frame at 25 fps that stands when this one begins, by the file's own times."""
        if frame.pts is None or frame.time_base is None:
            return self._at
        time_s = frame.pts * frame.time_base
        self._first_s = time_s if self._first_s is None else self._first_s
        return floor((time_s - self._first_s) * FPS)

    def _deinterlaced(self, frame: VideoFrame, before: VideoFrame | None, after: VideoFrame | None) -> VideoFrame:
        """The frame without its comb."""
        if self._filter is None or not self._filter.continues_from(frame):
            self._filter = _Bwdif(frame, self._finder.top_first)
            self._filter.push(before if self._filter.accepts(before) else frame)
            self._filter.push(frame)
        deinterlaced = self._filter.push(after if self._filter.accepts(after) else frame)
        if deinterlaced is None:
            raise ValueError("bwdif gave no picture")
        return deinterlaced


class _Bwdif:
    """ffmpeg's deinterlacer, fed frame by frame; each but the first gives the picture of the one before it."""

    def __init__(self, frame: VideoFrame, top_first: bool) -> None:
        self._kind = _kind(frame)
        self._last: VideoFrame | None = None
        self._fed = 0
        width, height, form, colorspace, color_range = self._kind
        options = (
            f"video_size={width}x{height}:pix_fmt={form}:time_base=1/25:pixel_aspect=1/1"
            f":colorspace={colorspace}:range={color_range}"
        )
        bwdif = f"mode=send_frame:parity={'tff' if top_first else 'bff'}:deint=all"
        self._graph = filter_chain(("buffer", options), ("bwdif", bwdif), ("buffersink", ""))

    def accepts(self, frame: VideoFrame | None) -> bool:
        """Return True if there is a frame, of the same kind as the others."""
        return frame is not None and _kind(frame) == self._kind

    def continues_from(self, frame: VideoFrame) -> bool:
        """Return True if the frame was fed last, so that the next one gives its picture."""
        return self._last is frame

    def push(self, frame: VideoFrame | None) -> VideoFrame | None:
        """Feed a frame; return the picture of the one before it, None for the first."""
        assert frame is not None
        times = frame.pts, frame.time_base
        frame.pts, frame.time_base = self._fed, Fraction(1, 25)
        try:
            self._graph.vpush(frame)
        finally:
            frame.pts = times[0]
            if times[1] is not None:
                frame.time_base = times[1]
        self._fed, self._last = self._fed + 1, frame
        return self._graph.vpull() if self._fed > 1 else None


def _kind(frame: VideoFrame) -> tuple[int, int, str, int, int]:
    return frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)
