"""Choice of the clips that the page shows as thumbnails and in detail, and the details of one.

Details are frames with landmarks, mel, and mouth opening against sound level.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.landmarks import BOUNDARIES, SLICES, box, mouth_opening
from heterodub.schemas.contract import MEL_COLUMNS_PER_FRAME
from heterodub.schemas.policy import Policy
from heterodub.tasks.inspect.explain import ClipAnswer, SignalAnswer, explain_clip
from heterodub.tasks.inspect.routes import Route, route_of
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


Row = Mapping[str, Any]

_PER_ROUTE, _PER_REASON = 10, 6
_THUMBNAILS: Final = 360
"""Thumbnails on a page: 3 kB each, so about 1.5 MB."""

_DETAILS_PER_GROUP: Final = 2
_DETAILS: Final = 40
"""Clips that are picked for detail; requested ones come on top."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Clip ids: examples by route, examples by (stage, reason), thumbnails of any kind, and clips shown in detail."""

    by_route: Mapping[str, tuple[str, ...]]
    by_reason: Mapping[tuple[str, str], tuple[str, ...]]
    thumbnails: frozenset[str]
    details: tuple[str, ...]

    @property
    def shown(self) -> frozenset[str]:
        """Every clip that needs a picture."""
        return self.thumbnails | frozenset(self.details)


def choose(clips: Sequence[Row], requested: Iterable[str]) -> Choice:
    """Choose among rows of `clips`; the same rows give the same choice. `requested` clips are shown in detail."""
    # clip ids are hashes, so their order is random and the same in every run
    shuffled = sorted(clips, key=lambda row: row["clip_id"])
    routes: dict[str, list[Row]] = {str(route): [] for route in Route}
    reasons: dict[tuple[str, str], list[Row]] = {}
    for row in shuffled:
        routes[str(route_of(row["stage1"], row["stage2"]))].append(row)
        for stage in ("stage1", "stage2"):
            for reason in row[f"{stage}_reasons"]:
                reasons.setdefault((stage, reason), []).append(row)
    details = _details([*routes.values(), *reasons.values()], requested)
    by_route = {route: _examples(rows, _PER_ROUTE) for route, rows in routes.items()}
    by_reason = {key: _examples(rows, _PER_REASON) for key, rows in reasons.items()}
    thumbnails = dict.fromkeys(
        [*details, *(clip for group in (by_route, by_reason) for ids in group.values() for clip in ids)]
    )
    for row in shuffled:
        if len(thumbnails) >= _THUMBNAILS:
            break
        thumbnails.setdefault(row["clip_id"])
    return Choice(by_route, by_reason, frozenset(thumbnails), details)


def _examples(rows: Sequence[Row], count: int) -> tuple[str, ...]:
    """Return up to `count` clips, of different people as far as there are so many."""
    firsts: dict[str, Row] = {}
    for row in rows:
        firsts.setdefault(row["speaker"], row)
        if len(firsts) == count:
            break
    ids = [row["clip_id"] for row in firsts.values()]
    others = (row["clip_id"] for row in rows if row["clip_id"] not in ids)
    return (*ids, *islice(others, count - len(ids)))


def _details(groups: Sequence[Sequence[Row]], requested: Iterable[str]) -> tuple[str, ...]:
    """Pick two clips of every group; a clip that was picked for one group counts for all it belongs to."""
    picked = dict.fromkeys(requested)
    limit = len(picked) + _DETAILS
    for group in groups:
        ids = [row["clip_id"] for row in group]
        missing = _DETAILS_PER_GROUP - sum(clip in picked for clip in ids)
        for clip in [clip for clip in ids if clip not in picked][: max(missing, 0)]:
            if len(picked) < limit:
                picked[clip] = None
    return tuple(picked)
