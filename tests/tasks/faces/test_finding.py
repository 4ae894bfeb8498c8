"""Faces found again in crops: where they are, and not where there is none."""

import cv2
import numpy as np
import pytest

from model.features.landmarks import interocular
from schemas.config.settings import ClipSettings
from tasks.faces.finding import find_landmarks


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
