"""One look at a picture or a part of it."""

import cv2
import numpy as np
import pytest

from tasks.faces.detector import FULL_RANGE, SHORT_RANGE, FaceDetector, merge
from tasks.faces.region import Detection, overlap

FACE = (178.0, 81.0, 272.0, 175.0)


@pytest.mark.parametrize("layout", [SHORT_RANGE, FULL_RANGE])
def test_detector_locates_the_face(astronaut, layout):
    (face,) = FaceDetector(layout)(astronaut)
    assert overlap(face.box, FACE) > 0.6
    assert face.score > 0.5


@pytest.mark.parametrize("layout", [SHORT_RANGE, FULL_RANGE])
def test_no_face_in_grey_noise_or_nothing(layout):
    noise = np.random.default_rng(0).integers(0, 255, size=(200, 300, 3), dtype=np.uint8)
    assert FaceDetector(layout)(noise) == []
    assert FaceDetector(layout)(np.zeros((1, 1, 3), dtype=np.uint8)) == []


def test_detection_in_a_crop_is_in_full_picture_pixels(astronaut):
    detect = FaceDetector()
    (face,) = detect(astronaut, (100, 20, 400, 300))
    assert overlap(face.box, FACE) > 0.6
    assert detect(astronaut, (300, 300, 512, 512)) == []


def test_turned_face_has_that_roll(astronaut):
    detect = FaceDetector()
    (upright,) = detect(astronaut)
    clockwise = cv2.getRotationMatrix2D((224, 125), -30, 1)
    (turned,) = detect(cv2.warpAffine(astronaut, clockwise, (512, 512)))
    assert turned.roll - upright.roll == pytest.approx(30, abs=10)


def test_merging_averages_one_face_and_keeps_two():
    strong, weak = Detection((0, 0, 10, 10), 0.9), Detection((2, 0, 12, 10), 0.3)
    other = Detection((50, 50, 60, 60), 0.6)
    first, second = merge([weak, other, strong])
    assert first.box == pytest.approx((0.5, 0, 10.5, 10))  # weights 0.9 and 0.3
    assert (first.score, second) == (0.9, other)
    assert merge([]) == []
