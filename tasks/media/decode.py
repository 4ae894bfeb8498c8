"""One pass over a file's pictures, as frames at 25 fps with exact times and bounded memory."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av.error
import numpy as np

from heterodub.model.features.timing import section_of
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import WHOLE_FILM, FilmSegment, MediaFacts

from .containers import open_input, set_up, words
from .counted_notes import CountedNotes, note_lines
from .decord_pictures import can_use_decord, read_whole
from .frame_rate import Retimer
from .geometry import Geometry
from .interlace import MEMORY, CombFinder, Luma, sample
from .sniff import Container
from .streams import picture_of, used_streams
from .timeline import Timeline
from .video_frames import PyavPictures, TimedPicture

_SHORT_BY_SHARE: Final = 0.05
_SHORT_BY_S: Final = 0.5
"""A file that ends this much before its header says was cut off; headers round and sound may outlast pictures."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame at 25 fps. Repeats share one array: do not write into it."""

    index: int
    """Frame number at 25 fps, from the first picture."""
    rgb: np.ndarray
    """(H, W, 3) uint8 as displayed."""
    source_index: int
    """Number of the source picture shown."""
    source_s: float
    """Time of that picture after the first, seconds."""
    repeated: bool
    """Shows the same source picture as the frame before."""
    geometry: Geometry | None = None
    """Size and direction of the source picture: where they change, shots and tracks end."""
    follows_hole: bool = False
    """Pictures are missing before it; its number is that of its time, so numbers may be missing too."""
    is_combed: bool = False
    """Shows two moments, after whatever was done against it; see with_combs."""


class Video:
    """The frames of one file; iterate `frames()` once, then read `source_frames`, `truncated` and `notes`."""

    def __init__(
        self,
        pictures: Iterator[TimedPicture],
        first: TimedPicture,
        limit_s: float,
        promised_s: float | None,
        pyav: PyavPictures | None = None,
    ) -> None:
        self.decoder = "decord" if pyav is None else "pyav"
        self.origin_s = float(first.time_s)
        self.source_frames = 0
        self.truncated: str | None = None
        self._pictures, self._pyav = pictures, pyav
        self._promised_s = promised_s
        self._retimer = Retimer(limit_s)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame, in order; each source picture is converted at most once, and only when it is shown."""
        yield from self._shown()
        if self._pyav is not None:  # decodes as it is read, so that damage is known only at the end
            self.truncated = "; ".join(self._pyav.damage) or self.truncated

    def _shown(self) -> Iterator[Frame]:
        for chosen in self._retimer.choose(self._pictures):
            try:
                rgb = chosen.picture.pixels()
            except MemoryError:
                raise
            except (av.error.FFmpegError, ValueError) as error:
                self.source_frames, self.truncated = self._retimer.seen, words(error)
                return
            for index in range(chosen.first, chosen.last + 1):
                self.source_frames = self._retimer.seen
                repeated = index > chosen.first
                yield Frame(
                    index,
                    rgb,
                    chosen.source_index,
                    float(chosen.since_first_s),
                    repeated,
                    chosen.picture.geometry,
                    chosen.follows_hole and not repeated,
                )
        self.source_frames = self._retimer.seen
        self.truncated = self._retimer.stopped or self._short_of_promise()

    @property
    def counted_notes(self) -> CountedNotes:
        """Notes on what was done to the pictures so far, with their numbers apart."""
        return {} if self._pyav is None else self._pyav.notes

    @property
    def notes(self) -> tuple[str, ...]:
        """The same in sentences."""
        return note_lines(self.counted_notes)

    @property
    def reached_s(self) -> float:
        """End of the last picture as stated by the file, in seconds after the first; known at the end."""
        return float(self._retimer.reached_s)

    def _short_of_promise(self) -> str | None:
        if self._promised_s is None:
            return None
        reached_s = self.reached_s
        missing_s = self._promised_s - reached_s
        if missing_s > max(_SHORT_BY_S, _SHORT_BY_SHARE * self._promised_s):
            return f"the header promises {self._promised_s:.1f} s of pictures; they end after {reached_s:.1f} s"
        return None


@contextmanager
def open_video(
    path: Path,
    container: Container,
    facts: MediaFacts,
    limits: LimitSettings,
    timeline: Timeline | None = None,
    segment: FilmSegment = WHOLE_FILM,
) -> Iterator[Video]:
    """The video of a probed file, decoded by decord where that is allowed and cheap, by PyAV otherwise.

    `timeline` is read when it is not given; pass it where the sound is read, too. Of a `segment` come the frames of the
    film's first picture, then those from its key packet on, all by their numbers in the film; the reader ends it.

    Raises: MediaRefusedError - NO_DECODABLE_FRAME, VANISHED, UNREADABLE.
    """
    timeline = timeline or Timeline.read(path, container, used_streams(facts))
    with open_input(path, container, limits.max_pixels) as source:
        stream = picture_of(source, facts)
        set_up(stream, limits.max_pixels)
        promised_s = _promised_s(stream.duration, stream.time_base)
        pyav = PyavPictures(source, stream, facts.nominal_fps, timeline.clock(stream.index), segment)
        pictures = iter(pyav)
        first = next(pictures, None)
        if first is None:
            raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "; ".join(pyav.damage))
        limit_s = limits.max_duration_s
        if (
            limits.trust_footage
            and segment == WHOLE_FILM
            and can_use_decord(container, facts, stream, pyav.is_plain)
            and (whole := read_whole(path, container, first, facts))
        ):
            yield Video(iter(whole), whole[0], limit_s, promised_s)
        else:
            yield Video(chain((first,), pictures), first, limit_s, promised_s, pyav)


def _promised_s(ticks: int | None, base: Fraction | None) -> float | None:
    return float(ticks * base) if ticks and ticks > 0 and base else None


def with_combs(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Yield the frames of a video, each marked as combed or not; one frame is held back. The finder starts anew a
    second before each section, so that it knows the film when the section begins.
    """
    finder, pending = CombFinder(), deque[tuple[Frame, Luma]]()
    combed, section = False, 0
    for frame in frames:
        if section != (section := section_of(frame.index + MEMORY)):
            finder.restart()
        pending.append((frame, pending[-1][1] if frame.repeated and pending else sample(frame.rgb[..., 1])))
        if len(pending) == 2:
            combed = _combed(finder, pending, combed)
            yield replace(pending.popleft()[0], is_combed=combed)
    for frame, now in pending:
        yield replace(frame, is_combed=combed if frame.repeated else finder.step(now))


def _combed(finder: CombFinder, pending: deque[tuple[Frame, Luma]], before: bool) -> bool:
    (frame, now), (after, later) = pending
    return before if frame.repeated else finder.step(now, None if after.repeated else later)
