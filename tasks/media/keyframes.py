"""Cutting of a long film into segments at key pictures, from its packets alone.

A segment is decoded from a key picture well before its first frame, so that everything that remembers the last seconds
(the choice of pictures, shot cuts, transitions, combs) knows the same as in one pass. What remembers more starts anew
with each section (schemas/contract.py), and segments begin with sections. So the rows are those of one pass, exactly.

Films whose clock is not plain, and whose stream changes its parameters between key pictures, are not cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from heterodub.model.features.timing import section_of, section_start
from heterodub.schemas.contract import FPS
from heterodub.schemas.records import WHOLE_FILM, FilmSegment, MediaFacts

from .containers import NO_PICTURES, open_input
from .sniff import Container
from .streams import picture_of
from .timeline import RESET_S, Timeline

_CONTAINERS: Final = frozenset({Container.MP4, Container.MATROSKA})
"""Containers that state the time of each picture. AVI counts pictures, MPEG wraps its clock, GIFs are short."""

_LEAD_S: Final = Fraction(4)
_LEAD_PICTURES: Final = 40
"""A segment's pictures are those of the film from so long before its first frame on. The longest memory is that of
combs, a second before the section and one more for the pictures around it, and of transitions, 1.4 s; of pictures, the
choice for 25 fps remembers 15 intervals."""

_LONGEST_LEAD_S: Final = Fraction(40)
"""Where key pictures are further apart than this, too much would be decoded twice."""


@dataclass(frozen=True, slots=True)
class _Picture:
    packet: int
    time_s: Fraction
    is_key: bool


def cut_film(
    path: Path, container: Container, facts: MediaFacts, timeline: Timeline, least_s: float, most: int
) -> tuple[FilmSegment, ...]:
    """Cut a film into segments of at least so many seconds, at most so many; the whole film where it cannot be cut.

    Raises: MediaRefusedError - as open_input.
    """
    if container not in _CONTAINERS or timeline.joins:
        return (WHOLE_FILM,)
    with open_input(path, container, NO_PICTURES) as source:
        pictures = _plain_pictures(source, picture_of(source, facts))
    if pictures is None:
        return (WHOLE_FILM,)
    length_s = pictures[-1].time_s - pictures[0].time_s
    sections = section_of(int(length_s * FPS)) + 1
    count = max(1, min(most, int(length_s / Fraction(least_s)), sections))
    return _segments(pictures, sorted({round(sections * part / count) for part in range(1, count)}))


def _segments(pictures: Sequence[_Picture], borders: Sequence[int]) -> tuple[FilmSegment, ...]:
    """Segments that begin with these sections, as far as a key picture lies well."""
    begins = [FilmSegment()]
    for section in borders:
        first = section_start(section)
        if (keys := _key_packets(pictures, first)) is not None:
            begins.append(FilmSegment(first, None, *keys))
    stops = [segment.first for segment in begins[1:]]
    return tuple(
        FilmSegment(segment.first, stop, segment.resume_packet, segment.exact_packet)
        for segment, stop in zip(begins, [*stops, None], strict=True)
    )


def _key_packets(pictures: Sequence[_Picture], frame: int) -> tuple[int, int] | None:
    """Packets of the last two key pictures that lie well before a frame; None where there are none."""
    starts_s = pictures[0].time_s + Fraction(frame, FPS)
    before = [picture for picture in pictures if picture.time_s < starts_s - 1]
    if len(before) <= _LEAD_PICTURES:
        return None
    last = min(before[-_LEAD_PICTURES].packet, len(before))
    keys = [
        picture
        for picture in before
        if picture.is_key and picture.packet <= last and picture.time_s <= starts_s - _LEAD_S
    ]
    if len(keys) < 3 or starts_s - keys[-2].time_s > _LONGEST_LEAD_S:
        return None
    return keys[-2].packet, keys[-1].packet


def _plain_pictures(source: InputContainer, video: VideoStream) -> list[_Picture] | None:
    """The pictures in the order of their packets; None where their times or packets leave any doubt."""
    pictures: list[_Picture] = []
    latest_s: Fraction | None = None
    try:
        for number, packet in enumerate(source.demux(video)):
            if packet.size == 0 and packet.dts is None:
                continue  # the empty packet that ends a stream
            if packet.pts is None or packet.time_base is None or _changes_decoder(packet, number):
                return None
            time_s = packet.pts * packet.time_base
            if latest_s is not None and time_s < latest_s - RESET_S:
                return None
            latest_s = time_s if latest_s is None else max(latest_s, time_s)
            pictures.append(_Picture(number, time_s, packet.is_keyframe))
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return pictures or None


def _changes_decoder(packet: "Packet[VideoStream]", number: int) -> bool:
    """Return True if a packet after the first brings the decoder new settings, which a segment would miss."""
    return packet.is_corrupt or (number > 0 and packet.has_sidedata("new_extradata"))
