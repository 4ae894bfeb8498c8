"""Lengths of the streams of a file, and one time line for those whose clocks start again or wrap.

The packets are read once, undecoded. Where a stream's clock runs back, a new recording begins for all streams, and all
are moved by the same amount: what was in step within a recording stays so, however many were joined.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Final, TypeVar

import av.error
from av.container import InputContainer
from av.stream import Stream

from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason

from .containers import NO_PICTURES, open_input
from .sniff import Container

MICROSECONDS: Final = 1_000_000
"""Unit of a container's times."""

OTHER_CLOCK_S: Final = 60
"""A stream that begins this much after the other's end runs by another clock, wall time beside time from zero."""

_LONGEST_S: Final = 24 * 3600
"""Assumed length of a stream that states none; two streams further apart share no clock."""

_CLOCK_TEXT: Final = re.compile(r"(\d+):([0-5]?\d):([0-5]?\d(?:\.\d+)?)\s*")


def start_s(stream: Stream) -> Fraction | None:
    """Time at which a stream begins, by its own clock; None when the container does not say."""
    if stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base


def length_s(source: InputContainer, stream: Stream, container: Container) -> float | None:
    """Length of a stream as claimed, or None when nothing sensible is claimed.

    Of what the stream and the container claim the smaller: the container's own is the longest of all its streams.
    """
    # in MPEG both are ffmpeg's guesses, and that of a stream counts only what it saw of its end
    stream_s = None if container is Container.MPEG else _own_s(stream)
    whole = _container_s(source, stream, container)
    return min((seconds for seconds in (stream_s, whole) if seconds is not None and seconds > 0), default=None)


def clocks_apart_s(source: InputContainer, first: Stream, second: Stream, container: Container) -> Fraction | None:
    """Seconds that the second stream's clock is ahead of the first's; None where they share one.

    Streams that have no moment in common, nor nearly, are taken to begin together. Where the header does not say when
    they begin, packets are read until they do, so the source serves nothing else.
    """
    begins, other = (_begins_s(source, stream, container) for stream in (first, second))
    if begins is None or other is None:
        return None
    sooner, gap = (first, other - begins) if other > begins else (second, begins - other)
    lasts = length_s(source, sooner, container) or _LONGEST_S
    return other - begins if gap > lasts + OTHER_CLOCK_S else None


def _begins_s(source: InputContainer, stream: Stream, container: Container) -> Fraction | None:
    claimed = start_s(stream)
    # Matroska's header says nothing of a stream: ffmpeg puts the file's start for one that comes late
    if claimed is not None and container is not Container.MATROSKA:
        return claimed
    try:
        for packet in source.demux(stream):
            if packet.pts is not None:
                return packet.pts * packet.time_base
    except (av.error.FFmpegError, OSError, ValueError):
        pass
    return claimed


def _own_s(stream: Stream) -> float | None:
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska has no length of a stream; writers put its end into a tag
    text = _CLOCK_TEXT.fullmatch(stream.metadata.get("DURATION", ""))
    if text is None:
        return None
    hours, minutes, seconds = text.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(start_s(stream) or 0)


def _container_s(source: InputContainer, stream: Stream, container: Container) -> float | None:
    if source.duration is None or source.duration <= 0:
        return None
    seconds = source.duration / MICROSECONDS
    if container is Container.MPEG:
        # Not a claim but ffmpeg's guess from the clock at both ends, which wraps after 26.5 hours.
        return seconds if seconds < 26 * 3600 else None
    if container is not Container.MATROSKA:
        return seconds
    starts = [start_s(other) for other in source.streams if other.type in ("video", "audio")]
    begins = start_s(stream) or Fraction(0)
    if any(abs(other - begins) > _LONGEST_S for other in starts if other is not None):
        return None  # the end is that of a stream with another clock
    return seconds - float(begins)  # what Matroska calls its duration is the time of its end


T = TypeVar("T")

RESET_S: Final = 1
"""A step back by more is the start of a joined recording; a smaller one is a reordered or an overlapping packet."""

_MPEG_WRAPS_S: Final = Fraction(2**33, 90_000)
"""MPEG's clock starts again after 26.5 hours (ISO 13818-1: 33 bits at 90 kHz); ffmpeg adds or leaves out one round."""

_LONGEST_PAUSE_S: Final = 600
"""A clock that wraps and seems to leap further was given one round too many: it stepped back."""

_MAY_START_AGAIN: Final = frozenset({Container.MPEG, Container.MATROSKA})
"""Containers joined by appending bytes. MP4 and GIF are read to the end of the first file; AVI counts its packets."""

_GONE: Final = frozenset({FileReason.VANISHED, FileReason.UNREADABLE})


@dataclass(frozen=True, slots=True)
class Join:
    """Start of a recording that follows another. shift_s is added to the times of all streams from here on; starts_s:
    the first stated time of each stream, by its number.
    """

    shift_s: Fraction
    starts_s: dict[int, Fraction]


class StreamClock:
    """Times of one stream on the file's line. Without joins, or where none fits, a new recording follows on closely."""

    def __init__(self, stream: int = 0, joins: Sequence[Join] = (), wraps_s: Fraction | None = None) -> None:
        self._stream, self._joins, self._wraps_s = stream, list(joins), wraps_s
        self._shift_s = Fraction(0)
        self._round_s = Fraction(0)
        self.starts = 0
        """Number of recordings that have begun after the first."""

    def place(self, stated_s: Fraction, latest_s: Fraction | None, follows_s: Fraction | None) -> Fraction:
        """Seconds on the file's line. `latest_s`: the latest time so far, `follows_s`: where what follows on begins."""
        if latest_s is None or follows_s is None:
            return stated_s
        if self._wraps_s:
            late_s = stated_s + self._round_s + self._shift_s - latest_s
            self._round_s += self._wraps_s * floor((_LONGEST_PAUSE_S - late_s) / self._wraps_s)
        whole_s = stated_s + self._round_s
        if whole_s + self._shift_s < latest_s - RESET_S:
            self.starts += 1
            shift_s = self._joined(whole_s, latest_s)
            self._shift_s = follows_s - whole_s if shift_s is None else shift_s
        return whole_s + self._shift_s

    def unwrapped(self, stated_s: Fraction) -> Fraction:
        """The stated time with the rounds of a clock that wraps, and nothing else."""
        return stated_s + self._round_s

    def _joined(self, whole_s: Fraction, latest_s: Fraction) -> Fraction | None:
        """The shift of the next join that begins about here."""
        for number, join in enumerate(self._joins):
            begins_s = join.starts_s.get(self._stream)
            near = begins_s is not None and abs(begins_s - whole_s) <= RESET_S
            if near and whole_s + join.shift_s >= latest_s - RESET_S:
                del self._joins[: number + 1]
                return join.shift_s
        return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The joins of a file, and a clock for each stream."""

    joins: tuple[Join, ...] = ()
    wraps_s: Fraction | None = None

    @classmethod
    def read(cls, path: Path, container: Container, streams: Sequence[int]) -> "Timeline":
        """Read the packets of these streams, where the container is one that can be joined and there are several.

        Unreadable data ends it; decoding will meet the same damage. Raises: MediaRefusedError - VANISHED, UNREADABLE.
        """
        wraps_s = _MPEG_WRAPS_S if container is Container.MPEG else None
        if container not in _MAY_START_AGAIN or len(streams) < 2:
            return cls((), wraps_s)
        try:
            with open_input(path, container, NO_PICTURES) as source:
                return cls(_joins(source, streams, wraps_s), wraps_s)
        except MediaRefusedError as error:
            if error.reason in _GONE:
                raise
            return cls((), wraps_s)

    def clock(self, stream: int) -> StreamClock:
        """A clock for one pass over a stream."""
        return StreamClock(stream, self.joins, self.wraps_s)


@dataclass(slots=True)
class _Recording:
    """First and last moments of the streams of one recording, by their number, stated."""

    starts_s: dict[int, Fraction] = field(default_factory=dict)
    ends_s: dict[int, Fraction] = field(default_factory=dict)


def _joins(source: InputContainer, streams: Sequence[int], wraps_s: Fraction | None) -> tuple[Join, ...]:
    recordings = [_Recording()]
    where = dict.fromkeys(streams, 0)
    clocks = {number: StreamClock(wraps_s=wraps_s) for number in streams}
    latest: dict[int, Fraction | None] = dict.fromkeys(streams, None)
    try:
        for number, stated_s, lasts_s in _packets(source, streams):
            clock, before = clocks[number], latest[number]
            starts = clock.starts
            placed_s = clock.place(stated_s, before, before)
            latest[number] = placed_s if before is None else max(before, placed_s)
            if clock.starts > starts:
                if where[number] == len(recordings) - 1:
                    recordings.append(_Recording())
                where[number] = len(recordings) - 1  # which another stream may have begun already
            begins_s, recording = clock.unwrapped(stated_s), recordings[where[number]]
            recording.starts_s[number] = min(begins_s, recording.starts_s.get(number, begins_s))
            recording.ends_s[number] = max(begins_s + lasts_s, recording.ends_s.get(number, begins_s))
    except (av.error.FFmpegError, OSError, ValueError):
        pass
    return tuple(_in_a_row(recordings))


def _packets(source: InputContainer, streams: Sequence[int]) -> Iterator[tuple[int, Fraction, Fraction]]:
    """Stream, stated time and duration of every packet that has a time."""
    for packet in source.demux([source.streams[number] for number in streams]):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and packet.size:
            yield packet.stream.index, stamp * packet.time_base, (packet.duration or 0) * packet.time_base


def _in_a_row(recordings: Sequence[_Recording]) -> list[Join]:
    """Place recordings in a row: each begins when all streams of those before have ended.

    A step back of one stream alone moves no other: it is damage, and closed for that stream.
    """
    joins: list[Join] = []
    ended_s = max(recordings[0].ends_s.values(), default=Fraction(0))
    for recording in recordings[1:]:
        if len(recording.starts_s) > 1:
            shift_s = ended_s - min(recording.starts_s.values())
            joins.append(Join(shift_s, recording.starts_s))
            ended_s = max(ended_s, max(recording.ends_s.values()) + shift_s)
    return joins


def without_strays(timed: Iterable[tuple[Fraction | None, T]]) -> Iterator[tuple[Fraction | None, T]]:
    """Replace by None a lone time that lies far from those before and after it, which lie together.

    A flipped bit in one time stamp is no hole and no new recording.
    """
    before: Fraction | None = None
    previous: tuple[Fraction | None, T] | None = None
    for now in timed:
        if previous is not None:
            if _is_stray(before, previous[0], now[0]):
                yield None, previous[1]
            else:
                yield previous
                before = previous[0]
        previous = now
    if previous is not None:
        yield previous


def _is_stray(before: Fraction | None, stated: Fraction | None, after: Fraction | None) -> bool:
    if before is None or stated is None or after is None:
        return False
    return (
        abs(stated - before) > RESET_S  # first, since it is seldom so: fractions are slow
        and abs(stated - after) > RESET_S
        and abs(after - before) <= RESET_S
    )
