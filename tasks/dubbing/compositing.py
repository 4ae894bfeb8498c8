"""Last pass: each output frame with the generated face composited in, a few frames at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Final, TypeVar

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from heterodub.model.dubbing import blending
from heterodub.model.dubbing.compositing import lay_in
from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.features.arrays import Floats, Rgb
from heterodub.model.stage2.translator import Appearance, Translator
from heterodub.model.stage2.warp import distances, steady_path
from heterodub.tasks.dubbing.overlay import Crops, composited_part
from heterodub.tasks.dubbing.passes import PassMonitor, ahead
from heterodub.tasks.dubbing.references import ReferenceFrames, in_crop
from heterodub.tasks.dubbing.segments import Face, Segment
from heterodub.tasks.faces.window import Window, cut_window
from heterodub.tasks.media.canvas import Canvas, PictureFormat, planes_of, squeezed
from heterodub.tasks.media.source_video import SourcePicture, SourceVideo

T = TypeVar("T")

_PATH_FRAMES: Final = 1500
"""Frames whose landmarks are compared with the reference frames at once; bounds memory, changes nothing else."""

_FACES: Final = 4
"""Faces that speak at once, as far as their appearance is kept at hand."""


@dataclass(frozen=True, slots=True)
class CompositedFrame:
    """An output frame, ready to be encoded. dubbed: True if a generated face was composited in."""

    frame: VideoFrame
    dubbed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Change of a frame's colours (H, W, 3; RGB, 0..255), and its left upper corner."""

    change: Floats
    place: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Cutout:
    """A picture of a segment with its face cut out. row: number of the frame in the segment. crop: the translator's
    input; rgb: the window in full size.
    """

    row: int
    window: Window
    rgb: Rgb
    crop: Rgb


def composite(
    film: SourceVideo,
    look: PictureFormat,
    timeline: OutputTimeline,
    segments: Sequence[Segment],
    translator: Translator,
    references: Mapping[Face, ReferenceFrames],
    chunk_frames: int,
    monitor: PassMonitor,
    frames: range | None = None,
) -> Generator[CompositedFrame]:
    """Yield every output frame, in order: the source's own, with the translated face in those of a segment, or several.

    segments: by their first frame; those of different faces may overlap. chunk_frames: frames translated at once.
    frames: those of the output that are wanted, else all; each is the same whichever they are.
    """
    frames = frames or range(timeline.frames)

    @lru_cache(maxsize=_FACES)
    def appearance_of(face: Face) -> Appearance:
        return translator.appearance(references[face].pictures, references[face].landmarks)

    @lru_cache(maxsize=_FACES)
    def path_of(segment: Segment) -> NDArray[np.intp]:
        with monitor("references"):
            return _path(segment, appearance_of(segment.face))

    compositor = _Compositor(look, Canvas(look), translator, appearance_of, path_of, chunk_frames, monitor)
    waiting = deque(segment for segment in segments if segment.stop > frames.start)
    begins = min([frames.start, *(compositor.needs(segment, frames.start)[0] for segment in waiting)])
    with closing(ahead(source_pictures(film, timeline, monitor, range(begins, timeline.frames)))) as source:
        pictures = _Pictures(source, begins)
        shown: list[tuple[Segment, Iterator[Layer | None]]] = []
        for frame in frames:
            while waiting and waiting[0].first <= frame:
                segment = waiting.popleft()
                shown.append((segment, compositor.layers(segment, pictures, frame)))
            layers = [next(layers) for segment, layers in shown]
            yield compositor.frame(pictures.take(frame), [layer for layer in layers if layer is not None])
            shown = [(segment, layers) for segment, layers in shown if segment.stop > frame + 1]


class _Pictures:
    """The pictures of the output's frames for several readers, each at its own pace: what one has read ahead is kept
    until the frame is taken.
    """

    def __init__(self, source: Iterator[SourcePicture], first: int) -> None:
        self._source, self._kept, self._first = source, deque[SourcePicture](), first

    def from_frame(self, frame: int) -> Iterator[SourcePicture]:
        """Yield the pictures from a frame on that was not yet taken."""
        while True:
            while frame - self._first >= len(self._kept):
                picture = next(self._source, None)
                if picture is None:
                    return
                self._kept.append(picture)
            yield self._kept[frame - self._first]
            frame += 1

    def take(self, frame: int) -> SourcePicture:
        """Return the picture of a frame; it and those before are not kept any longer."""
        picture = next(self.from_frame(frame))
        while self._first <= frame:
            self._kept.popleft()
            self._first += 1
        return picture


def source_pictures(
    film: SourceVideo, timeline: OutputTimeline, monitor: PassMonitor, frames: range
) -> Generator[SourcePicture]:
    """Yield the source picture of each of some output frames; a picture that begins again is decoded again.

    Pictures before are decoded and dropped, so that what a decoder and a deinterlacer remember is the same.
    """
    pictures = monitor.over("decode", film.pictures())
    picture = next(pictures)
    part = slice(frames.start, frames.stop)
    shown = timeline.source_N[part].tolist(), timeline.follows_N[part].tolist()
    for source, follows in zip(*shown, strict=True):
        if not follows and source < picture.index:
            pictures = monitor.over("decode", film.pictures())
            picture = next(pictures)
        while picture.index < source:
            picture = next(pictures)
        yield picture


@dataclass(frozen=True, slots=True)
class _Compositor:
    """Translator and canvas of one film. appearance_of: caches the last face, for neighbours mostly share it. path_of:
    the reference frames shown in a segment's frames.
    """

    look: PictureFormat
    canvas: Canvas
    translator: Translator
    appearance_of: Callable[[Face], Appearance]
    path_of: Callable[[Segment], NDArray[np.intp]]
    chunk_frames: int
    monitor: PassMonitor

    def frame(self, picture: SourcePicture, layers: Sequence[Layer]) -> CompositedFrame:
        """Return a frame of the output: the picture with the layers added, or as it is."""
        with self.monitor("compose"):
            if not layers:
                return CompositedFrame(self.canvas.output(picture.frame, picture.geometry), False)
            copy = self.canvas.copy(picture.frame, picture.geometry)
            for layer in layers:
                lay_in(planes_of(copy, self.look), self.look.colours, *layer.place, layer.change)
            return CompositedFrame(copy, True)

    def needs(self, segment: Segment, frame: int) -> tuple[int, int]:
        """Return the first output frame whose picture is needed to begin a segment at a frame, and that with which the
        frame's chunk begins: chunks are those of the whole segment, whose last digits depend on their size.
        """
        chunk = max(0, frame - segment.first) // self.chunk_frames * self.chunk_frames
        return segment.first + max(0, chunk - self.translator.context), segment.first + chunk

    def layers(self, segment: Segment, pictures: _Pictures, frame: int) -> Iterator[Layer | None]:
        """Yield what is added to each frame of a segment from `frame` on; None where nothing shows."""
        low, begins = self.needs(segment, frame)
        rows = zip(range(low - segment.first, len(segment.rows_N)), pictures.from_frame(low), strict=False)
        cutouts = (self._cut_out(row, picture, segment.window(row)) for row, picture in rows)
        chunks = _chunks(cutouts, self.chunk_frames, self.translator.context, begins - low)
        return islice(chain.from_iterable(self._layers_of(segment, *one) for one in chunks), frame - begins, None)

    def _layers_of(self, segment: Segment, chunk: Sequence[_Cutout], new: slice) -> Iterator[Layer | None]:
        if any(segment.strength(cutout.row) for cutout in chunk[new]):
            return self._translated(segment, chunk, new)
        return (None for _ in chunk[new])

    def _cut_out(self, row: int, picture: SourcePicture, window: Window) -> _Cutout:
        with self.monitor("colours"):
            rgb = self.canvas.rgb(picture.frame, picture.geometry)
        with self.monitor("crops"):
            whole = cut_window(rgb, window, window[2])
            return _Cutout(row, window, whole, cut_window(rgb, window, self.translator.side_px))

    def _translated(self, segment: Segment, chunk: Sequence[_Cutout], new: slice) -> Iterator[Layer | None]:
        """Translate some frames of a segment, and yield the layers of the `new` ones; the others are their context."""
        side, rows = self.translator.side_px, slice(chunk[0].row, chunk[0].row + len(chunk))
        path = self.path_of(segment)[rows]
        with self.monitor("landmarks"):
            landmarks = segment.landmarks(rows)
            source, target = (
                np.stack([in_crop(points, cutout.window, side) for points, cutout in zip(both, chunk, strict=True)])
                for both in (landmarks.source_NPXY, landmarks.wanted_NPXY)
            )
        with self.monitor("translate"):
            crops = np.stack([cutout.crop for cutout in chunk])
            appearance = self.appearance_of(segment.face)
            blended = self.translator.translate(appearance, crops, source, target, path)[new]
        with self.monitor("compose"):
            shares, in_blend = blending.shown(source[new], target[new], side)
            generated = blending.unblended(blended, crops[new], in_blend, shares)
        for cutout, crop, share in zip(chunk[new], generated, shares, strict=True):
            strength = segment.strength(cutout.row)
            with self.monitor("compose"):
                layer = self._layer(cutout, crop, share * np.float32(strength)) if strength else None
            yield layer

    def _layer(self, cutout: _Cutout, crop: Crops, share: Crops) -> Layer:
        """Compute the change that composites a generated crop (S, S, 3; 0..1) in by `share` (Q, Q; 0..1)."""
        left, top, _ = cutout.window
        rows, columns, after = composited_part(cutout.rgb, crop, share)
        change = self.canvas.change(cutout.rgb[rows, columns], after)
        return Layer(*squeezed(change, (left + columns.start, top + rows.start), self.look.geometry.stretch))


def _path(segment: Segment, appearance: Appearance) -> NDArray[np.intp]:
    """Select the reference frame shown in each frame of a segment, (N,): a path through all of them."""
    frames = len(segment.rows_N)
    pieces = (slice(start, min(start + _PATH_FRAMES, frames)) for start in range(0, frames, _PATH_FRAMES))
    wanted = (segment.landmarks(piece).wanted_NPXY for piece in pieces)
    apart = [distances(appearance.landmarks_RPXY, points).astype(np.float32) for points in wanted]
    return steady_path(np.concatenate(apart))


def _chunks(items: Iterator[T], size: int, context: int, done: int = 0) -> Iterator[tuple[list[T], slice]]:
    """Yield items in pieces: a list of `size` new ones with up to `context` others on either side, and the slice of the
    new ones. done: the first so many are context alone.
    """
    buffer: list[T] = []
    while True:
        buffer += islice(items, done + size + context - len(buffer))
        if done == len(buffer):
            return
        stop = min(done + size, len(buffer))
        yield buffer, slice(done, stop)
        dropped = max(0, stop - context)
        del buffer[:dropped]
        done = stop - dropped
