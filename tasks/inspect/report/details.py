"""Details of a clip that the page shows: frames with landmarks, mel, and mouth opening against sound level."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import BOUNDARIES, SLICES, box, mouth_opening
from heterodub.schemas.contract import MEL_COLUMNS_PER_FRAME
from heterodub.schemas.policy import Policy
from heterodub.tasks.inspect.explain import ClipAnswer, SignalAnswer, explain_clip
from heterodub.tasks.stores.labels import Labels
from heterodub.tasks.training.clip_store import PictureClip, SpeechClip

from .stills import ink, spread, still

FRAMES: Final = 24
"""Frames of a stored clip on the slider; about 5 kB each."""

RAW_FRAMES: Final = 8
"""Frames of a clip that has to be decoded from its file."""

_GRID: Final = 1000
"""Landmarks are written in thousandths of the picture's side."""

_WIDTH, _HEIGHT = 1000, 120

_MARGIN: Final = 1.5
"""Side of the square around a face over its height, where no crop is stored."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Details of one clip. `frames` are data URIs, `shapes` the landmarks of each frame as SVG paths by part, `at` the
    position of each frame in the clip, 0 to 1. Curves are None when the stores hold nothing to plot.
    """

    answer: ClipAnswer
    frames: tuple[str, ...]
    shapes: tuple[Mapping[str, str], ...]
    at: tuple[float, ...]
    mel: str | None
    opening: str | None
    level: str | None
    opening_range: tuple[float, float] | None
    level_range_db: tuple[float, float] | None
    shift_frames: int
    refusals: tuple[tuple[str, SignalAnswer], ...]


def detail(
    row: Mapping[str, Any],
    policy: Policy,
    stage2: PictureClip | None,
    stage1: SpeechClip | None,
    raw: Mapping[int, bytes],
    labels: Labels,
) -> Detail:
    """Build the details of a clip from its row and its payloads; `raw`: frames of the file by number."""
    answer = explain_clip(row, policy, labels)
    numbers, frames, shapes = _pictures(row, stage2, stage1, raw)
    points = stage2.landmarks if stage2 is not None else stage1.landmarks if stage1 is not None else None
    opening = None if points is None else np.nan_to_num(mouth_opening(points)).astype(np.float64)
    level = None if stage1 is None else _level_db(stage1.mel)
    length = max(int(row["frames"]), 1)
    return Detail(
        answer=answer,
        frames=tuple(data_uri(still(frame)) for frame in frames),
        shapes=shapes,
        at=tuple(round((number - row["start_frame"] + 0.5) / length, 4) for number in numbers),
        mel=None if stage1 is None else data_uri(ink(stage1.mel)),
        opening=None if opening is None else _curve(opening),
        level=None if level is None else _curve(np.maximum(level, level.max() - 60)),
        opening_range=None if opening is None else _ends(opening),
        level_range_db=None if level is None else _ends(level),
        shift_frames=stage1.sound_shift_frames if stage1 is not None else 0,
        refusals=tuple(_refusals(answer)),
    )


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _pictures(
    row: Mapping[str, Any], stage2: PictureClip | None, stage1: SpeechClip | None, raw: Mapping[int, bytes]
) -> tuple[list[int], list[bytes], tuple[Mapping[str, str], ...]]:
    """Return frame numbers, their pictures, and the landmarks in each."""
    start = int(row["start_frame"])
    if stage2 is not None:
        numbers = list(spread(start, len(stage2.landmarks), FRAMES))
        places = [number - start for number in numbers]
        shapes = tuple(paths(stage2.landmarks[place], stage2.boxes[place]) for place in places)
        return numbers, [stage2.crops[place] for place in places], shapes
    numbers = sorted(raw)
    if stage1 is None:
        return numbers, [raw[number] for number in numbers], tuple({} for _ in numbers)
    window = np.asarray(face_window(stage1.landmarks), np.float32)
    return (
        numbers,
        [raw[number] for number in numbers],
        tuple(paths(stage1.landmarks[n - start], window) for n in numbers),
    )


def face_window(points: Floats) -> tuple[float, float, float]:
    """Return a square (left, top, side) around the face of a whole clip (T, 216, 2), in source pixels."""
    left, top, right, bottom = (float(side) for side in np.median(box(points), axis=0))
    side = max(_MARGIN * (bottom - top), 8.0)
    return (left + right - side) / 2, (top + bottom - side) / 2, side


def paths(points: Floats, window: Floats) -> dict[str, str]:
    """Return landmarks (216, 2) as SVG paths by part ("pose", "face", "lips"), in thousandths of the window's side."""
    placed = np.rint((points - window[:2]) / window[2] * _GRID).astype(int)
    by_part = dict.fromkeys(("pose", "face", "lips"), "")
    for boundary in BOUNDARIES:
        curve = placed[SLICES[boundary.name]]
        by_part[boundary.part] += "M" + "L".join(f"{x} {y}" for x, y in curve.tolist())
    return by_part


def _level_db(mel: Floats) -> NDArray[np.float64]:
    """Compute the loudness of each frame in dB: the power over all bands and the frame's columns."""
    power = np.exp(2 * mel.astype(np.float64)).sum(axis=1)
    frames = power[: len(power) // MEL_COLUMNS_PER_FRAME * MEL_COLUMNS_PER_FRAME].reshape(-1, MEL_COLUMNS_PER_FRAME)
    return np.asarray(10 * np.log10(frames.mean(axis=1) + 1e-12))


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    return round(float(values.min()), 3), round(float(values.max()), 3)


def _curve(values: NDArray[np.float64]) -> str:
    """Return values as the points of an SVG path that fills the plot by their own range."""
    low, high = float(values.min()), float(values.max())
    x = (np.arange(values.size) + 0.5) / values.size * _WIDTH
    y = _HEIGHT - 6 - (values - low) / max(high - low, 1e-9) * (_HEIGHT - 12)
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _refusals(answer: ClipAnswer) -> Sequence[tuple[str, SignalAnswer]]:
    """Return (stage, signal) of every limit that the clip breaks under the policy in force."""
    return [
        (stage, signal) for stage in ("stage1", "stage2") for signal in answer.signals if getattr(signal, stage).refuses
    ]
