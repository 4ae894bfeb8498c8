"""Measures of one shot, collected frame by frame: pictures of a few frames and a few numbers of each are kept."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.motion import MouthTargets
from heterodub.model.dubbing.seams import seam_scores
from heterodub.model.evaluation.image_scores import psnr_db, sharpness
from heterodub.model.evaluation.landmarks import nme_frames, openings
from heterodub.model.features.arrays import Floats, Pictures, Rgb
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import LIPS, SLICES, box
from heterodub.model.stage2 import mouth
from heterodub.schemas.reasons import MissingCause
from heterodub.tasks.dubbing.references import in_crop
from heterodub.tasks.dubbing.segments import Segment
from heterodub.tasks.evaluation.finished_frames import FinishedFrame
from heterodub.tasks.faces.window import Window, cut_window
from heterodub.tasks.identity.face_embedding import face_chip
from heterodub.tasks.identity.face_network import FACE_SIZE, FaceNetwork

_CHUNK: Final = 32
"""Frames whose crops are measured together; bounds memory, and is the grain of sharpness."""

_SIDE_PX: Final = 128
"""Side of the crops along whose border steps are measured."""

_DETAIL_PX: Final = 160
"""Mouth and eyes are cut out at their own size up to this one: scaled down, blur would not be seen."""

_MOUTH_ROOM: Final = 1.5
"""Side of the square around the mouth over the width of the lips; that of the eyes is as wide as both."""

_SHARP_EVERY: Final = 4
"""One of so many frames is compared in sharpness."""

_FACE_EVERY_S: Final = 1.0
"""Time between the frames of which the recogniser describes the face: 11 ms a face and side."""

_CHANGED: Final = 4.0
"""Mean change of the mouth, in levels, from which on it was painted: encoders change it by one or two."""

_OUTSIDE_PX: Final = 480
"""What lies beside the face is compared at about this width."""

FRAME_MEASURES: Final = ("seam", "colour_step", "flicker", "nme_lips")
"""Measures that each frame has."""


@dataclass(slots=True, eq=False)
class FrameValues:
    """Values of a shot's frames, an array each, NaN where there is none. opening, wanted, source: mouth openings of the
    file, the plan and the source, in the face frame. sharpness: of the frame's chunk. covered: 1 where a cover was
    painted over. outside_db: of one frame in a chunk.
    """

    time_s: "array[float]" = field(default_factory=lambda: array("d"))
    values: dict[str, "array[float]"] = field(default_factory=dict)

    def extend(self, name: str, values: Floats | NDArray[np.bool_]) -> None:
        """Add the values of some frames."""
        self.values.setdefault(name, array("d")).frombytes(np.asarray(values, np.float64).tobytes())

    def of(self, name: str, rows: slice = slice(None)) -> NDArray[np.float64]:
        """Return the values of some frames (N,), of all if left out."""
        return np.array(self.values[name][rows] if name in self.values else (), np.float64)

    def append(self, later: "FrameValues") -> None:
        """Add the values of the frames that follow."""
        self.time_s.extend(later.time_s)
        for name in later.values:
            self.extend(name, later.of(name))


_EYES: Final = [
    place for name in ("lid_left_upper", "lid_right_upper") for place in range(SLICES[name].start, SLICES[name].stop)
]


class _Square:
    """A square around some points of a face (T, n, 2), of one size in all of its pictures. room: side over width."""

    def __init__(self, points_TNXY: Floats, room: float) -> None:
        edges = box(points_TNXY)
        self._side = max(8, round(room * float(np.median(edges[:, 2] - edges[:, 0]))))
        self._corners = np.rint((edges[:, :2] + edges[:, 2:]) / 2 - self._side / 2).astype(np.int64)

    def cut(self, row: int, dubbed: Rgb, source: Rgb) -> Pictures:
        """Cut it out of both pictures of a row, (2, side, side, 3)."""
        left, top = self._corners[row].tolist()
        window, side_px = (left, top, self._side), min(self._side, _DETAIL_PX)
        return np.stack([cut_window(picture, window, side_px) for picture in (dubbed, source)])


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A frame that is the worst by some measure: the source's crop beside the dub's, as JPEG."""

    value: float
    time_s: float
    jpeg: bytes


@dataclass(slots=True, eq=False)
class ShotValues:
    """Values of consecutive frames of a shot, and the stills where they are worst, by measure."""

    frames: FrameValues = field(default_factory=FrameValues)
    worst: dict[str, Still] = field(default_factory=dict)

    def append(self, later: "ShotValues") -> None:
        """Add the values of the frames that follow."""
        self.frames.append(later.frames)
        for name, still in later.worst.items():
            if name not in self.worst or still.value > self.worst[name].value:
                self.worst[name] = still


class ShotMeter:
    """Collects frames of one segment. measured: their values so far, complete after `flush`.

    recogniser: describes faces; else why there is none. section_frames: measures of frames of different sections do
    not depend on each other.
    """

    def __init__(
        self, segment: Segment, recogniser: FaceNetwork | MissingCause, section_frames: int, first: int
    ) -> None:  # fmt: skip
        self.segment = segment
        self.recogniser = recogniser
        self.measured = ShotValues()
        self._section_frames = section_frames
        points = segment.face.track.points_TPXY
        self._squares = [_Square(points[:, LIPS], _MOUTH_ROOM), _Square(points[:, _EYES], 1.0)]
        self._next_face_s = -np.inf
        self._chips: dict[int, Pictures] = {}
        self._details: list[tuple[Pictures, ...]] = []
        self._dubbed: list[Rgb] = []
        self._source: list[Rgb] = []
        self._found: list[NDArray[np.float32] | None] = []
        self._windows: list[Window] = []
        self._done = first - segment.first

    def add(self, frame: FinishedFrame, source: Rgb) -> None:
        """Add the next frame, and the source's picture of it, as displayed."""
        if frame.number % self._section_frames == 0:
            self.flush()
            self._next_face_s = -np.inf
        row = frame.number - self.segment.first
        window = self.segment.window(row)
        if not self._windows:
            self._outside_db = _outside_psnr(frame.rgb, source, window)
        self.measured.frames.time_s.append(frame.time_s)
        self._dubbed.append(cut_window(frame.rgb, window, _SIDE_PX))
        self._source.append(cut_window(source, window, _SIDE_PX))
        shown, is_full = int(self.segment.rows_N[row]), self.segment.strength(row) == 1
        if isinstance(self.recogniser, FaceNetwork) and is_full and frame.time_s >= self._next_face_s:
            points = self.segment.face.track.points_TPXY[shown]
            self._chips[row - self._done] = np.stack([face_chip(picture, points) for picture in (frame.rgb, source)])
            self._next_face_s = frame.time_s + _FACE_EVERY_S
        if row % _SHARP_EVERY == 0 and is_full:
            self._details.append(tuple(square.cut(shown, frame.rgb, source) for square in self._squares))
        self._found.append(frame.found.get(self.segment))
        self._windows.append(window)
        if len(self._windows) == _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Measure the frames that wait."""
        count = len(self._windows)
        if not count:
            return
        rows = slice(self._done, self._done + count)
        targets = self.segment.landmarks(rows)
        strength_N = np.array([self.segment.strength(row) for row in range(rows.start, rows.stop)])
        self.measured.frames.extend("strength", strength_N)
        self._measure_lips(targets, strength_N)
        self._measure_pictures(targets, rows, strength_N)
        self._measure_identity(count)
        self.measured.frames.extend("outside_psnr_db", np.array([self._outside_db] + [np.nan] * (count - 1)))
        self._keep_worst(count)
        self._done += count
        for kept in (self._dubbed, self._source, self._found, self._windows, self._details, self._chips):
            kept.clear()

    def _keep_worst(self, count: int) -> None:
        measured, last = self.measured, len(self.measured.frames.time_s)
        for name in FRAME_MEASURES:
            values = measured.frames.of(name, slice(last - count, last))
            if np.isnan(values).all():
                continue
            row = int(np.nanargmax(values))
            if name not in measured.worst or values[row] > measured.worst[name].value:
                both = np.concatenate([self._source[row], self._dubbed[row]], axis=1)
                _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(both, cv2.COLOR_RGB2BGR))
                time_s = measured.frames.time_s[last - count + row]
                measured.worst[name] = Still(float(values[row]), time_s, jpeg.tobytes())

    def _measure_lips(self, targets: MouthTargets, strength_N: Floats) -> None:
        is_found = np.array([points is not None for points in self._found])
        found = np.stack([
            wanted if points is None else points
            for points, wanted in zip(self._found, targets.wanted_NPXY, strict=True)
        ])  # fmt: skip
        head = FaceFrame.of(targets.wanted_NPXY)
        opening, wanted = openings(found, targets.wanted_NPXY, head)
        source, _ = openings(targets.source_NPXY, targets.wanted_NPXY, head)
        nme = nme_frames(found, targets.wanted_NPXY, LIPS)
        self.measured.frames.extend("found", is_found)
        self.measured.frames.extend("opening", np.where(is_found, opening, np.nan))
        self.measured.frames.extend("wanted", wanted)
        self.measured.frames.extend("source", source)
        self.measured.frames.extend("nme_lips", np.where(is_found & (strength_N == 1), nme, np.nan))

    def _measure_pictures(self, targets: MouthTargets, rows: slice, strength_N: Floats) -> None:
        dubbed, source = np.stack(self._dubbed), np.stack(self._source)
        before, wanted = (
            np.stack([in_crop(one, window, _SIDE_PX) for one, window in zip(points, self._windows, strict=True)])
            for points in (targets.source_NPXY, targets.wanted_NPXY)
        )
        is_dubbed = strength_N > 0
        seams = seam_scores(dubbed, source, before, wanted)
        moved = np.array([True, *(one != two for one, two in zip(self._windows, self._windows[1:], strict=False))])
        self.measured.frames.extend("seam", np.where(is_dubbed, seams.seam_N, np.nan))
        self.measured.frames.extend("colour_step", np.where(is_dubbed, seams.colour_step_N, np.nan))
        self.measured.frames.extend("flicker", np.where(is_dubbed & ~moved, seams.flicker_N, np.nan))
        boxes = mouth.boxes(wanted, _SIDE_PX)
        pair = _cut(dubbed, boxes), _cut(source, boxes)
        changed = np.abs(pair[0] - pair[1]).mean(axis=(1, 2, 3)) * 255 > _CHANGED
        occluded = self.segment.face.track.occluded_T[self.segment.rows_N[rows]]
        self.measured.frames.extend("covered", changed & occluded)
        self.measured.frames.extend("changed", changed)
        ratio = _relative_sharpness(self._details)
        self.measured.frames.extend("sharpness", np.full(len(dubbed), np.nan if ratio is None else ratio))

    def _measure_identity(self, count: int) -> None:
        distances = np.full(count, np.nan)
        if isinstance(self.recogniser, FaceNetwork) and self._chips:
            described = self.recogniser.descriptors(np.concatenate([*self._chips.values()])).reshape(-1, 2, FACE_SIZE)
            distances[[*self._chips]] = np.linalg.norm(described[:, 0] - described[:, 1], axis=1)
        self.measured.frames.extend("identity_distance", distances)


def _cut(pictures_NSS3: Pictures, boxes_N3: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cut a square (left, top, side) out of each picture, (N, side, side, 3) in 0..1; one side for all."""
    cuts = [
        picture[top : top + side, left : left + side]
        for picture, (left, top, side) in zip(pictures_NSS3, boxes_N3.tolist(), strict=True)
    ]
    return np.asarray(np.stack(cuts) / np.float32(255), np.float32)


def _relative_sharpness(details: Sequence[tuple[Pictures, ...]]) -> float | None:
    """Return the mouth's sharpness over the source's, each beside the eyes': what the encoder takes is taken off.

    details: squares of mouth and eyes of some frames, each the dub's above the source's, (2, side, side, 3).
    """
    if not details:
        return None
    ours, theirs = (
        sharpness(both[:, 0], both[:, 1], np.ones(both[:, 1].shape[:3], bool))
        for both in (np.stack(squares) / np.float32(255) for squares in zip(*details, strict=True))
    )
    return ours / theirs if ours is not None and theirs else None


def _outside_psnr(dubbed: Rgb, source: Rgb, window: Window) -> float:
    """Likeness of both pictures outside of the face's window, dB; NaN where the window covers all."""
    left, top, side = window
    step = max(1, dubbed.shape[1] // _OUTSIDE_PX)
    region = np.ones(dubbed.shape[:2], bool)
    region[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = False
    outside = region[::step, ::step]
    if not outside.any():
        return float("nan")
    ours, theirs = (picture[::step, ::step][None] / np.float32(255) for picture in (dubbed, source))
    return psnr_db(ours, theirs, outside[None])
