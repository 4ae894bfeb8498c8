"""Last pass: each output frame with the generated face composited in, a few frames at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from model.dubbing import blending
from model.dubbing.compositing import lay_in
from model.dubbing.timing import OutputTimeline
from model.features.arrays import Rgb
from model.stage2.translator import Appearance, Translator
from tasks.dubbing.appearance import ReferenceFrames, in_crop
from tasks.dubbing.canvas import Canvas, Look, planes_of, squeezed
from tasks.dubbing.prefetch import AHEAD, ahead
from tasks.dubbing.progress import KernelTimer
from tasks.dubbing.segments import Face, Segment
from tasks.dubbing.source import SourcePicture, SourceVideo
from tasks.faces.window import Window, cut_window
from tasks.media.geometry import Geometry

Crops = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CompositedFrame:
    """An output frame, ready to be encoded. dubbed: True if a generated face was composited in."""

    index: int
    frame: VideoFrame
    dubbed: bool


@dataclass(slots=True, eq=False)
class _BufferedFrame:
    """A buffered frame of a segment. crop: the translator's input; rgb: the window in full size."""

    index: int
    frame: VideoFrame
    geometry: Geometry
    window: Window
    rgb: Rgb
    crop: Rgb


def source_pictures(film: SourceVideo, timeline: OutputTimeline, stopwatch: KernelTimer) -> Iterator[SourcePicture]:
    """Yield the source picture of each output frame; a picture that begins again is decoded again."""
    pictures = stopwatch.over("decode", film.pictures())
    picture = next(pictures)
    for source, follows in zip(timeline.source_N.tolist(), timeline.follows_N.tolist(), strict=True):
        if not follows and source < picture.index:
            pictures = stopwatch.over("decode", film.pictures())
            picture = next(pictures)
        while picture.index < source:
            picture = next(pictures)
        yield picture


class FrameCompositor:
    """Composites the frames of one film. Iterate `frames()` once."""

    def __init__(
        self,
        film: SourceVideo,
        look: Look,
        timeline: OutputTimeline,
        parts: Sequence[Segment],
        translator: Translator,
        reference_of: Callable[[Face], ReferenceFrames],
        chunk_frames: int,
        stopwatch: KernelTimer,
    ) -> None:
        self._film, self._look, self._timeline, self._parts = film, look, timeline, parts
        self._translator, self._reference_of = translator, reference_of
        self._chunk, self._stopwatch = chunk_frames, stopwatch
        self._canvas = Canvas(look)
        self._face: Face | None = None
        self._appearance: Appearance | None = None

    def frames(self) -> Iterator[CompositedFrame]:
        """Yield every output frame, in order."""
        parts = iter(self._parts)
        part = next(parts, None)
        waiting: _PendingFrames | None = None
        with closing(ahead(source_pictures(self._film, self._timeline, self._stopwatch), AHEAD)) as pictures:
            for index, picture in enumerate(pictures):
                if part is not None and index >= part.stop:
                    if waiting is not None:
                        yield from waiting.end()
                    part, waiting = next(parts, None), None
                if part is None or index < part.first:
                    yield CompositedFrame(index, self._canvas.output(picture.frame, picture.geometry), False)
                    continue
                if waiting is None:
                    waiting = _PendingFrames(self, part)
                yield from waiting.add(self._hold(index, picture, part))
        if waiting is not None:
            yield from waiting.end()

    def _hold(self, index: int, picture: SourcePicture, part: Segment) -> _BufferedFrame:
        with self._stopwatch("colours"):
            rgb = self._canvas.rgb(picture.frame, picture.geometry)
        with self._stopwatch("crops"):
            window = part.window(index - part.first)
            whole = cut_window(rgb, window, window[2])
            crop = cut_window(rgb, window, self._translator.side_px)
        return _BufferedFrame(index, picture.frame, picture.geometry, window, whole, crop)

    def appearance(self, face: Face) -> Appearance:
        """Appearance of a face; cached until another face comes."""
        if self._appearance is None or self._face is not face:
            references = self._reference_of(face)
            self._appearance = self._translator.appearance(references.pictures, references.landmarks)
            self._face = face
        return self._appearance

    def composite(self, part: Segment, held: Sequence[_BufferedFrame], wanted: slice) -> Iterator[CompositedFrame]:
        """Translate some frames of a segment, and yield those of `wanted`; the others are their context."""
        first = held[0].index - part.first
        strengths = [part.strength(first + number) for number in range(len(held))]
        if not any(strengths[wanted]):
            yield from (
                CompositedFrame(frame.index, self._canvas.output(frame.frame, frame.geometry), False)
                for frame in held[wanted]
            )
            return
        side = self._translator.side_px
        with self._stopwatch("landmarks"):
            landmarks = part.landmarks(slice(first, first + len(held)))
            source, target = (
                np.stack([in_crop(points, frame.window, side) for points, frame in zip(both, held, strict=True)])
                for both in (landmarks.source_NPXY, landmarks.wanted_NPXY)
            )
        with self._stopwatch("translate"):
            crops = np.stack([frame.crop for frame in held])
            blended = self._translator.translate(self.appearance(part.face), crops, source, target)[wanted]
        with self._stopwatch("compose"):
            shares, in_blend = blending.shown(source[wanted], target[wanted], side)
            generated = blending.unblended(blended, crops[wanted], in_blend, shares)
        for frame, crop, share, strength in zip(held[wanted], generated, shares, strengths[wanted], strict=True):
            with self._stopwatch("compose"):
                shown_in = share * np.float32(strength)
                copy = (
                    self._lay(frame, crop, shown_in) if strength else self._canvas.output(frame.frame, frame.geometry)
                )
            yield CompositedFrame(frame.index, copy, strength > 0)

    def _lay(self, held: _BufferedFrame, crop: Crops, share: Crops) -> VideoFrame:
        """Copy the frame with a generated crop (S, S, 3; 0..1) composited in by `share` (Q, Q; 0..1)."""
        left, top, side = held.window
        rows, columns = (_extent(np.flatnonzero(share.any(axis=axis)), side / len(share), side) for axis in (1, 0))
        generated = _enlarged(crop, side, rows, columns, cv2.BORDER_REPLICATE)
        shown_in = _enlarged(share, side, rows, columns, cv2.BORDER_CONSTANT)
        before = held.rgb[rows, columns]
        change = self._canvas.change(before, before + (generated * 255 - before) * shown_in[..., None])
        copy = self._canvas.copy(held.frame, held.geometry)
        place = left + columns.start, top + rows.start
        change, place = squeezed(change, place, self._look.geometry.stretch)
        lay_in(planes_of(copy, self._look), self._look.colours, *place, change)
        return copy


def _extent(at: NDArray[np.intp], scale: float, side: int) -> slice:
    """Rows or columns of the window, in source pixels, that contain rising places of a raster, each `scale` wide."""
    return slice(max(0, int((at[0] - 1) * scale)), min(side, int((at[-1] + 2) * scale) + 1)) if len(at) else slice(0, 1)


def _enlarged(values: Crops, side: int, rows: slice, columns: slice, edge: int) -> Crops:
    """Scale a part of a crop or raster (n, n, ...) to its size at `side` x `side`: rows and columns of that."""
    scale = len(values) / side
    offsets = [(part.start + 0.5) * scale - 0.5 for part in (columns, rows)]
    to_crop = np.array([[scale, 0, offsets[0]], [0, scale, offsets[1]]])
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged: Crops = cv2.warpAffine(values, to_crop, size, flags=flags, borderMode=edge)
    return enlarged


class _PendingFrames:
    """Buffer of a segment's frames: those not composited yet, and the context that the translator uses."""

    def __init__(self, compositor: FrameCompositor, part: Segment) -> None:
        self._compositor, self._part = compositor, part
        self._context = compositor._translator.context
        self._held: list[_BufferedFrame] = []
        self._done = 0
        """Number of buffered frames that are composited and only kept as context."""

    def add(self, held: _BufferedFrame) -> Iterator[CompositedFrame]:
        """Add the next frame; yield what can be composited now."""
        self._held.append(held)
        if len(self._held) - self._done >= self._compositor._chunk + self._context:
            yield from self._composite(self._compositor._chunk)

    def end(self) -> Iterator[CompositedFrame]:
        """Composite the rest: the segment is over."""
        while self._done < len(self._held):
            yield from self._composite(min(self._compositor._chunk, len(self._held) - self._done))

    def _composite(self, count: int) -> Iterator[CompositedFrame]:
        seen = self._held[: self._done + count + self._context]
        yield from self._compositor.composite(self._part, seen, slice(self._done, self._done + count))
        dropped = max(0, self._done + count - self._context)
        del self._held[:dropped]
        self._done += count - dropped
