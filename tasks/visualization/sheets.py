"""Contact sheets and short videos of generated faces: input, target landmarks, output, ground truth.

Shape suffix legend: F = frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from model.features.arrays import Floats, Pictures
from model.features.landmarks import SLICES
from model.stage2 import mask
from schemas.contract import FPS

from .colours import GIVEN, GIVEN_RGB, MOVED, PREDICTED_RGB

_HEAD_PX: Final = 16
_FINE: Final = 4
"""Bits of a pixel that lines are placed to."""

_X264: Final = {"preset": "veryfast", "crf": "20", "maxrate": "1600k", "bufsize": "1600k"}

Columns = dict[str, Pictures]
"""Crops (F, S, S, 3) by heading, side by side."""


def seen(pictures_FSS3: Pictures, landmarks_FPXY: Floats) -> Pictures:
    """Draw the network's view of frames: the lower half grey, the landmarks as lines. Crops (F, S, S, 3)."""
    side = pictures_FSS3.shape[1]
    shown = np.where(mask.hidden(landmarks_FPXY, side)[..., None], np.uint8(40), pictures_FSS3)
    for picture, points in zip(shown, landmarks_FPXY, strict=True):
        for boundaries, colour in ((GIVEN, GIVEN_RGB), (MOVED, PREDICTED_RGB)):
            lines = [np.rint(points[SLICES[one.name]] * (1 << _FINE)).astype(np.int32) for one in boundaries]
            cv2.polylines(picture, lines, False, colour, 1, cv2.LINE_AA, _FINE)
    return shown


def as_bytes(made_FSS3: NDArray[np.float32]) -> Pictures:
    """Convert pictures in 0..1 to uint8."""
    return np.rint(np.clip(made_FSS3, 0, 1) * 255).astype(np.uint8)


def contact_sheet(columns: Columns, rows: int) -> bytes:
    """Draw a PNG with a row for each of `rows` frames, evenly spread, and a column for each heading.

    Raises: ValueError - the columns are not equally long.
    """
    frames = {len(pictures) for pictures in columns.values()}
    if len(frames) != 1:
        raise ValueError(f"columns of {sorted(frames)} frames do not go side by side")
    chosen = np.unique(np.linspace(0, frames.pop() - 1, rows).astype(int))
    sheet = np.concatenate([_headings(columns), *(_row(columns, frame) for frame in chosen)])
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return bytes(data)


def crop_film(path: Path, columns: Columns) -> None:
    """Write a silent MP4 of the columns side by side at 25 fps; a file of that name is replaced once it is complete.

    Raises: ValueError - the columns are not equally long. av.error.FFmpegError, OSError - it cannot be written.
    """
    frames = {len(pictures) for pictures in columns.values()}
    if len(frames) != 1:
        raise ValueError(f"columns of {sorted(frames)} frames do not go side by side")
    partial, side = path.with_name(path.name + ".partial"), next(iter(columns.values())).shape[1]
    try:
        with av.open(os.fspath(partial), "w", "mp4", options={"movflags": "+faststart"}) as out:
            video: Any = out.add_stream("libx264", rate=FPS, options=_X264)
            video.pix_fmt = "yuv420p"
            video.codec_context.thread_count = 1
            head = _headings(columns)
            video.height, video.width = _HEAD_PX + side, side * len(columns)
            for frame in range(frames.pop()):
                shown = av.VideoFrame.from_ndarray(np.concatenate([head, _row(columns, frame)]), "rgb24")
                shown.pts, shown.time_base = frame, Fraction(1, FPS)
                out.mux(video.encode(shown))
            out.mux(video.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _row(columns: Columns, frame: int) -> Pictures:
    return np.concatenate([pictures[frame] for pictures in columns.values()], axis=1)


def _headings(columns: Columns) -> Pictures:
    side = next(iter(columns.values())).shape[1]
    head = np.full((_HEAD_PX, side * len(columns), 3), 255, np.uint8)
    for number, name in enumerate(columns):
        cv2.putText(head, name, (number * side + 3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (40, 40, 40), 1, cv2.LINE_AA)
    return head
