"""Tracking of faces from frame to frame: their identity, their points, and when they were lost."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Pictures
from heterodub.model.features.landmarks import interocular
from heterodub.model.features.timing import seconds_to_frames
from heterodub.schemas.config.settings import ClipSettings
from heterodub.schemas.contract import LANDMARK_POINTS

from .backend import LandmarkBackend
from .region import Box, Detection, FaceLandmarks, Picture, distance, longer_side, overlap

BRIDGE_S: Final = 0.4
"""A face that is lost for less than this keeps its track."""

LOOKS: Final = 2
"""Passes through regions made of points in which a newly found face must be confirmed."""

MIN_INTEROCULAR_PX: Final = 4.0
MIN_SIDE_PX: Final = 12.0
"""Smaller points are not a face but a region that shrank to nothing."""

MIN_INSIDE: Final = 0.7
"""Share of the points that must lie inside the picture."""

MAX_GROWTH: Final = 1.5
"""A face grows or shrinks by less than this from one frame to the next."""

MAX_JUMP: Final = 0.5
"""A face moves by less than this share of its size from one frame to the next."""

SAME_OVERLAP: Final = 0.3
SAME_DISTANCE: Final = 0.4
"""Boxes that overlap this much, or whose centres are this near in shares of their size, are one face."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceObservation:
    """One face in one frame.

    track: number of the face within the file, counted from 0.
    points: (216, 2) float32, pixels of the frame; the last good ones where `tracked` is False.
    score: of the network on this frame, 0..1.
    tracked: the score is good and the points are shaped like a face that follows from the frame before.
    yaw, pitch, roll: degrees, signs as in heterodub.tasks.faces.points; of the last good frame if not `tracked`.
    """

    track: int
    points: NDArray[np.float32]
    score: float
    tracked: bool
    yaw: float
    pitch: float
    roll: float


@dataclass(slots=True)
class _Track:
    number: int
    face: FaceLandmarks  # the last good one
    score: float
    lost_frames: int = 0

    @property
    def box(self) -> Box:
        return self.face.box

    def update(self, face: FaceLandmarks) -> None:
        self.face, self.score, self.lost_frames = face, face.score, 0

    def observe(self) -> FaceObservation:
        face = self.face
        return FaceObservation(
            self.number, face.points, self.score, self.lost_frames == 0, face.yaw, face.pitch, face.roll
        )


class FaceTracker:
    """Follows the faces of one file, 25 frames a second. The same frames give the same results."""

    def __init__(self, backend: LandmarkBackend, clips: ClipSettings) -> None:
        self._backend = backend
        self._clips = clips
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._frames_since_search: int | None = None

    def step(self, rgb: Picture, cut: bool, same_as_last: bool = False) -> list[FaceObservation]:
        """Return the faces in the next frame (height, width, 3), by track number.

        cut: the frame starts a new shot, so no track goes on.
        same_as_last: the frame is the one before, repeated; its faces are not measured again.
        """
        if cut:
            self._tracks, self._frames_since_search = [], None
        repeated = same_as_last and self._frames_since_search is not None
        for track in self._tracks:
            track.lost_frames += track.lost_frames > 0
        if not repeated:
            self._follow(rgb)
            self._drop_doubles()
            if self._search_is_due():
                self._search(rgb)
        limit = seconds_to_frames(BRIDGE_S)
        self._tracks = [track for track in self._tracks if track.lost_frames < limit]
        return [track.observe() for track in self._tracks]

    def _follow(self, rgb: Picture) -> None:
        """Locate each known face. Lost ones too: a blurred frame later the face is often still in its place."""
        for track in self._tracks:
            face = self._backend.landmarks(rgb, track.face.next_region)
            track.score = face.score
            if self._good(rgb, face) and _follows(track.face, face):
                track.update(face)
            else:
                track.lost_frames = max(track.lost_frames, 1)

    def _search_is_due(self) -> bool:
        since = self._frames_since_search
        self._frames_since_search = 0 if since is None else since + 1
        lost = any(track.lost_frames for track in self._tracks)
        return since is None or lost or self._frames_since_search >= self._clips.detect_every_frames

    def _search(self, rgb: Picture) -> None:
        self._frames_since_search = 0
        for detection in self._unclaimed(self._backend.detect(rgb)):
            face = self._confirm(rgb, detection)
            if face is None or self._covered(face.box):
                continue
            track = self._lost_near(face.box)
            if track is not None:
                track.update(face)
            elif len(self._tracks) < self._clips.max_faces:
                self._tracks.append(_Track(self._next_number, face, face.score))
                self._next_number += 1

    def _unclaimed(self, detections: list[Detection]) -> list[Detection]:
        """Detections, largest first, that are not the face of a running track."""
        running = [track.box for track in self._tracks if not track.lost_frames]
        free = [detection for detection in detections if not any(_same(detection.box, box) for box in running)]
        return sorted(free, key=lambda detection: -longer_side(detection.box))

    def _confirm(self, rgb: Picture, detection: Detection) -> FaceLandmarks | None:
        """Return the points of a found face, or None if there are none to trust.

        The detector's box is rough, and later frames use a region made of points. So the network runs
        until the face was good in such a region; otherwise the first frame would differ from its successors,
        and a face that fills too little of the rough region would be missed.
        """
        face = self._backend.landmarks(rgb, self._backend.first_region(detection))
        for _ in range(LOOKS):
            if not _like_a_face(face, rgb) or not _same(face.box, detection.box):
                return None
            face = self._backend.landmarks(rgb, face.next_region)
            if self._good(rgb, face) and _same(face.box, detection.box):
                return face
        return None

    def _good(self, rgb: Picture, face: FaceLandmarks) -> bool:
        return face.score >= self._clips.min_mesh_score and _like_a_face(face, rgb)

    def _covered(self, box: Box) -> bool:
        return any(_same(box, track.box) for track in self._tracks if not track.lost_frames)

    def _lost_near(self, box: Box) -> _Track | None:
        """Return the lost track that a found face continues: the nearest one within reach."""
        lost = [track for track in self._tracks if track.lost_frames]
        near = [track for track in lost if distance(track.box, box) < 1.0 and _growth(track.box, box) < 2.0]
        return min(near, key=lambda track: distance(track.box, box), default=None)

    def _drop_doubles(self) -> None:
        """Keep the older of two tracks on one face; if it has lost the face, it takes the younger one's points."""
        tracks: list[_Track] = []
        for track in self._tracks:
            twin = next((other for other in tracks if _same(other.box, track.box)), None)
            if twin is None:
                tracks.append(track)
            elif twin.lost_frames and not track.lost_frames:
                twin.update(track.face)
        self._tracks = tracks


def _same(first: Box, second: Box) -> bool:
    near = distance(first, second) < SAME_DISTANCE and _growth(first, second) < 2.5
    return near or overlap(first, second) > SAME_OVERLAP


def _growth(first: Box, second: Box) -> float:
    small, large = sorted((longer_side(first), longer_side(second)))
    return large / max(small, 1e-9)


def _like_a_face(face: FaceLandmarks, rgb: Picture) -> bool:
    """Return True if points are finite, not collapsed, and mostly inside the picture: a mouth alone is not a face."""
    points, (left, top, right, bottom) = face.points, face.box
    height, width = rgb.shape[:2]
    if not all(map(math.isfinite, face.box)):
        return False
    if min(left, top) < 0 or right >= width or bottom >= height:
        inside = ((points >= 0) & (points < (width, height))).all(axis=1).mean()
        if inside < MIN_INSIDE:
            return False
    return longer_side(face.box) >= MIN_SIDE_PX and float(interocular(points)) >= MIN_INTEROCULAR_PX


def _follows(before: FaceLandmarks, face: FaceLandmarks) -> bool:
    """Return True if the face is where, and as large as, it can be one frame later."""
    return distance(before.box, face.box) < MAX_JUMP and _growth(before.box, face.box) < MAX_GROWTH


_SEARCHED_PX = 256
"""Side to which crops are scaled before faces are detected: that of stored crops."""


def find_landmarks(
    backend: LandmarkBackend, clips: ClipSettings, crops_FSS3: Pictures
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Track the largest face in successive crops: landmarks (F, 216, 2) in crop pixels, and True where there was one.

    Where there was none, the landmarks are zeros.
    """
    tracker = FaceTracker(backend, clips)
    scale = crops_FSS3.shape[1] / _SEARCHED_PX
    landmarks = np.zeros((len(crops_FSS3), LANDMARK_POINTS, 2), np.float32)
    has_face = np.zeros(len(crops_FSS3), bool)
    for number, crop in enumerate(crops_FSS3):
        large = cv2.resize(crop, (_SEARCHED_PX, _SEARCHED_PX), interpolation=cv2.INTER_CUBIC)
        faces = [face for face in tracker.step(large, cut=number == 0) if face.tracked]
        if faces:
            largest = max(faces, key=lambda face: float(np.ptp(face.points, axis=0).max()))
            landmarks[number], has_face[number] = largest.points * scale, True
    return landmarks, has_face
