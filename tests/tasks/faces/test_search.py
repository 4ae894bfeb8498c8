"""Faces of all sizes are found, and a talking head costs one look."""

import numpy as np
import pytest

from tasks.faces.region import longer_side
from tasks.faces.search import FaceSearch, tiles


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
