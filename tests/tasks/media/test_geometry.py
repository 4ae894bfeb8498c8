import av
import numpy as np
import pytest

from heterodub.tasks.media.geometry import Orientation
from tests.tasks.media.media_files import regular

PICTURE = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, 2)
ONE = 1 << 16


def _by_matrix(a, b, c, d):
    """The picture with every pixel moved where the matrix says, done pixel by pixel."""
    moved = {}
    for y in range(2):
        for x in range(3):
            moved[(a * x + c * y, b * x + d * y)] = PICTURE[y, x]
    left, top = min(x for x, _ in moved), min(y for _, y in moved)
    wide, high = max(x for x, _ in moved) - left + 1, max(y for _, y in moved) - top + 1
    out = np.zeros((high, wide, 3), np.uint8)
    for (x, y), value in moved.items():
        out[y - top, x - left] = value
    return out


@pytest.mark.parametrize(
    "abcd",
    [
        (1, 0, 0, 1),
        (0, 1, -1, 0),
        (-1, 0, 0, -1),
        (0, -1, 1, 0),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, -1, 0),
    ],
)
def test_all_eight_ways_move_every_pixel_where_the_matrix_says(abcd):
    a, b, c, d = abcd
    orientation = Orientation.from_matrix(np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]))
    turned = orientation.apply(PICTURE)
    np.testing.assert_array_equal(turned, _by_matrix(a, b, c, d))
    assert orientation.displayed(3, 2) == turned.shape[1::-1]
    assert turned.flags.c_contiguous


def test_matrix_that_flattens_the_picture_is_ignored():
    assert Orientation.from_matrix(np.zeros(9, np.int32)).upright


@pytest.mark.parametrize(("degrees", "clockwise"), [(90.0, 270), (-90.0, 90), (180.0, 180)])
def test_read_from_a_file(clip, degrees, clockwise):
    with av.open(str(clip(".mp4", regular(2), rotation=(degrees, False)))) as source:
        assert Orientation.of(next(source.decode(video=0))).rotation_deg == clockwise
