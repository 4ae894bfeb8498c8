"""Videos of a study: reading their list, and re-encoding them for the page without traces of their system."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from heterodub.model.features.arrays import Rgb
from heterodub.schemas.addresses import trouble_with
from heterodub.schemas.config.sections import LimitSettings
from heterodub.schemas.contract import FPS
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import MediaRefusedError, SourceError
from heterodub.schemas.reasons import FileReason
from heterodub.tasks.media.audio_writer import sound_frames
from heterodub.tasks.media.containers import has_decoder, open_input, set_up, words
from heterodub.tasks.media.deinterlacing import Deinterlacer
from heterodub.tasks.media.frame_converter import FrameConverter
from heterodub.tasks.media.geometry import PixelAspect
from heterodub.tasks.media.sniff import sniff
from heterodub.tasks.media.streams import picture_streams, ranked_pictures, sound_streams

_COLUMNS: Final = ("clip", "system", "video", "source")

_LONGEST_PX: Final = 480
"""Longer side of videos in the page: enough for grading, and many fit."""

_STILL_PX: Final = 320
_X264: Final = {"preset": "veryfast", "crf": "20", "x264-params": "log-level=none"}
_SOUND_HZ: Final = 48_000
_CHECK_FROM_S: Final = 0.8
"""An attention check looks like any video until this time, so raters must watch to notice it."""


@dataclass(frozen=True, slots=True)
class StudyVideo:
    """A video to grade. clip: the systems' common input. source: the input video, of which raters see a frame."""

    clip: str
    system: str
    video: Path
    source: Path


def read_videos(listing: Path) -> list[StudyVideo]:
    """Read a CSV of videos: columns clip, system, video, source; relative paths are relative to it.

    Raises: SourceError - it cannot be read, a column or value is missing, a system has not one video of every clip, or
    a clip has several sources.
    """
    try:
        with listing.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"list of videos {listing}: {message_of(error)}") from error
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise SourceError(f"list of videos {listing}: it lacks {', '.join(missing)}; it needs {', '.join(_COLUMNS)}")
    videos = [_video(listing, number, row) for number, row in enumerate(rows, start=1)]
    _require_balance(listing, videos)
    return videos


def _video(listing: Path, number: int, row: Mapping[str, str | None]) -> StudyVideo:
    values = {name: (row[name] or "").strip() for name in _COLUMNS}
    if empty := [name for name, value in values.items() if not value]:
        raise SourceError(f"list of videos {listing}: row {number} has no {', '.join(empty)}")
    if trouble := next(filter(None, map(trouble_with, values.values())), None):
        raise SourceError(f"list of videos {listing}: row {number}: {trouble}")
    base = listing.absolute().parent
    return StudyVideo(values["clip"], values["system"], base / values["video"], base / values["source"])


def _require_balance(listing: Path, videos: Sequence[StudyVideo]) -> None:
    clips, systems = ({getattr(video, name) for video in videos} for name in ("clip", "system"))
    if len(systems) < 2:
        raise SourceError(f"list of videos {listing}: a comparison needs two systems, got {len(systems)}")
    for clip in clips:
        clip_videos = [video for video in videos if video.clip == clip]
        if sorted(video.system for video in clip_videos) != sorted(systems):
            raise SourceError(
                f"list of videos {listing}: clip {clip} needs one video of each of {len(systems)} systems"
            )
        if len({video.source for video in clip_videos}) > 1:
            raise SourceError(f"list of videos {listing}: clip {clip} has several sources")


def plain_copy(path: Path, asks: str | None = None) -> bytes:
    """Re-encode a video as MP4 (H.264, AAC) like all others, so that size, encoder and metadata reveal nothing.

    asks: words that are laid over it after a while, of an attention check. To be called in a child process
    (tasks/ingestion/child_process.py), as `still`: it decodes what strangers sent.

    Raises: MediaRefusedError - it cannot be read or has no picture.
    """
    target = io.BytesIO()
    with _decoding(), av.open(target, "w", "mp4", options=_PLAIN) as out:
        _copy(path, out, asks)
    return target.getvalue()


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME, words(error)) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video, ready to be decoded, and its picture stream."""
    limit, container = LimitSettings().max_pixels, sniff(path)
    with open_input(path, container, limit) as source:
        stream = next(
            (candidate for candidate, _ in ranked_pictures(picture_streams(source), path, container, limit)), None
        )
        if stream is None or not has_decoder(stream):
            raise MediaRefusedError(FileReason.NO_VIDEO_STREAM)
        set_up(stream, limit)
        yield source, stream


_PLAIN: Final = {"fflags": "+bitexact"}


def _copy(path: Path, out: Any, asks: str | None) -> None:
    """Copy pictures, then sound: the muxer interleaves them, and must know the pictures' size before it starts."""
    with _opened(path) as (source, pictures):
        rate = Fraction(pictures.average_rate or FPS).limit_denominator(1000)
        video: Any = out.add_stream("libx264", rate=rate, options=_X264)
        video.pix_fmt, video.codec_context.flags = "yuv420p", video.codec_context.flags | _BITEXACT
        voice: Any = out.add_stream("aac", rate=_SOUND_HZ, layout="mono") if source.streams.audio else None
        if voice is not None:
            voice.codec_context.flags |= _BITEXACT
        for frame, picture in _shown(source, pictures):
            _put(frame, picture, video, out, asks)
        out.mux(video.encode(None))
    if voice is not None:
        resampler = av.AudioResampler("fltp", "mono", _SOUND_HZ)
        with _opened(path) as (source, _):
            sound = next(iter(sound_streams(source)), None)
            frames = sound_frames(source, sound) if sound is not None and has_decoder(sound) else iter(())
            for piece in chain.from_iterable(map(resampler.resample, chain[Any](frames, (None,)))):
                out.mux(voice.encode(piece))
        out.mux(voice.encode(None))


_BITEXACT: Final = int(av.codec.context.Flags.bitexact)


def _shown(source: InputContainer, stream: VideoStream) -> Iterator[tuple[VideoFrame, Rgb]]:
    """Frames, and what a screen shows of them, by the code of an ingest: square pixels, upright, BT.709, no combs."""
    aspect, convert = PixelAspect(stream), FrameConverter()
    for frame in Deinterlacer().over(source.decode(stream)):
        yield frame, convert(frame, aspect.geometry(frame))


def _put(frame: VideoFrame, rgb: Rgb, video: Any, out: Any, asks: str | None) -> None:
    picture = _fitted(rgb, _LONGEST_PX)
    if asks is not None and (frame.time or 0.0) >= _CHECK_FROM_S:
        picture = _asking(picture, asks)
    if not video.codec_context.is_open:
        video.height, video.width = picture.shape[:2]
    plain = av.VideoFrame.from_ndarray(picture, "rgb24")
    plain.pts, plain.time_base = frame.pts, frame.time_base
    out.mux(video.encode(plain))


def _fitted(picture: Rgb, longest_px: int) -> Rgb:
    """Shrink a picture to a longer side of at most `longest_px`, with even sides, as 4:2:0 needs."""
    height, width = picture.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _asking(picture: Rgb, asks: str) -> Rgb:
    """Draw words over the middle of a picture, line by line."""
    canvas = (picture // 4).copy()
    height, width = canvas.shape[:2]
    lines = asks.splitlines()
    widest = max(cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0] for line in lines)
    scale = 0.9 * width / widest
    for number, line in enumerate(lines):
        (wide, high), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
        at = ((width - wide) // 2, round(height / 2 + (number - (len(lines) - 1) / 2) * 2.2 * high + high / 2))
        cv2.putText(canvas, line, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2, cv2.LINE_AA)
    return canvas


def still(path: Path) -> bytes:
    """Return the middle frame of a video, as JPEG.

    Raises: MediaRefusedError - it cannot be read or has no picture.
    """
    with _decoding(), _opened(path) as (source, stream):
        frames = [_fitted(rgb, _STILL_PX) for _, rgb in _shown(source, stream)]
    if not frames:
        raise MediaRefusedError(FileReason.NO_DECODABLE_FRAME)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frames[len(frames) // 2], cv2.COLOR_RGB2BGR))
    return bytes(data)
