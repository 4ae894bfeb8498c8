"""A dubbing that keeps the source's own packets wherever nothing is painted.

H.264 comes in groups of pictures that begin with an IDR picture and depend on no other. A group in which nothing shows
is copied, packet by packet. The others are encoded anew, with parameter sets under a number that the source does not
use; both stand side by side in the header (ISO/IEC 14496-15), so that no packet of the source has to be changed, and
each IDR picture names the one it wants.

Pictures encoded anew have no B-frames: so their packets fit the source's decoding times, which are in order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heterodub.schemas.config.dubbing import DubSettings
from heterodub.schemas.errors import DubbingError, MediaRefusedError
from heterodub.tasks.dubbing.picture_encoder import GLOBAL_HEADER
from heterodub.tasks.media.canvas import PictureFormat
from heterodub.tasks.media.containers import open_input
from heterodub.tasks.media.parameter_sets import ParameterSets, nal_units, of_annex_b
from heterodub.tasks.media.sniff import Container
from heterodub.tasks.media.source_video import SourceVideo
from heterodub.tasks.media.streams import picture_of

_CONTAINERS: Final = (Container.MP4, Container.MATROSKA)
_IDR, _SPS, _PPS = 5, 7, 8
_PROFILES: Final = {66: "baseline", 77: "main", 100: "high", 110: "high10"}


@dataclass(frozen=True, slots=True, eq=False)
class SourcePackets:
    """The packets of a film's picture, by their place in the file. pts_N, dts_N: times at which they are shown and
    decoded, in ticks of `base`. groups: number of the first packet of each group that depends on no other.
    """

    base: Fraction
    pts_N: NDArray[np.int64]
    dts_N: NDArray[np.int64]
    groups: tuple[int, ...]
    parameters: ParameterSets

    def kept(self, is_shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return flags of the packets that may be kept, (N,): those of groups without a picture in `is_shown`."""
        kept = np.zeros(len(self.pts_N), bool)
        for first, stop in zip(self.groups, [*self.groups[1:], len(kept)], strict=True):
            kept[first:stop] = not is_shown[first:stop].any()
        return kept


class NotKeepableError(DubbingError):
    """A film's packets cannot be kept; the text says why."""


def read_packets(film: SourceVideo) -> SourcePackets:
    """Read the packets of a film's picture.

    Raises: NotKeepableError - they cannot be kept. MediaRefusedError - as open_input.
    """
    if film.container not in _CONTAINERS or film.is_joined:
        raise NotKeepableError("packets are kept from MP4, QuickTime and Matroska alone")
    with open_input(film.path, film.container, film.limits.max_pixels) as source:
        stream = picture_of(source, film.facts)
        codec = stream.codec_context
        if codec.codec.canonical_name != "h264":
            raise NotKeepableError(f"packets are kept of H.264 alone, this is {codec.codec.canonical_name}")
        if stream.time_base != film.base():
            raise NotKeepableError(f"its clock of {stream.time_base} s a tick cannot be written")
        return _read(source, stream, ParameterSets.of(codec.extradata or b""))


def _read(source: InputContainer, stream: VideoStream, parameters: ParameterSets) -> SourcePackets:
    if parameters.size != 4:
        raise NotKeepableError("its pictures are not stored with lengths of four bytes")
    if parameters.profile not in _PROFILES:
        raise NotKeepableError(f"H.264 profile {parameters.profile} is not written here")
    pts: list[int] = []
    dts: list[int | None] = []
    groups: list[int] = []
    for number, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
        if packet.pts is None or packet.is_corrupt or packet.is_discard:
            raise NotKeepableError(f"picture {number + 1} has no time of its own or is cut off by an edit list")
        if packet.has_sidedata("new_extradata") and number:
            raise NotKeepableError("its encoding changes midway")
        units = list(nal_units(bytes(packet))) if packet.is_keyframe or not number else []
        kinds = {unit[0] & 31 for unit in units if unit}
        parameters.add(unit for unit in units if unit and unit[0] & 31 in (_SPS, _PPS))
        if packet.is_keyframe and _IDR in kinds:
            groups.append(number)
        pts.append(packet.pts)
        dts.append(packet.dts)
    if not parameters.has_free_number:
        raise NotKeepableError("its parameter sets take all numbers")
    pts_N = np.array(pts, np.int64)
    dts_N = _decoding_times(pts_N) if None in dts else np.array(dts, np.int64)
    packets = SourcePackets(stream.time_base or Fraction(1), pts_N, dts_N, tuple(groups), parameters)
    _require_closed(packets)
    return packets


def _decoding_times(pts_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times at which packets may be decoded in the order of the file, which Matroska does not state."""
    in_order = np.sort(pts_N)
    return np.asarray(in_order - (in_order - pts_N).max(initial=0), np.int64)


def _require_closed(packets: SourcePackets) -> None:
    """Refuse packets that are not in groups of their own times.

    Raises: NotKeepableError.
    """
    if not packets.groups or packets.groups[0] != 0:
        raise NotKeepableError("it does not begin with a picture that depends on no other (IDR)")
    if len(packets.groups) == 1:
        raise NotKeepableError(
            "only its first picture depends on no other (IDR): it is one group of pictures (open GOP)"
        )
    if (np.diff(packets.dts_N) <= 0).any() or len(set(packets.pts_N.tolist())) < len(packets.pts_N):
        raise NotKeepableError("its times are not in order")
    for first in packets.groups[1:]:
        if packets.pts_N[:first].max() >= packets.pts_N[first:].min():
            raise NotKeepableError("groups of pictures overlap in time")


class KeptPicture:
    """Writes the picture of an output: the source's packets where nothing shows, new ones elsewhere.

    kept: number of the former.
    """

    def __init__(
        self,
        source: InputContainer,
        stream: VideoStream,
        packets: SourcePackets,
        is_shown: NDArray[np.bool_],
        look: PictureFormat,
        settings: DubSettings,
    ) -> None:
        self._packets, self._keep = packets, packets.kept(is_shown)
        self._look, self._settings = look, settings
        self._coming = (packet for packet in source.demux(stream) if packet.size)
        self._template, self._groups = stream, set(packets.groups)
        self._origin = int(packets.pts_N.min())
        self._frame, self._written = 0, 0
        self._number = packets.parameters.free_number()
        self._encoder: VideoCodecContext | None = None
        self._stream: VideoStream | None = None
        self._own = of_annex_b(self._new_encoder().extradata or b"")
        self.kept = int(self._keep.sum())

    def add_to(self, out: OutputContainer) -> None:
        """Add the picture's stream to an output that is not begun."""
        stream = out.add_stream_from_template(self._template)
        stream.codec_context.extradata = self._packets.parameters.joined(self._own)
        self._stream = stream

    def encode(self, frame: VideoFrame | None) -> "list[Packet[Any]]":
        """Take the next frame; return the packets that are ready. None: the end."""
        at = self._frame
        if frame is None:
            return self._finished()
        source, self._frame = next(self._coming), at + 1
        if self._keep[at]:
            before = self._finished()
            source.pts = int(source.pts or 0) - self._origin
            source.dts = int(self._packets.dts_N[at]) - self._origin
            return [*before, self._placed(source)]
        if self._encoder is None:
            self._encoder = self._new_encoder()
            self._written = at
        frame.pict_type = PictureType.I if at in self._groups else PictureType.NONE
        return [self._of_own(packet) for packet in self._encoder.encode(frame)]

    def _finished(self) -> "list[Packet[Any]]":
        """Return what is still inside the encoder."""
        if self._encoder is None:
            return []
        encoder, self._encoder = self._encoder, None
        return [self._of_own(packet) for packet in encoder.encode(None)]

    def _of_own(self, packet: "Packet[Any]") -> "Packet[Any]":
        """Put an encoded packet into the source's form, at the source's decoding time."""
        units = [unit for unit in of_annex_b(bytes(packet)) if unit[0] & 31 not in (_SPS, _PPS)]
        own: Packet[Any] = Packet(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units))
        own.pts, own.time_base, own.is_keyframe = packet.pts, self._packets.base, packet.is_keyframe
        own.dts = int(self._packets.dts_N[self._written]) - self._origin
        self._written += 1
        return self._placed(own)

    def _placed(self, packet: "Packet[Any]") -> "Packet[Any]":
        if self._stream is None:
            raise ValueError("add_to comes first")
        packet.stream = self._stream
        return packet

    def _new_encoder(self) -> VideoCodecContext:
        """Open an encoder of the source's kind. Its parameter sets are always the same."""
        look, settings = self._look, self._settings
        encoder = VideoCodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = look.width, look.height, look.pix_fmt
        encoder.time_base = self._packets.base
        encoder.framerate = look.rate or Fraction(25)
        encoder.color_range, encoder.colorspace = look.range, look.matrix
        encoder.color_primaries, encoder.color_trc = look.primaries, look.transfer
        if look.geometry.aspect != 1:
            encoder.sample_aspect_ratio = look.geometry.aspect
        encoder.options = {
            "preset": settings.preset,
            "crf": f"{settings.crf:g}",
            "profile": _PROFILES[self._packets.parameters.profile],
            "forced-idr": "1",
            "x264-params": f"sps-id={self._number}:bframes=0:keyint=infinite:scenecut=0",
        }
        encoder.flags |= GLOBAL_HEADER
        encoder.open()
        return encoder


@contextmanager
def kept_picture(
    film: SourceVideo,
    ticks_N: NDArray[np.int64],
    is_shown: NDArray[np.bool_],
    look: PictureFormat,
    settings: DubSettings,
) -> Iterator[KeptPicture]:
    """Open a film for an output that keeps its packets. ticks_N: times of the output's frames. is_shown: flags of those
    in which something shows.

    Raises: NotKeepableError - they cannot be kept. MediaRefusedError - as open_input.
    """
    packets = read_packets(film)
    times = np.sort(packets.pts_N)
    if not np.array_equal(times - times[0], ticks_N):
        raise NotKeepableError("not every picture is shown at its own time")
    if film.seen.has_many_sizes:
        raise NotKeepableError("its pictures change their size")
    if film.seen.deinterlaced:
        raise NotKeepableError("it is interlaced, and dubbed pictures are not")
    with open_input(film.path, film.container, film.limits.max_pixels) as source:
        stream = picture_of(source, film.facts)
        if stream.codec_context.pix_fmt != look.pix_fmt:
            raise NotKeepableError(f"its samples ({stream.codec_context.pix_fmt}) are converted to {look.pix_fmt}")
        yield KeptPicture(source, stream, packets, is_shown, look, settings)


def why_not_kept(film: SourceVideo) -> str | None:
    """Return why a film's packets cannot be kept, as far as is known before its pictures are decoded."""
    try:
        read_packets(film)
    except (NotKeepableError, MediaRefusedError) as error:
        return str(error)
    return None
