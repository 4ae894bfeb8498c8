"""Streams of the source that a dubbing carries over as they are: other sounds, subtitles, covers, attachments, data.

Packets keep their times on the film's clock, whose zero is the first picture. Text subtitles are put into the form that
the output's container has; what a container cannot hold is left out and named.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from heterodub.model.files import is_disk_full
from heterodub.tasks.media.containers import open_input, words
from heterodub.tasks.media.source_video import SourceVideo

_TEXT: Final = ("subrip", "ass", "ssa", "webvtt", "text", "mov_text")
"""Codecs of subtitles that are text."""

_TEXT_IN: Final = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip"}

_STYLES: Final = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")

_AHEAD_S: Final = 1
"""Seconds by which carried packets are written ahead of the picture: less than a player's buffer."""

_NOT_CARRIED: Final = frozenset(
    {"comment", "encoder", "major_brand", "minor_version", "compatible_brands", "duration", "handler_name"}
)
"""Tags that describe the file, not the film, and those of Matroska that begin with `_STATISTICS`."""

_STATISTICS: Final = ("_statistics", "bps", "number_of_", "duration", "encoder")

_OF_A_KIND: Final = {"audio": "sound", "video": "picture", "subtitle": "subtitles"}


@dataclass(slots=True, eq=False)
class CarriedStreams:
    """The other streams of a film that is open. lost: what the output cannot hold, in words. carried: how many it
    holds.
    """

    film: SourceVideo
    source: InputContainer
    end_s: Fraction
    lost: list[str] = field(default_factory=list)
    carried: int = 0
    _streams: dict[int, Stream] = field(default_factory=dict)
    _texts: dict[int, str] = field(default_factory=dict)
    _packets: "Iterator[tuple[Fraction, int, Packet[Any]]] | None" = None
    _next: "tuple[Fraction, int, Packet[Any]] | None" = None
    _is_sized: bool = False
    _broken: set[int] = field(default_factory=set)

    def add_to(self, out: OutputContainer, form: str) -> None:
        """Add streams, tags and chapters to an output that is not begun. form: ffmpeg's name of its container."""
        if self.film.is_joined:
            return
        out.metadata.update({name: text for name, text in self.source.metadata.items() if _is_kept(name)})
        if chapters := list(self._chapters()):
            out.set_chapters(chapters)
        facts = self.film.facts
        for stream in self.source.streams:
            if stream.index in (facts.picture_stream, facts.sound_stream) or (chapters and _is_of_chapters(stream)):
                continue
            if not self._add(out, form, stream):
                self.lost.append(f"{_named(stream)}: .{form.replace('matroska', 'mkv')} cannot hold it")
        self._is_sized = _TEXT_IN[form] == "mov_text"
        self._packets = self._read()
        self._next = next(self._packets, None)

    def write(self, out: OutputContainer, time_s: Fraction) -> None:
        """Write the packets not written so far, up to a little after a time of the output. A stream whose packets the
        container refuses ends there: what is beside a dubbing must not cost it.

        Raises: av.error.FFmpegError - the disk is full.
        """
        while self._packets is not None and self._next is not None and self._next[0] <= time_s + _AHEAD_S:
            number, packet = self._next[1:]
            if number not in self._broken:
                try:
                    out.mux(packet)
                except av.error.FFmpegError as error:
                    if is_disk_full(error.errno):
                        raise
                    self._broken.add(number)
                    ended = f"{_named(self.source.streams[number])}: it ends at {float(self._next[0]):.1f} s"
                    self.lost.append(f"{ended}, since its packets cannot be written ({words(error)})")
            self._next = next(self._packets, None)

    def _add(self, out: OutputContainer, form: str, stream: Stream) -> bool:
        codec = _codec(stream)
        if isinstance(stream, AttachmentStream):
            if form != "matroska":
                return False
            out.add_attachment(stream.name or "", stream.mimetype or "", stream.data)
            self.carried += 1
            return True
        if stream.type == "subtitle" and codec in _TEXT and codec not in out.supported_codecs:
            copy: Stream = out.add_mux_stream(_TEXT_IN[form])
            self._texts[stream.index] = codec
        elif codec is not None and _can_hold(form, stream):
            copy = out.add_stream_from_template(stream)
        else:
            return False
        copy.metadata.update({name: text for name, text in stream.metadata.items() if _is_kept(name)})
        flags = stream.disposition
        if stream.type in ("audio", "video"):
            flags &= ~Disposition.default  # which the dubbed ones are
        copy.disposition = flags
        self._streams[stream.index] = copy
        self.carried += 1
        return True

    def _read(self) -> "Iterator[tuple[Fraction, int, Packet[Any]]]":
        """Yield packets with their times in the output, and the numbers of their streams."""
        wanted = [self.source.streams[number] for number in self._streams]
        origin_s = self.film.origin_s
        with suppress(av.error.FFmpegError, OSError, ValueError):  # damage, which the picture's pass reports
            for packet in packets_of(self.source, wanted) if wanted else ():
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is None or not packet.size:
                    continue
                stream, base = packet.stream, packet.time_base
                shift = 0 if stream.disposition & Disposition.attached_pic else round(origin_s / base)
                begins_s = (stamp - shift) * base
                if begins_s + (packet.duration or 0) * base < 0 or begins_s >= self.end_s:
                    continue
                codec = self._texts.get(stream.index)
                moved = packet if codec is None else _converted(packet, codec, self._is_sized)
                if moved is None:
                    continue
                moved.pts = None if packet.pts is None else packet.pts - shift
                moved.dts = stamp - shift
                moved.stream = self._streams[stream.index]
                yield begins_s, stream.index, moved

    def _chapters(self) -> Iterator[Any]:
        for number, chapter in enumerate(self.source.chapters()):
            base = chapter["time_base"] or Fraction(1, 1000)
            shift = round(self.film.origin_s / base)
            end = min(chapter["end"] - shift, int(self.end_s / base))
            start = max(chapter["start"] - shift, 0)
            if start < end:
                yield chapter | {"id": number, "start": start, "end": end}


def packets_of(source: InputContainer, streams: Sequence[Stream]) -> "Iterator[Packet[Any]]":
    """Yield the packets of some streams as they lie in the file."""
    yield from source.demux(list(streams))


def _converted(packet: "Packet[Any]", codec: str, is_sized: bool) -> "Packet[Any] | None":
    """Put a subtitle's text into another form, without its styles; None where it is empty. is_sized: the text's length
    stands before it, as in MP4.
    """
    raw = bytes(packet)
    if codec == "mov_text":
        raw = raw[2 : 2 + int.from_bytes(raw[:2], "big")]
    text = raw.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n")
    written = _STYLES.sub("", text).strip().encode()
    if not written:
        return None
    converted: Packet[Any] = Packet(len(written).to_bytes(2, "big") + written if is_sized else written)
    converted.time_base, converted.duration = packet.time_base, packet.duration
    return converted


def _can_hold(form: str, stream: Stream) -> bool:
    """Return True if a container takes a stream: a header with it alone is written into memory."""
    try:
        with av.open(io.BytesIO(), "w", form) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


def _is_kept(name: str) -> bool:
    lowered = name.lower()
    return lowered not in _NOT_CARRIED and not lowered.startswith(_STATISTICS)


def _is_of_chapters(stream: Stream) -> bool:
    """Return True for the track in which MP4 holds the titles of its chapters."""
    return stream.type == "data" and stream.codec_tag == "text"


def _named(stream: Stream) -> str:
    kind = ", ".join(filter(None, (_OF_A_KIND.get(stream.type, stream.type), _codec(stream))))
    return f"stream {stream.index} ({kind})"


def _codec(stream: Stream) -> str | None:
    """Name of a stream's codec, None where this build of ffmpeg has none for it. Not the decoder's: "srt" is subrip."""
    return None if stream.codec_context is None else stream.codec_context.codec.canonical_name


@contextmanager
def other_streams(film: SourceVideo, end_s: Fraction) -> Iterator[CarriedStreams]:
    """Open the other streams of a film, for an output that is so long and has its times.

    Raises: MediaRefusedError - as open_input.
    """
    with open_input(film.path, film.container, film.limits.max_pixels) as source:
        carried = CarriedStreams(film, source, end_s)
        if film.is_joined:
            carried.lost.append("other streams, tags and chapters: the file's clock starts again in it")
        yield carried
