"""Faces: the network against dlib's own, chips in their places, and frames that are chosen."""

import dlib
import numpy as np
import pytest
import skimage.data

from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.mesh import open_mesh_v1
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.identity.face_embedding import FaceView, choose_views, embed_face, face_chip
from heterodub.tasks.identity.face_network import open_face_network, read_face_network
from heterodub.tasks.identity.weights import package_file
from tests.flows.heads import head
from tests.tasks.faces.covered import talker

FILE = package_file("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")
CORNERS = package_file("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat")


@pytest.fixture(scope="module")
def network():
    return open_face_network()


def view_of(pictures, frame: int = 0, **more) -> FaceView:
    """The largest face of the last of some pictures."""
    tracker = FaceTracker(open_mesh_v1(), ClipSettings())
    faces = [tracker.step(picture, number == 0) for number, picture in enumerate(pictures)][-1]
    points = faces[0].points
    return FaceView(frame, pictures[-1], points, 120.0, faces[0].yaw, faces[0].pitch, 1.0, **more)


@pytest.fixture(scope="module")
def photograph() -> FaceView:
    return view_of([np.ascontiguousarray(skimage.data.astronaut()[:256, 80:336])])


@pytest.fixture(scope="module")
def drawn() -> FaceView:
    return view_of(list(talker("s07", 3)))


def test_network_gives_what_dlib_gives(network, photograph, drawn):
    chips = np.stack([face_chip(view.square, view.points) for view in (photograph, drawn)])
    noise = np.random.default_rng(0).integers(0, 256, chips.shape, np.uint8)
    own = dlib.face_recognition_model_v1(str(FILE))
    for chip, descriptor in zip((*chips, *noise), network.descriptors(np.concatenate([chips, noise])), strict=True):
        np.testing.assert_allclose(descriptor, np.array(own.compute_face_descriptor(chip)), atol=1e-5)


def test_chip_is_cut_out_as_dlib_does(network, photograph):
    """dlib finds the corners of the eyes by itself; the descriptors are nearer than two films of one person."""
    predictor = dlib.shape_predictor(
        str(package_file("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat"))
    )
    left, top, right, bottom = *photograph.points.min(axis=0), *photograph.points.max(axis=0)
    shape = predictor(photograph.square, dlib.rectangle(*map(int, (left, top, right, bottom))))
    theirs = dlib.get_face_chip(photograph.square, shape)
    ours = face_chip(photograph.square, photograph.points)
    assert ours.shape == theirs.shape and ours.dtype == np.uint8
    one, other = network.descriptors(np.stack([ours, theirs]))
    assert np.linalg.norm(one - other) < 0.25


def test_turned_face_is_set_upright(network, photograph):
    turned = np.ascontiguousarray(np.rot90(photograph.square))
    points = np.stack([photograph.points[:, 1], turned.shape[0] - 1 - photograph.points[:, 0]], axis=1)
    upright = [face_chip(photograph.square, photograph.points), face_chip(turned, points)]
    assert np.abs(np.subtract(*np.array(upright, float))).mean() < 3


def test_same_face_is_nearer_than_another(network, photograph, drawn):
    other_film = view_of(head(3, 4))
    own, again, another = (embed_face(network, [view]) for view in (photograph, other_film, drawn))
    assert np.linalg.norm(own - again) < 0.4 < 0.6 < np.linalg.norm(own - another)


def test_best_good_frame_of_each_third_is_chosen(photograph):
    def at(frame, sharpness=1.0, yaw=0.0, face_px=120.0, pitch=0.0):
        return FaceView(frame, photograph.square, photograph.points, face_px, yaw, pitch, sharpness)

    views = [at(0, 0.5), at(5, 0.9), at(12, 0.9, yaw=39), at(15, 0.8), at(25, 1.0, yaw=41), at(26, 1.0, face_px=39)]
    assert [view.frame for view in choose_views(views, 30)] == [5, 15]
    assert choose_views([at(3, pitch=36)], 30) == []


def test_file_of_another_network_is_none(tmp_path):
    (other := tmp_path / "other.dat").write_bytes(FILE.read_bytes()[:1_000_000])
    assert read_face_network(other) is None
    other.write_bytes(b"nothing")
    assert read_face_network(other) is None
