"""Squares, boxes and their distances, on numbers that can be checked by hand."""

import numpy as np
import pytest

from heterodub.tasks.faces.region import Region, distance, longer_side, overlap, region_of_box, region_of_points


def test_crop_centre_and_right_edge_land_where_the_region_says():
    matrix = Region(100.0, 50.0, 40.0, roll=90.0).to_picture(192)
    np.testing.assert_allclose(matrix @ [96, 96, 1], [100, 50])
    np.testing.assert_allclose(matrix @ [192, 96, 1], [100, 70])  # clockwise: the crop's right is the picture's bottom


def test_region_of_a_box():
    assert region_of_box((10, 20, 30, 60), 5.0, 1.5) == Region(20, 40, 60, 5.0)


@pytest.mark.parametrize("roll", [0.0, 30.0, -100.0])
def test_region_of_points_turns_with_them(roll):
    upright = np.array([[-10.0, -5.0], [30.0, -5.0], [30.0, 15.0], [0.0, 15.0]])
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    turned = upright @ np.array([[cos, sin], [-sin, cos]])
    region = region_of_points(turned, roll, 1.5)
    np.testing.assert_allclose([region.x, region.y], [10 * cos - 5 * sin, 10 * sin + 5 * cos])
    assert region.side == pytest.approx(60.0)


def test_overlap():
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0


def test_distance_is_in_sizes():
    assert distance((0, 0, 10, 10), (30, 40, 40, 50)) == pytest.approx(5.0)
    assert distance((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert longer_side((0, 0, 3, 7)) == 7
