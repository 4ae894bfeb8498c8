"""Reads what a container says of itself, and decodes one picture to see that there is one."""

from fractions import Fraction
from pathlib import Path
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from schemas.errors import MediaRefusedError
from schemas.reasons import FileReason
from schemas.records import MediaFacts
from schemas.settings import GuardSettings

from .geometry import PixelAspect
from .opening import claimed_size, has_decoder, open_input, picture_stream, set_up, sound_stream
from .pictures import decoded
from .sniff import Container

MIN_SIDE_PX: Final = 16
"""No face can be measured in a picture with a shorter side."""

MICROSECONDS: Final = 1_000_000
"""Unit of a container's duration."""


def probe(path: Path, container: Container, guards: GuardSettings) -> MediaFacts:
    """Facts of a file whose container `sniff` named. Sizes are checked before anything is decoded.

    Raises: MediaRefusedError - NO_VIDEO_STREAM, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL, NO_DECODABLE_FRAME, TOO_LONG
    (the header claims more than guards.max_duration_s), VANISHED, UNREADABLE.
    """
    with open_input(path, container, guards.max_pixels) as source:
        video = picture_stream(source)
        if video is None:
            raise MediaRefusedError(FileReason.NO_VIDEO_STREAM)
        _check_size(video, path, container, guards)
        duration_s = _duration_s(source, video, container)
        _check_duration(duration_s, guards)
        return _facts(container, video, _first_frame(source, video, guards), duration_s, source)


def _check_size(video: VideoStream, path: Path, container: Container, guards: GuardSettings) -> None:
    if not has_decoder(video):
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "no decoder for its pictures")
    width, height = video.codec_context.width, video.codec_context.height
    if width <= 0 or height <= 0:
        width, height = claimed_size(path, container)
    if width <= 0 or height <= 0:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "the picture has no size")
    if width * height > guards.max_pixels:
        raise MediaRefusedError(FileReason.PICTURE_TOO_LARGE, f"{width} x {height}; limit {guards.max_pixels} pixels")
    if min(width, height) < MIN_SIDE_PX:
        raise MediaRefusedError(FileReason.PICTURE_TOO_SMALL, f"{width} x {height}; shortest side {MIN_SIDE_PX}")


def _duration_s(source: InputContainer, video: VideoStream, container: Container) -> float | None:
    """Length in seconds as claimed, or None when nothing sensible is claimed."""
    if container is Container.MPEG and source.duration is not None:
        # Not a claim but ffmpeg's guess from the clock at both ends, which wraps after 26.5 hours.
        return source.duration / MICROSECONDS if 0 < source.duration < 26 * 3600 * MICROSECONDS else None
    if source.duration and source.duration > 0:
        return source.duration / MICROSECONDS
    if video.duration and video.duration > 0 and video.time_base:
        return float(video.duration * video.time_base)
    return None


def _check_duration(duration_s: float | None, guards: GuardSettings) -> None:
    if duration_s is not None and duration_s > guards.max_duration_s:
        detail = f"claims {duration_s:.0f} s; limit {guards.max_duration_s:.0f} s"
        raise MediaRefusedError(FileReason.TOO_LONG, detail)


def _first_frame(source: InputContainer, video: VideoStream, guards: GuardSettings) -> VideoFrame:
    set_up(video, guards.max_pixels)
    damage: list[str] = []
    for frame in decoded(source, video, damage):
        return frame
    raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, "; ".join(damage) or "it ends before the first picture")


def _facts(
    container: Container, video: VideoStream, frame: VideoFrame, duration_s: float | None, source: InputContainer
) -> MediaFacts:
    geometry = PixelAspect(video).geometry(frame)
    width, height = geometry.displayed
    sound = sound_stream(source)
    known = sound if sound is not None and has_decoder(sound) else None
    return MediaFacts(
        container=container.value,
        video_codec=video.codec_context.name,
        width=width,
        height=height,
        rotation_deg=geometry.turned.rotation_deg,
        nominal_fps=_rate(video),
        duration_s=duration_s,
        sound_codec=_sound_codec(sound),
        sound_rate_hz=(known.codec_context.sample_rate or None) if known else None,
        sound_channels=(known.codec_context.channels or None) if known else None,
        sound_streams=len(source.streams.audio),
    )


def _rate(video: VideoStream) -> float | None:
    rates: tuple[Fraction | None, ...] = (video.average_rate, video.guessed_rate)
    return next((float(rate) for rate in rates if rate and rate > 0), None)


def _sound_codec(sound: AudioStream | None) -> str | None:
    if sound is None:
        return None
    return sound.codec_context.name if has_decoder(sound) else "unknown"
