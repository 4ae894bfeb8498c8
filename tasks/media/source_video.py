"""The source video of a dubbing: its pictures at their own times and in their own samples, read any number of times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import MediaFacts
from heterodub.tasks.media.canvas import PictureFormat, look_of
from heterodub.tasks.media.containers import open_input, set_up
from heterodub.tasks.media.frame_converter import PictureNotes
from heterodub.tasks.media.geometry import Geometry, PixelAspect
from heterodub.tasks.media.probe import probe
from heterodub.tasks.media.sniff import Container, sniff
from heterodub.tasks.media.streams import other_films, picture_of, used_streams
from heterodub.tasks.media.timeline import Timeline
from heterodub.tasks.media.video_frames import PyavPictures, decoded, step_s

_FINEST: Final = Fraction(1, 1_000_000)
_STANDARD: Final = Fraction(1, 90_000)
"""Ticks of the output where the source's own are finer than MP4 writes or no part of a second."""

LAST_PICTURE_MAX_S: Final = Fraction(10)
"""A last picture stands as long as its container states, at most this long: no picture follows to end it."""

MAX_HOLE_S: Final = Fraction(600)
"""A picture that would stand for longer counts as damage, not as a picture."""


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """One picture of the source. tick: its time after the first, in the film's `base`. lasts: ticks, at least 1.

    geometry: its own size and direction; they may change midway.
    """

    index: int
    tick: int
    lasts: int
    frame: VideoFrame
    geometry: Geometry


@dataclass(slots=True)
class SourceVideo:
    """A probed video. Iterate `pictures()` as often as needed; `damage` holds why the last pass ended early, `seen`
    notes on how its pictures are shown.
    """

    path: Path
    container: Container
    facts: MediaFacts
    limits: LimitSettings
    damage: list[str] = field(default_factory=list)
    _joins: Timeline | None = None
    seen: PictureNotes = field(default_factory=PictureNotes)
    """Of the longest pass."""
    origin_s: Fraction = Fraction(0)
    """Time of the first picture on the file's line; known after a pass."""

    @property
    def is_joined(self) -> bool:
        """True if the file holds recordings joined by appending, or a clock that may wrap."""
        timeline = self._timeline()
        return bool(timeline.joins) or timeline.wraps_s is not None

    @classmethod
    def open(cls, path: Path, limits: LimitSettings, picture: int | None = None) -> "SourceVideo":
        """Open a file: read one picture of it, and two seconds of each video stream where there are several.

        `picture`: number of the video stream, else the best is taken, as ingest does.

        Raises: MediaRefusedError - it cannot be used; see heterodub.tasks.media.sniff and heterodub.tasks.media.probe.
        """
        container = sniff(path)
        return cls(path, container, probe(path, container, limits, picture), limits)

    def look(self) -> PictureFormat:
        """Format of the output, derived from the film's first picture.

        Raises: MediaRefusedError - NO_DECODABLE_FRAME, VANISHED, UNREADABLE.
        """
        with self._opened() as (source, stream):
            frame = next(decoded(source, stream, []), None)
            if frame is None:
                raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME)
            return look_of(frame, PixelAspect(stream).geometry(frame), stream)

    def comment(self) -> str:
        """Comment in the container's metadata; empty where there is none."""
        with self._opened() as (source, _):
            metadata = {name.lower(): value for name, value in source.metadata.items()}  # Matroska has it in capitals
        return metadata.get("comment", "")

    def looks(self) -> Iterator[PictureFormat]:
        """Yield `look` of each video stream that may show the talker, the best first.

        The film is that of the stream until the next is requested: stop at the first that shows a face.
        """
        yield self.look()
        for number in other_films(self.facts):
            self.facts, self._joins = probe(self.path, self.container, self.limits, number), None
            yield self.look()

    def base(self) -> Fraction:
        """Seconds of a tick."""
        with self._opened() as (_, stream):
            base = stream.time_base or _STANDARD
        return base if base.numerator == 1 and base >= _FINEST else _STANDARD

    def pictures(self) -> Iterator[SourcePicture]:
        """Yield every picture whose time advances, in order.

        Ends early, with a message in `damage`, where the file is damaged, where it goes on after a hole of ten minutes,
        and at the longest time that files may have.

        Raises: MediaRefusedError - VANISHED, UNREADABLE, or no picture at all: NO_DECODABLE_FRAME.
        """
        base = self.base()
        waiting: SourcePicture | None = None
        last_step = max(1, round(step_s(self.facts.nominal_fps) / base))
        origin_s: Fraction | None = None
        with self._opened() as (source, stream):
            coming = PyavPictures(source, stream, self.facts.nominal_fps, self._timeline().clock(stream.index))
            self.damage = coming.damage
            for time_s, stands_s, frame, geometry in coming.frames():
                if origin_s is None:
                    origin_s = self.origin_s = time_s
                tick = round((time_s - origin_s) / base)
                if waiting is not None:
                    if tick <= waiting.tick:
                        continue
                    step = tick - waiting.tick
                    if step * base > MAX_HOLE_S or tick * base > self.limits.max_duration_s:
                        self.damage.append(
                            f"picture {waiting.index + 1} stands {float(tick * base):.0f} s after the first"
                        )
                        break
                    last_step = step
                    yield SourcePicture(waiting.index, waiting.tick, step, waiting.frame, waiting.geometry)
                stands = round(min(stands_s, LAST_PICTURE_MAX_S) / base) or last_step
                waiting = SourcePicture(0 if waiting is None else waiting.index + 1, tick, stands, frame, geometry)
            if waiting is None:
                raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "; ".join(self.damage))
            notes = coming.picture_notes
            self.seen = notes if notes.pictures >= self.seen.pictures else self.seen
            yield waiting

    def glances(self, places: int, pictures: int) -> Iterator[list[tuple[VideoFrame, Geometry]]]:
        """Yield some pictures that follow one another from each of several places, evenly spread over the film: from
        the keyframe before. Ends at a place that cannot be reached.

        Raises: MediaRefusedError - VANISHED, UNREADABLE.
        """
        with self._opened() as (source, stream):
            aspect = PixelAspect(stream)
            for place in range(places):
                try:
                    source.seek((source.start_time or 0) + place * (source.duration or 0) // places)
                except (FFmpegError, OSError, ValueError):
                    return
                frames = islice(decoded(source, stream, []), pictures)
                yield [(frame, aspect.geometry(frame)) for frame in frames]

    def _timeline(self) -> Timeline:
        if self._joins is None:
            self._joins = Timeline.read(self.path, self.container, used_streams(self.facts))
        return self._joins

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        with open_input(self.path, self.container, self.limits.max_pixels) as source:
            stream = picture_of(source, self.facts)
            set_up(stream, self.limits.max_pixels)
            yield source, stream
