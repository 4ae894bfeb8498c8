"""A short film of moving landmarks, predicted beside true, with the clip's sound: H.264 and AAC in MP4.

Shape suffix legend: T = frames, P = 216 points, XY = 2 coordinates in source pixels.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from model.features.landmarks import SLICES, box
from model.features.timing import SAMPLES_PER_FRAME, frame_to_second
from schemas.contract import FPS, SAMPLE_RATE_HZ

from .charts import require_pair
from .colours import GIVEN, GIVEN_RGB, INK_RGB, MOVED, PREDICTED_RGB, TRUE_RGB
from .sound import Heard

Floats = NDArray[np.floating[Any]]
Rgb = NDArray[np.uint8]

_PANEL_PX: Final = 360
_HEAD_PX, _FOOT_PX = 36, 28
_ROOM: Final = 0.06
"""Around the face, as a share of the panel."""

_FINE: Final = 4
"""Bits of a pixel that lines are placed to."""

_SMALL: Final = 0.42
_X264: Final = {"preset": "veryfast", "crf": "22"}


def landmark_film(path: Path, predicted_TPXY: Floats, true_TPXY: Floats, heard: Heard, title: str = "") -> None:
    """Write the film; a file of that name is replaced once the new one is whole. `title` in plain ASCII.

    Where the sound was rebuilt from the mel, the film says so, and why.

    Raises: ValueError - the two are not of one shape (T, 216, 2), a value is not finite, or the sound is not as long.
    av.error.FFmpegError - the libraries refuse to write. OSError - there is no room.
    """
    require_pair(predicted_TPXY, true_TPXY)
    if heard.samples.shape != (len(true_TPXY) * SAMPLES_PER_FRAME,):
        raise ValueError(f"{len(true_TPXY)} frames of film and {heard.samples.shape} samples do not go together")
    partial = path.with_name(path.name + ".partial")
    try:
        _write(partial, film_frames(predicted_TPXY, true_TPXY, heard.rebuilt_since, title), heard.samples)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def film_frames(predicted_TPXY: Floats, true_TPXY: Floats, rebuilt_since: str | None, title: str) -> Iterator[Rgb]:
    """The film's pictures (424, 720, 3): one window for the whole clip, so that what moves is seen to move."""
    left, top, right, bottom = box(np.concatenate([predicted_TPXY, true_TPXY]).reshape(-1, 2))
    scale = _PANEL_PX * (1 - 2 * _ROOM) / max(right - left, bottom - top, 1.0)
    middle = np.array([left + right, top + bottom]) / 2
    note = "sound: raw file" if rebuilt_since is None else f"sound: rebuilt from the mel (raw file: {rebuilt_since})"
    for frame in range(len(true_TPXY)):
        picture = np.full((_HEAD_PX + _PANEL_PX + _FOOT_PX, 2 * _PANEL_PX, 3), 255, np.uint8)
        sides = (("predicted", predicted_TPXY, PREDICTED_RGB), ("true", true_TPXY, TRUE_RGB))
        for number, (name, points, rgb) in enumerate(sides):
            at = np.array([(number + 0.5) * _PANEL_PX, _HEAD_PX + _PANEL_PX / 2])
            _face(picture, (points[frame] - middle) * scale + at, rgb)
            _text(picture, name, (number * _PANEL_PX + 12, 24), 0.6, rgb)
        cv2.line(picture, (_PANEL_PX, 8), (_PANEL_PX, _HEAD_PX + _PANEL_PX), (225, 225, 225), 1)
        _text(picture, title, (2 * _PANEL_PX - 12 - _text_px(title, _SMALL), 22), _SMALL, INK_RGB)
        _text(picture, f"{frame_to_second(frame):.2f} s   {note}", (12, _HEAD_PX + _PANEL_PX + 18), _SMALL, INK_RGB)
        yield picture


def _face(picture: Rgb, points_PXY: Floats, rgb: tuple[int, int, int]) -> None:
    for boundaries, colour, width in ((GIVEN, GIVEN_RGB, 1), (MOVED, rgb, 2)):
        lines = [np.rint(points_PXY[SLICES[one.name]] * (1 << _FINE)).astype(np.int32) for one in boundaries]
        cv2.polylines(picture, lines, False, colour, width, cv2.LINE_AA, _FINE)


def _text(picture: Rgb, text: str, at: tuple[int, int], size: float, rgb: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, rgb, 1, cv2.LINE_AA)


def _text_px(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])


def _write(path: Path, pictures: Iterator[Rgb], samples: NDArray[np.float32]) -> None:
    with av.open(os.fspath(path), "w", "mp4", options={"movflags": "+faststart"}) as out:
        video: Any = out.add_stream("libx264", rate=FPS, options=_X264)
        video.width, video.height = 2 * _PANEL_PX, _HEAD_PX + _PANEL_PX + _FOOT_PX
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        voice: Any = out.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        for number, picture in enumerate(pictures):
            shown = av.VideoFrame.from_ndarray(picture, "rgb24")
            shown.pts, shown.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(shown))
            start = number * SAMPLES_PER_FRAME
            piece = np.ascontiguousarray(samples[None, start : start + SAMPLES_PER_FRAME])
            sounded = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            sounded.sample_rate, sounded.pts, sounded.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
            out.mux(voice.encode(sounded))
        for stream in (video, voice):
            out.mux(stream.encode(None))
