"""Contact sheets and short videos of generated faces: input, target landmarks, output, ground truth.

Shape suffix legend: F = frames, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats, Pictures, evenly_spaced
from heterodub.model.stage2 import mask
from heterodub.tasks.dubbing.jobs import synthetic_comment

from .charts import GIVEN, GIVEN_RGB, MOVED, PREDICTED_RGB
from .film import draw_boundaries
from .video_writer import write_video

_HEAD_PX: Final = 16
Columns = dict[str, Pictures]
"""Crops (F, S, S, 3) by heading, side by side."""


def seen(pictures_FSS3: Pictures, landmarks_FPXY: Floats) -> Pictures:
    """Draw the network's view of frames: the lower half grey, the landmarks as lines. Crops (F, S, S, 3)."""
    side = pictures_FSS3.shape[1]
    pictures = np.where(mask.hidden(landmarks_FPXY, side)[..., None], np.uint8(40), pictures_FSS3)
    for picture, points in zip(pictures, landmarks_FPXY, strict=True):
        draw_boundaries(picture, points, GIVEN, GIVEN_RGB)
        draw_boundaries(picture, points, MOVED, PREDICTED_RGB)
    return pictures


def as_bytes(generated_FSS3: NDArray[np.float32]) -> Pictures:
    """Convert pictures in 0..1 to uint8."""
    return np.rint(np.clip(generated_FSS3, 0, 1) * 255).astype(np.uint8)


def contact_sheet(columns: Columns, rows: int) -> bytes:
    """Draw a PNG with a row for each of `rows` frames, evenly spread, and a column for each heading.

    Raises: ValueError - the columns are not equally long.
    """
    frames = evenly_spaced(_length(columns), rows)
    sheet = np.concatenate([_headings(columns), *(_row(columns, frame) for frame in frames)])
    _, data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return bytes(data)


def crop_film(path: Path, columns: Columns) -> None:
    """Write a silent MP4 of the columns side by side at 25 fps, marked as synthetic; a file of that name is replaced
    once it is complete.

    Raises: ValueError - the columns are not equally long. av.error.FFmpegError, OSError - it cannot be written.
    """
    head, frames = _headings(columns), _length(columns)
    pictures = (np.concatenate([head, _row(columns, frame)]) for frame in range(frames))
    write_video(path, pictures, 20, 1600, comment=synthetic_comment("mouths that models made beside each other"))


def _length(columns: Columns) -> int:
    lengths = {len(pictures) for pictures in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of {sorted(lengths)} frames do not go side by side")
    return lengths.pop()


def _row(columns: Columns, frame: int) -> Pictures:
    return np.concatenate([pictures[frame] for pictures in columns.values()], axis=1)


def _headings(columns: Columns) -> Pictures:
    side = next(iter(columns.values())).shape[1]
    head = np.full((_HEAD_PX, side * len(columns), 3), 255, np.uint8)
    for number, name in enumerate(columns):
        cv2.putText(head, name, (number * side + 3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (40, 40, 40), 1, cv2.LINE_AA)
    return head
