"""Lengths of the streams of a file: ends minus starts, since clocks need not begin at zero."""

import re
from fractions import Fraction
from typing import Final

import av.error
from av.container import InputContainer
from av.stream import Stream

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
    own = None if container is Container.MPEG else _own_s(stream)
    whole = _container_s(source, stream, container)
    return min((seconds for seconds in (own, whole) if seconds is not None and seconds > 0), default=None)


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
    known = start_s(stream)
    # Matroska's header says nothing of a stream: ffmpeg puts the file's start for one that comes late
    if known is not None and container is not Container.MATROSKA:
        return known
    try:
        for packet in source.demux(stream):
            if packet.pts is not None:
                return packet.pts * packet.time_base
    except (av.error.FFmpegError, OSError, ValueError):
        pass
    return known


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
