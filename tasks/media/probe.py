"""Read the facts that a container states, and decode one picture to verify that there is one."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.errors import MediaRefusedError
from heterodub.schemas.reasons import FileReason
from heterodub.schemas.records import MediaFacts, StreamFacts

from .containers import claimed_size, has_decoder, open_input, set_up
from .geometry import Geometry, PixelAspect
from .sniff import Container
from .streams import MIN_SIDE_PX, SOUND, picture_streams, ranked_pictures, sound_streams, stream_facts
from .synthetic_marks import synthetic_mark
from .timeline import length_s
from .video_frames import decoded


def probe(path: Path, container: Container, limits: LimitSettings, picture: int | None = None) -> MediaFacts:
    """Facts of a file whose container `sniff` named. Sizes are checked before anything is decoded.

    Of several video streams the best is taken, see streams.ranked_pictures, or the one of number `picture`.

    Raises: MediaRefusedError - NO_VIDEO_STREAM, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL, NO_DECODABLE_FRAME, TOO_LONG
    (the header claims more than limits.max_duration_s), VANISHED, UNREADABLE.
    """
    with open_input(path, container, limits.max_pixels) as source:
        ranked = ranked_pictures(picture_streams(source), path, container, limits.max_pixels)
        ranked.sort(key=lambda entry: entry[0].index != picture)
        if not ranked:
            raise MediaRefusedError(FileReason.NO_VIDEO_STREAM)
        video = ranked[0][0]
        _check_size(video, path, container, limits)
        duration_s = length_s(source, video, container)
        _check_duration(duration_s, limits)
        frame = _first_frame(source, video, limits)
        geometry = PixelAspect(video).geometry(frame)
        _check_pixels(*geometry.displayed, limits)  # long pixels are made square: up to four times as many
        sound = next(iter(sound_streams(source)), None)
        facts = _facts(container, video, geometry, duration_s, sound, stream_facts(source, ranked, sound))
        return replace(facts, synthetic=synthetic_mark(path, source))


def _check_size(video: VideoStream, path: Path, container: Container, limits: LimitSettings) -> None:
    if not has_decoder(video):
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "no decoder for its pictures")
    width, height = video.codec_context.width, video.codec_context.height
    if width <= 0 or height <= 0:
        width, height = claimed_size(path, container, video.index)
    if width <= 0 or height <= 0:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "the picture has no size")
    _check_pixels(width, height, limits)
    if min(width, height) < MIN_SIDE_PX:
        raise MediaRefusedError(FileReason.PICTURE_TOO_SMALL, f"{width} x {height}; shortest side {MIN_SIDE_PX}")


def _check_pixels(width: int, height: int, limits: LimitSettings) -> None:
    if width * height > limits.max_pixels:
        raise MediaRefusedError(FileReason.PICTURE_TOO_LARGE, f"{width} x {height}; limit {limits.max_pixels} pixels")


def _check_duration(duration_s: float | None, limits: LimitSettings) -> None:
    if duration_s is not None and duration_s > limits.max_duration_s:
        detail = f"claims {duration_s:.0f} s; limit {limits.max_duration_s:.0f} s"
        raise MediaRefusedError(FileReason.TOO_LONG, detail)


def _first_frame(source: InputContainer, video: VideoStream, limits: LimitSettings) -> VideoFrame:
    set_up(video, limits.max_pixels)
    damage: list[str] = []
    for frame in decoded(source, video, damage):
        return frame
    raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "; ".join(damage) or "it ends before the first picture")


def _facts(
    container: Container,
    video: VideoStream,
    geometry: Geometry,
    duration_s: float | None,
    sound: AudioStream | None,
    streams: tuple[StreamFacts, ...],
) -> MediaFacts:
    width, height = geometry.displayed
    decodable = sound if sound is not None and has_decoder(sound) else None
    return MediaFacts(
        container=container.value,
        video_codec=video.codec_context.name,
        width=width,
        height=height,
        rotation_deg=geometry.turned.rotation_deg,
        nominal_fps=_rate(video),
        duration_s=duration_s,
        sound_codec=None if sound is None else decodable.codec_context.name if decodable else "unknown",
        sound_rate_hz=(decodable.codec_context.sample_rate or None) if decodable else None,
        sound_channels=(decodable.codec_context.channels or None) if decodable else None,
        sound_streams=sum(stream.kind == SOUND for stream in streams),
        picture_stream=video.index,
        sound_stream=decodable.index if decodable else None,
        streams=streams,
    )


def _rate(video: VideoStream) -> float | None:
    rates: tuple[Fraction | None, ...] = (video.average_rate, video.guessed_rate)
    return next((float(rate) for rate in rates if rate and rate > 0), None)
