"""Last pass: each output frame with the generated face composited in, a few frames at a time."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, TypeVar

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from heterodub.model.dubbing import blending
from heterodub.model.dubbing.compositing import lay_in
from heterodub.model.dubbing.timing import OutputTimeline
from heterodub.model.features.arrays import Rgb
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


@dataclass(frozen=True, slots=True)
class CompositedFrame:
    """An output frame, ready to be encoded. dubbed: True if a generated face was composited in."""

    frame: VideoFrame
    dubbed: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Cutout:
    """A picture of a segment with its face cut out. row: number of the frame in the segment. crop: the translator's
    input; rgb: the window in full size.
    """

    row: int
    picture: SourcePicture
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
) -> Generator[CompositedFrame]:
    """Yield every output frame, in order: the source's own, with the translated face in those of a segment.

    segments: by time. chunk_frames: frames translated at once.
    """

    @lru_cache(maxsize=1)
    def appearance_of(face: Face) -> Appearance:
        return translator.appearance(references[face].pictures, references[face].landmarks)

    @lru_cache(maxsize=1)
    def path_of(segment: Segment) -> NDArray[np.intp]:
        with monitor("references"):
            return _path(segment, appearance_of(segment.face))

    compositor = _Compositor(look, Canvas(look), translator, appearance_of, path_of, chunk_frames, monitor)
    with closing(ahead(source_pictures(film, timeline, monitor))) as pictures:
        at = 0
        for segment in segments:
            gap = max(0, segment.first - at)  # tracks of two shots may overlap: the earlier one goes on to its end
            yield from map(compositor.unchanged, islice(pictures, gap))
            yield from compositor.dubbed(segment, at + gap - segment.first, pictures)
            at = max(at + gap, segment.stop)
        yield from map(compositor.unchanged, pictures)


def source_pictures(film: SourceVideo, timeline: OutputTimeline, monitor: PassMonitor) -> Generator[SourcePicture]:
    """Yield the source picture of each output frame; a picture that begins again is decoded again."""
    pictures = monitor.over("decode", film.pictures())
    picture = next(pictures)
    for source, follows in zip(timeline.source_N.tolist(), timeline.follows_N.tolist(), strict=True):
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

    def unchanged(self, picture: SourcePicture) -> CompositedFrame:
        """Return a frame of the output that shows the picture as it is."""
        return CompositedFrame(self.canvas.output(picture.frame, picture.geometry), False)

    def dubbed(self, segment: Segment, first: int, pictures: Iterator[SourcePicture]) -> Iterator[CompositedFrame]:
        """Yield the frames of a segment from row `first` on; just their pictures are taken."""
        rows = zip(range(first, len(segment.rows_N)), pictures, strict=False)
        cutouts = (self._cut_out(row, picture, segment.window(row)) for row, picture in rows)
        for chunk, new in _chunks(cutouts, self.chunk_frames, self.translator.context):
            if any(segment.strength(cutout.row) for cutout in chunk[new]):
                yield from self._translated(segment, chunk, new)
            else:
                yield from (self.unchanged(cutout.picture) for cutout in chunk[new])

    def _cut_out(self, row: int, picture: SourcePicture, window: Window) -> _Cutout:
        with self.monitor("colours"):
            rgb = self.canvas.rgb(picture.frame, picture.geometry)
        with self.monitor("crops"):
            whole = cut_window(rgb, window, window[2])
            return _Cutout(row, picture, window, whole, cut_window(rgb, window, self.translator.side_px))

    def _translated(self, segment: Segment, chunk: Sequence[_Cutout], new: slice) -> Iterator[CompositedFrame]:
        """Translate some frames of a segment, and yield the `new` ones; the others are their context."""
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
                composited = (
                    CompositedFrame(self._lay(cutout, crop, share * np.float32(strength)), True)
                    if strength
                    else self.unchanged(cutout.picture)
                )
            yield composited

    def _lay(self, cutout: _Cutout, crop: Crops, share: Crops) -> VideoFrame:
        """Copy the frame with a generated crop (S, S, 3; 0..1) composited in by `share` (Q, Q; 0..1)."""
        left, top, _ = cutout.window
        rows, columns, after = composited_part(cutout.rgb, crop, share)
        change = self.canvas.change(cutout.rgb[rows, columns], after)
        copy = self.canvas.copy(cutout.picture.frame, cutout.picture.geometry)
        place = left + columns.start, top + rows.start
        change, place = squeezed(change, place, self.look.geometry.stretch)
        lay_in(planes_of(copy, self.look), self.look.colours, *place, change)
        return copy


def _path(segment: Segment, appearance: Appearance) -> NDArray[np.intp]:
    """Select the reference frame shown in each frame of a segment, (N,): a path through all of them."""
    frames = len(segment.rows_N)
    pieces = (slice(start, min(start + _PATH_FRAMES, frames)) for start in range(0, frames, _PATH_FRAMES))
    wanted = (segment.landmarks(piece).wanted_NPXY for piece in pieces)
    apart = [distances(appearance.landmarks_RPXY, points).astype(np.float32) for points in wanted]
    return steady_path(np.concatenate(apart))


def _chunks(items: Iterator[T], size: int, context: int) -> Iterator[tuple[list[T], slice]]:
    """Yield items in pieces: a list of `size` new ones with up to `context` others on either side, and the slice of the
    new ones.
    """
    buffer: list[T] = []
    done = 0
    while True:
        buffer += islice(items, done + size + context - len(buffer))
        if done == len(buffer):
            return
        stop = min(done + size, len(buffer))
        yield buffer, slice(done, stop)
        dropped = max(0, stop - context)
        del buffer[:dropped]
        done = stop - dropped
