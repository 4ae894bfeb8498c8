"""Details of one clip on the page: frames with landmarks, mel, mouth opening against sound level."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from model.features.arrays import Floats
from model.features.landmarks import BOUNDARIES, SLICES, mouth_opening
from schemas.contract import MEL_COLUMNS_PER_FRAME
from schemas.policy import Policy
from tasks.inspect.explain import ClipAnswer, SignalAnswer, explain_clip

from .payload import Stage1Payload, Stage2Payload
from .stills import ink, spread, still

FRAMES: Final = 24
"""Frames of a stored clip on the slider; about 5 kB each."""

RAW_FRAMES: Final = 8
"""Frames of a clip that has to be decoded from its file."""

_GRID: Final = 1000
"""Landmarks are written in thousandths of the picture's side."""

_WIDTH, _HEIGHT = 1000, 120


@dataclass(frozen=True, slots=True)
class Detail:
    """Details of one clip. `frames` are data URIs, `shapes` the landmarks of each frame as SVG paths by part, `at` the
    position of each frame in the clip, 0 to 1. Plots are None when the stores hold nothing to plot.
    """

    answer: ClipAnswer
    frames: tuple[str, ...]
    shapes: tuple[Mapping[str, str], ...]
    at: tuple[float, ...]
    mel: str | None
    plot: Markup | None
    opening_range: tuple[float, float] | None
    level_range_db: tuple[float, float] | None
    shift_frames: int
    refusals: tuple[tuple[str, SignalAnswer], ...]


def detail(
    row: Mapping[str, Any],
    policy: Policy,
    stage2: Stage2Payload | None,
    stage1: Stage1Payload | None,
    raw: Mapping[int, bytes],
) -> Detail:
    """Build the details of a clip from its row and its payloads; `raw`: frames of the file by number."""
    answer = explain_clip(row, policy)
    numbers, frames, shapes = _pictures(row, stage2, stage1, raw)
    points = stage2.points if stage2 is not None else stage1.points if stage1 is not None else None
    opening = None if points is None else np.nan_to_num(mouth_opening(points)).astype(np.float64)
    level = None if stage1 is None else _level_db(stage1.mel)
    length = max(int(row["frames"]), 1)
    return Detail(
        answer=answer,
        frames=tuple(data_uri(still(frame)) for frame in frames),
        shapes=shapes,
        at=tuple(round((number - row["start_frame"] + 0.5) / length, 4) for number in numbers),
        mel=None if stage1 is None else data_uri(ink(stage1.mel)),
        plot=None if opening is None else _plot(opening, level),
        opening_range=None if opening is None else _ends(opening),
        level_range_db=None if level is None else _ends(level),
        shift_frames=stage1.shift_frames if stage1 is not None else 0,
        refusals=tuple(_refusals(answer)),
    )


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _pictures(
    row: Mapping[str, Any], stage2: Stage2Payload | None, stage1: Stage1Payload | None, raw: Mapping[int, bytes]
) -> tuple[list[int], list[bytes], tuple[Mapping[str, str], ...]]:
    """Return frame numbers, their pictures, and the landmarks in each."""
    start = int(row["start_frame"])
    if stage2 is not None:
        numbers = list(spread(start, len(stage2.points), FRAMES))
        places = [number - start for number in numbers]
        shapes = tuple(paths(stage2.points[place], stage2.boxes[place]) for place in places)
        return numbers, [stage2.crop(place) for place in places], shapes
    numbers = sorted(raw)
    if stage1 is None:
        return numbers, [raw[number] for number in numbers], tuple({} for _ in numbers)
    window = np.asarray(stage1.window(), np.float32)
    return numbers, [raw[number] for number in numbers], tuple(paths(stage1.points[n - start], window) for n in numbers)


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


def _plot(opening: NDArray[np.float64], level: NDArray[np.float64] | None) -> Markup:
    """Plot the mouth opening as a line over the sound's level as an area; both fill the height by their own range."""
    area = ""
    if level is not None:
        loud = _curve(np.maximum(level, level.max() - 60))
        area = f'<path class="level" d="M0 {_HEIGHT}L{loud}L{_WIDTH} {_HEIGHT}Z"/>'
    line = f'<path class="opening" d="M{_curve(opening)}"/>'
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">{area}{line}</svg>')


def _curve(values: NDArray[np.float64]) -> str:
    low, high = float(values.min()), float(values.max())
    x = (np.arange(values.size) + 0.5) / values.size * _WIDTH
    y = _HEIGHT - 6 - (values - low) / max(high - low, 1e-9) * (_HEIGHT - 12)
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _refusals(answer: ClipAnswer) -> Sequence[tuple[str, SignalAnswer]]:
    """Return (stage, signal) of every limit that the clip breaks under the policy in force."""
    return [
        (stage, signal) for stage in ("stage1", "stage2") for signal in answer.signals if getattr(signal, stage).refuses
    ]
