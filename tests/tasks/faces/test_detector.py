"""One look at a picture or a part of it."""

import cv2
import numpy as np
import pytest

from heterodub.tasks.faces.detector import FULL_RANGE, SHORT_RANGE, FaceDetector, FaceSearch, merge, tiles
from heterodub.tasks.faces.region import Detection, longer_side, overlap

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


@pytest.fixture(scope="module")
def search() -> FaceSearch:
    return FaceSearch()


def no_look(*_: object) -> None:
    raise AssertionError("this detector was not needed")


@pytest.mark.parametrize(
    ("width", "height", "x", "y", "tall"),
    [
        (480, 360, 300, 120, 90),  # a face of some 45 px
        (1920, 1080, 1300, 500, 200),  # some 100 px
        (1080, 1920, 200, 1200, 200),
        (512, 512, 30, 200, 280),
    ],
)
def test_small_and_large_faces(search, paste, width, height, x, y, tall):
    (face,) = search(paste(width, height, (x, y, tall)))
    left, top, right, bottom = face.box
    assert x < (left + right) / 2 < x + tall
    assert y < (top + bottom) / 2 < y + tall
    assert 0.25 * tall < longer_side(face.box) < 0.65 * tall


def test_largest_first(search, paste):
    faces = search(paste(960, 540, (40, 100, 160), (500, 60, 400)))
    sizes = [longer_side(face.box) for face in faces]
    assert len(sizes) == 2
    assert sizes == sorted(sizes, reverse=True)


def test_talking_head_needs_one_detector_call(paste):
    search = FaceSearch()
    search._far = no_look
    assert len(search(paste(640, 480, (200, 50, 400)))) == 1


def test_no_face(search):
    assert search(np.full((300, 500, 3), 128, dtype=np.uint8)) == []


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (100, 100), (1, 1), (7, 3000)])
def test_tiles_cover_the_picture_and_overlap(width, height):
    seen = np.zeros((height, width), dtype=int)
    for left, top, right, bottom in tiles(width, height):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1


@pytest.mark.parametrize(("width", "height", "count"), [(512, 512, 4), (1920, 1080, 2), (1080, 1920, 2), (640, 480, 4)])
def test_every_small_face_lies_wholly_in_a_tile(width, height, count):
    parts = tiles(width, height)
    assert len(parts) == count
    face = int(0.2 * max(width, height)) - 1
    for x in range(0, width - face, 7):
        for y in range(0, height - face, 7):
            assert any(a <= x and b <= y and x + face <= c and y + face <= d for a, b, c, d in parts)
