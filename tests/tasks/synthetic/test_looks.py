"""Speakers are told apart by what the pipeline itself looks at: landmarks of the mesh, and the hash of a picture."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from heterodub.schemas.config.settings import ClipSettings
from heterodub.tasks.faces.mesh import open_mesh_v1
from heterodub.tasks.faces.tracker import FaceTracker
from heterodub.tasks.quality.fingerprints import picture_hash
from heterodub.tasks.releases.fingerprints import MAX_MEAN_BITS
from heterodub.tasks.synthetic.looks import Look
from heterodub.tasks.synthetic.people import BY_NAME, PEOPLE
from heterodub.tasks.synthetic.portrait import portrait
from heterodub.tasks.synthetic.render import render, still


@pytest.fixture(scope="module")
def frames() -> dict[str, np.ndarray]:
    return {person.name: next(render(portrait(person), still(1))) for person in PEOPLE}


def test_mesh_finds_one_face_on_each_and_no_two_of_one_shape(frames):
    tracker, shapes = FaceTracker(open_mesh_v1(), ClipSettings()), {}
    for name, frame in frames.items():
        (face,) = tracker.step(frame, cut=True)
        assert face.tracked, name
        points = face.points - face.points.mean(axis=0)
        shapes[name] = points / np.linalg.norm(points)
    for one, other in combinations(shapes, 2):
        assert np.linalg.norm(shapes[one] - shapes[other]) > 0.03, (one, other)


def test_no_two_speakers_share_a_scene(frames):
    hashes = {
        name: int.from_bytes(picture_hash(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))) for name, frame in frames.items()
    }
    for one, other in combinations(hashes, 2):
        assert (hashes[one] ^ hashes[other]).bit_count() > MAX_MEAN_BITS, (one, other)


@pytest.mark.parametrize("look", [Look(hair="bald"), Look(hair="bob"), Look(beard="full"), Look(glasses=True)])
def test_look_is_drawn(look):
    plain, changed = (portrait(replace(BY_NAME["s01"], look=other)).picture.astype(int) for other in (Look(), look))
    assert np.abs(plain - changed).mean() > 0.5


def test_age_deepens_or_smooths_the_skin():
    def texture(age):
        person = replace(BY_NAME["s01"], look=Look(age=age))
        face = portrait(person)
        x, y = (int(value) for value in face.nose_base)
        cheek = face.picture[y - 30 : y + 10, x - 60 : x - 25].mean(axis=2)
        return np.abs(np.diff(cheek, axis=1)).mean()

    assert texture(-1.0) < 0.8 * texture(0.0) < 0.65 * texture(1.0)
