"""Videos of moving landmarks side by side, with the clip's sound: H.264 and AAC in MP4.

Shape suffix legend: T = frames, P = 216 points, XY = 2 coordinates in source pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from heterodub.model.features.arrays import Floats, Rgb
from heterodub.model.features.landmarks import SLICES, Boundary, box
from heterodub.model.features.timing import SAMPLES_PER_FRAME, frame_to_second

from .charts import GIVEN, GIVEN_RGB, INK_RGB, MOVED, PREDICTED_RGB, TRUE_RGB, require_pair
from .sound import PlayableSound
from .video_writer import write_video

_PANEL_PX: Final = 360
_HEAD_PX, _FOOT_PX = 36, 28
_ROOM: Final = 0.06
"""Margin around the face, as a share of the panel."""

_FINE: Final = 4
"""Bits of a pixel that lines are placed to."""

_SMALL: Final = 0.42


@dataclass(frozen=True, slots=True)
class Side:
    """One panel: landmarks (T, 216, 2) in source pixels under a name in plain ASCII, and their colour."""

    name: str
    points_TPXY: Floats
    rgb: tuple[int, int, int]


def landmark_film(path: Path, predicted_TPXY: Floats, true_TPXY: Floats, sound: PlayableSound, title: str = "") -> None:
    """Write a video of a prediction beside the ground truth; see compared_film."""
    sides = (Side("predicted", predicted_TPXY, PREDICTED_RGB), Side("true", true_TPXY, TRUE_RGB))
    compared_film(path, sides, sound, title)


def compared_film(
    path: Path, sides: Sequence[Side], sound: PlayableSound, title: str = "", panel_px: int = _PANEL_PX
) -> None:  # fmt: skip
    """Write the video; a file of that name is replaced once the new one is complete. `title` in plain ASCII.

    panel_px: side of a panel, even. If the sound was rebuilt from the mel, the video says so, with the reason.

    Raises: ValueError - the sides are not of one shape (T, 216, 2), a value is not finite, or the sound is not as long.
    av.error.FFmpegError - the libraries refuse to write. OSError - there is no room.
    """
    frames = len(sides[0].points_TPXY)
    for side in sides:
        require_pair(side.points_TPXY, sides[0].points_TPXY)
    if sound.samples.shape != (frames * SAMPLES_PER_FRAME,):
        raise ValueError(f"{frames} frames of video and {sound.samples.shape} samples do not go together")
    write_video(path, film_frames(sides, sound.rebuilt_since, title, panel_px), 22, 800, sound.samples)


def film_frames(
    sides: Sequence[Side], rebuilt_since: str | None, title: str, panel_px: int = _PANEL_PX
) -> Iterator[Rgb]:  # fmt: skip
    """Draw the video's pictures (panel + 64, sides * panel, 3), with one viewport for the whole clip, so that movement
    is visible.
    """
    left, top, right, bottom = box(np.concatenate([side.points_TPXY for side in sides]).reshape(-1, 2))
    scale = panel_px * (1 - 2 * _ROOM) / max(right - left, bottom - top, 1.0)
    middle = np.array([left + right, top + bottom]) / 2
    note = "sound: raw file" if rebuilt_since is None else f"sound: rebuilt from the mel (raw file: {rebuilt_since})"
    wide = len(sides) * panel_px
    for frame in range(len(sides[0].points_TPXY)):
        picture = np.full((_HEAD_PX + panel_px + _FOOT_PX, wide, 3), 255, np.uint8)
        for number, side in enumerate(sides):
            at = np.array([(number + 0.5) * panel_px, _HEAD_PX + panel_px / 2])
            _face(picture, (side.points_TPXY[frame] - middle) * scale + at, side.rgb)
            _text(picture, side.name, (number * panel_px + 12, 24), 0.6, side.rgb)
            if number:
                cv2.line(picture, (number * panel_px, 8), (number * panel_px, _HEAD_PX + panel_px), (225, 225, 225), 1)
        _text(picture, title, (wide - 12 - _text_px(title, _SMALL), 22), _SMALL, INK_RGB)
        _text(picture, f"{frame_to_second(frame):.2f} s   {note}", (12, _HEAD_PX + panel_px + 18), _SMALL, INK_RGB)
        yield picture


def _face(picture: Rgb, points_PXY: Floats, rgb: tuple[int, int, int]) -> None:
    draw_boundaries(picture, points_PXY, GIVEN, GIVEN_RGB)
    draw_boundaries(picture, points_PXY, MOVED, rgb, 2)


def draw_boundaries(
    picture: Rgb, points_PXY: Floats, boundaries: Sequence[Boundary], rgb: tuple[int, int, int], width: int = 1
) -> None:
    """Draw some boundaries of a face into a picture, as smooth lines."""
    lines = [np.rint(points_PXY[SLICES[boundary.name]] * (1 << _FINE)).astype(np.int32) for boundary in boundaries]
    cv2.polylines(picture, lines, False, rgb, width, cv2.LINE_AA, _FINE)


def _text(picture: Rgb, text: str, at: tuple[int, int], size: float, rgb: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, rgb, 1, cv2.LINE_AA)


def _text_px(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])
