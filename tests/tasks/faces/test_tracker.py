"""Face tracking: on a real face with a real backend, and on drawn geometry for the corner cases."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from heterodub.model.features.landmarks import box, interocular
from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.region import Detection, FaceLandmarks, Picture, Region, region_of_box
from heterodub.tasks.faces.tracker import FaceObservation, FaceTracker, find_landmarks

EVERY = 5
CLIPS = ClipSettings(detect_every_frames=EVERY)
EMPTY = np.full((480, 640, 3), 90, dtype=np.uint8)


@dataclass
class ScriptedBackend:
    """A backend with given faces: squares (x, y, side). It counts its calls."""

    faces: list[tuple[float, float, float]] = field(default_factory=list)
    unseen: bool = False  # the detector sees nothing, the landmark network does
    score: float = 1.0
    detections: int = 0
    looks: int = 0
    name: str = "scripted"

    def detect(self, rgb: Picture) -> list[Detection]:
        self.detections += 1
        return [] if self.unseen else [Detection(square(*face), 0.9) for face in self.faces]

    def first_region(self, detection: Detection) -> Region:
        return region_of_box(detection.box, 0.0, 1.5)

    def landmarks(self, rgb: Picture, region: Region) -> FaceLandmarks:
        self.looks += 1
        for x, y, side in self.faces:
            if max(abs(x - region.x), abs(y - region.y)) < region.side / 2:
                return drawn(x, y, side, self.score)
        return drawn(region.x, region.y, region.side / 1.5, 0.1)


def square(x: float, y: float, side: float) -> tuple[float, float, float, float]:
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def drawn(x: float, y: float, side: float, score: float) -> FaceLandmarks:
    around = np.random.default_rng(0).uniform(-0.5, 0.5, size=(216, 2))
    around[:2] = [[-0.5, -0.5], [0.5, 0.5]]
    points = (around * side + [x, y]).astype(np.float32)
    return FaceLandmarks(points, score, 1.0, 2.0, 3.0, Region(x, y, 1.5 * side))


def run(tracker: FaceTracker, frames: int) -> list[list[FaceObservation]]:
    return [tracker.step(EMPTY, cut=False) for _ in range(frames)]


def ids(faces: list[FaceObservation]) -> list[int]:
    return [face.track for face in faces]


@pytest.fixture
def scripted() -> ScriptedBackend:
    return ScriptedBackend([(300, 200, 100)])


@pytest.fixture
def tracker(scripted: ScriptedBackend) -> FaceTracker:
    return FaceTracker(scripted, CLIPS)


def test_real_face_is_tracked_lost_and_recovered(mesh, paste):
    tracker = FaceTracker(mesh, ClipSettings())
    moving = [paste(640, 480, (100 + 4 * step, 80, 300)) for step in range(8)]
    followed = [tracker.step(frame, cut=False) for frame in moving]
    assert [ids(faces) for faces in followed] == [[0]] * 8
    assert all(faces[0].tracked and faces[0].score > 0.9 for faces in followed)
    shift = followed[7][0].points.mean(axis=0) - followed[0][0].points.mean(axis=0)
    np.testing.assert_allclose(shift, [28, 0], atol=2)

    gone = [tracker.step(EMPTY, cut=False)[0] for _ in range(5)]
    assert [(face.track, face.tracked) for face in gone] == [(0, False)] * 5
    assert all((face.points == followed[7][0].points).all() for face in gone)
    (back,) = tracker.step(moving[7], cut=False)
    assert (back.track, back.tracked) == (0, True)


def test_two_real_faces(mesh, paste):
    both = paste(960, 540, (40, 60, 300), (500, 100, 360))
    tracker = FaceTracker(mesh, ClipSettings())
    for _ in range(30):
        faces = tracker.step(both, cut=False)
        assert ids(faces) == [0, 1]
    larger, smaller = (box(face.points) for face in faces)
    assert larger[0] > 500 > smaller[2]  # numbered by size


def test_no_real_face_and_a_tiny_picture(mesh):
    tracker = FaceTracker(mesh, CLIPS)
    assert run(tracker, EVERY + 2) == [[]] * (EVERY + 2)
    assert tracker.step(np.zeros((1, 1, 3), dtype=np.uint8), cut=True) == []


def test_same_frames_same_answer(mesh, paste):
    frames = [paste(640, 480, (100 + 3 * step, 80, 300 - 2 * step)) for step in range(6)] + [EMPTY] * 3
    first, second = (
        [t.step(frame, cut=False) for frame in frames] for t in (FaceTracker(mesh, CLIPS), FaceTracker(mesh, CLIPS))
    )
    for one, other in zip(first, second, strict=True):
        assert [(a.track, a.score, a.tracked, a.yaw) for a in one] == [
            (b.track, b.score, b.tracked, b.yaw) for b in other
        ]
        assert all((a.points == b.points).all() for a, b in zip(one, other, strict=True))


def test_detector_runs_first_and_then_at_intervals(tracker, scripted):
    run(tracker, 1 + 2 * EVERY)
    assert scripted.detections == 3


def test_detector_runs_when_a_face_is_lost(tracker, scripted):
    run(tracker, 2)
    scripted.faces = []
    run(tracker, 1)
    assert scripted.detections == 2


def test_cut_ends_every_track(tracker):
    assert ids(run(tracker, 3)[-1]) == [0]
    assert ids(tracker.step(EMPTY, cut=True)) == [1]


@pytest.mark.parametrize(("missing", "number"), [(1, 0), (9, 0), (10, 1), (30, 1)])
def test_only_short_losses_are_bridged(tracker, scripted, missing, number):
    run(tracker, 3)
    faces, scripted.faces = scripted.faces, []
    lost = run(tracker, missing)
    assert [len(seen) for seen in lost] == [1] * min(missing, 9) + [0] * (missing - 9)
    scripted.faces = faces
    assert ids(run(tracker, EVERY)[-1]) == [number]


def test_low_score_is_a_loss_but_keeps_the_good_points(tracker, scripted):
    (before,) = run(tracker, 3)[-1]
    scripted.score, scripted.faces = 0.3, [(310, 200, 100)]
    (lost,) = tracker.step(EMPTY, cut=False)
    assert not lost.tracked
    assert lost.score == pytest.approx(0.3)
    assert (lost.points == before.points).all()
    assert (lost.yaw, lost.pitch, lost.roll) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("elsewhere", [(370, 200, 100), (300, 200, 20), (300, 200, 8), (300, 5, 100)])
def test_jumping_shrinking_or_leaving_points_are_rejected(tracker, scripted, elsewhere):
    run(tracker, 2)
    scripted.faces, scripted.unseen = [elsewhere], True
    (face,) = tracker.step(EMPTY, cut=False)
    assert not face.tracked
    np.testing.assert_allclose(face.points.mean(axis=0), [300, 200], atol=5)


def test_non_finite_points_are_rejected(tracker, scripted, monkeypatch):
    run(tracker, 2)
    broken = replace(drawn(300, 200, 100, 1.0), points=np.full((216, 2), np.nan, dtype=np.float32))
    monkeypatch.setattr(scripted, "landmarks", lambda rgb, region: broken)
    assert [face.tracked for face in tracker.step(EMPTY, cut=False)] == [False]


def test_new_faces_are_taken_up_to_the_limit_largest_first():
    scripted = ScriptedBackend([(100, 100, 40), (300, 100, 90), (500, 100, 60)])
    tracker = FaceTracker(scripted, ClipSettings(max_faces=2))
    sizes = [float(np.ptp(face.points[:, 0])) for face in tracker.step(EMPTY, cut=False)]
    assert sizes == pytest.approx([90, 60])


def test_second_face_that_comes_later_gets_the_next_number(tracker, scripted):
    run(tracker, 2)
    scripted.faces.append((500, 300, 80))
    assert ids(run(tracker, EVERY)[-1]) == [0, 1]


def test_two_tracks_that_meet_on_one_face_become_one():
    scripted = ScriptedBackend([(210, 200, 100), (290, 200, 100)])
    tracker = FaceTracker(scripted, CLIPS)
    assert ids(tracker.step(EMPTY, cut=False)) == [0, 1]
    scripted.faces = [(250, 200, 100)]  # the one face that both regions still see
    (face,) = tracker.step(EMPTY, cut=False)
    assert (face.track, face.tracked) == (0, True)


def test_lost_track_absorbs_the_younger_one_on_its_face():
    scripted = ScriptedBackend([(300, 200, 100)])
    tracker = FaceTracker(scripted, CLIPS)
    run(tracker, 2)
    scripted.faces = [(420, 200, 100)]  # too far to be the same: a new track, while the old one waits
    assert ids(run(tracker, 1)[-1]) == [0, 1]
    scripted.faces = [(380, 200, 100)]
    run(tracker, 1)
    scripted.faces = [(335, 200, 100)]
    (face,) = tracker.step(EMPTY, cut=False)
    assert (face.track, face.tracked) == (0, True)
    np.testing.assert_allclose(box(face.points), [285, 150, 385, 250], atol=0.1)


def test_doubled_detection_makes_one_track():
    scripted = ScriptedBackend([(300, 200, 100), (304, 203, 104)])
    assert ids(FaceTracker(scripted, CLIPS).step(EMPTY, cut=False)) == [0]


def test_detection_without_a_face_makes_no_track():
    scripted = ScriptedBackend([(300, 200, 100)], score=0.2)
    assert FaceTracker(scripted, CLIPS).step(EMPTY, cut=False) == []


def test_repeated_frame_costs_nothing(tracker, scripted):
    (first,) = run(tracker, 3)[-1]
    work = (scripted.detections, scripted.looks)
    for _ in range(50):
        (again,) = tracker.step(EMPTY, cut=False, same_as_last=True)
    assert (scripted.detections, scripted.looks) == work
    assert (again.track, again.tracked) == (0, True)
    assert (again.points == first.points).all()


def test_lost_face_ends_during_a_frozen_picture(tracker, scripted):
    run(tracker, 3)
    scripted.faces = []
    run(tracker, 1)
    frozen = [tracker.step(EMPTY, cut=False, same_as_last=True) for _ in range(12)]
    assert [len(faces) for faces in frozen] == [1] * 8 + [0] * 4


def test_repeated_frame_after_a_cut_is_measured(tracker, scripted):
    assert ids(tracker.step(EMPTY, cut=True, same_as_last=True)) == [0]
    assert scripted.detections == 1


@pytest.fixture(scope="module")
def crop(astronaut):
    return cv2.resize(astronaut[25:225, 124:324], (128, 128), interpolation=cv2.INTER_AREA)


def test_detector_locates_a_real_face(mesh, crop, astronaut):
    landmarks, there = find_landmarks(mesh, ClipSettings(), np.stack([crop] * 2))
    assert there.all()
    face = mesh.landmarks(astronaut, mesh.first_region(mesh.detect(astronaut)[0])).points
    expected = (face - (124, 25)) * (128 / 200)
    assert np.linalg.norm(landmarks[1] - expected, axis=1).mean() < 0.06 * float(interocular(expected))


def test_detector_finds_nothing_without_a_face(mesh, crop):
    landmarks, there = find_landmarks(mesh, ClipSettings(), np.stack([np.full_like(crop, 90)] * 2))
    assert not there.any()
    assert not landmarks.any()
