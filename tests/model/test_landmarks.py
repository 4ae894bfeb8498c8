"""The order of the points, resampling, and the measures, on points whose answers are known by hand."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import (
    BOUNDARIES,
    LIPS,
    OUTLINE,
    POSE,
    PREDICTED,
    SLICES,
    bounding_diagonal,
    box,
    eye_centres,
    interocular,
    mouth_opening,
    mouth_width,
    resample,
)
from heterodub.schemas.contract import LANDMARK_POINTS


def synthetic_face(gap_px: float = 10.0, eyes_px: float = 60.0, mouth_px: float = 50.0) -> np.ndarray:
    """A face whose eye centres are `eyes_px` apart, its mouth `mouth_px` wide and open by `gap_px` in the middle."""
    points = np.zeros((LANDMARK_POINTS, 2))
    for name, x in (("lid_left", -eyes_px / 2), ("lid_right", eyes_px / 2)):
        for part, lift in (("upper", -4.0), ("lower", 4.0)):
            along = np.linspace(-10, 10, 14)
            points[SLICES[f"{name}_{part}"]] = np.stack([x + along, lift * (1 - (along / 10) ** 2)], axis=1)
    along = np.linspace(-mouth_px / 2, mouth_px / 2, 15)
    for name, drop in (
        ("upper_outer", -8.0),
        ("upper_inner", 0.0),
        ("lower_inner", gap_px),
        ("lower_outer", gap_px + 8),
    ):
        points[SLICES[f"lip_{name}"]] = np.stack([along, np.full(15, 60.0 + drop)], axis=1)
    return points


def turned(points: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    angle = np.radians(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + [300.0, -20.0]


def test_thirteen_boundaries_make_216_points_in_a_row():
    assert len(BOUNDARIES) == 13
    assert sum(boundary.points for boundary in BOUNDARIES) == LANDMARK_POINTS
    covered = np.concatenate([np.arange(LANDMARK_POINTS)[SLICES[boundary.name]] for boundary in BOUNDARIES])
    assert covered.tolist() == list(range(LANDMARK_POINTS))


def test_parts_split_the_points():
    everything = np.arange(LANDMARK_POINTS)
    assert (len(POSE), len(PREDICTED)) == (116, 100)
    assert sorted([*POSE, *PREDICTED]) == everything.tolist()
    assert PREDICTED.tolist() == [*everything[OUTLINE], *everything[LIPS]]
    assert (len(everything[OUTLINE]), len(everything[LIPS])) == (40, 60)


@pytest.mark.parametrize("seed", range(20))
def test_resample_keeps_ends_order_and_curve(seed):
    draw = np.random.default_rng(seed)
    curve = draw.normal(size=(draw.integers(2, 30), 2)).cumsum(axis=0) * draw.uniform(0.1, 100)
    count = int(draw.integers(2, 60))
    points = resample(curve, count)
    assert points.shape == (count, 2)
    np.testing.assert_allclose(points[[0, -1]], curve[[0, -1]], atol=1e-9)
    lengths = np.hypot(*np.diff(curve, axis=0).T)
    # no step is longer than the way along the curve, so points are at equal distances along it
    assert (np.hypot(*np.diff(points, axis=0).T) <= lengths.sum() / (count - 1) * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", range(5))
def test_resample_commutes_with_a_similarity(seed):
    curve = np.random.default_rng(seed).normal(size=(9, 2))
    moved = resample(turned(curve, 33.0, 2.5), 17)
    np.testing.assert_allclose(moved, turned(resample(curve, 17), 33.0, 2.5), atol=1e-9)


def test_resample_is_by_length_not_by_index():
    uneven = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [10.0, 0.0]])
    np.testing.assert_allclose(resample(uneven, 3)[:, 0], [0.0, 5.0, 10.0])


def test_resample_of_one_place():
    assert resample(np.full((4, 2), 7.0), 3).tolist() == [[7.0, 7.0]] * 3
    assert resample(np.array([[1.0, 2.0]]), 2).tolist() == [[1.0, 2.0]] * 2


@pytest.mark.parametrize(("curve", "count"), [(np.zeros((0, 2)), 5), (np.zeros((5, 3)), 5), (np.zeros((5, 2)), 1)])
def test_resample_refuses(curve, count):
    with pytest.raises(ValueError, match="curve"):
        resample(curve, count)


@pytest.mark.parametrize("gap", [0.0, 3.0, 30.0, -2.0])
def test_mouth_opening_is_the_gap_over_the_eye_distance(gap):
    faces = np.stack([synthetic_face(gap), synthetic_face(2 * gap)])
    np.testing.assert_allclose(mouth_opening(faces), [gap / 60, 2 * gap / 60], atol=1e-12)


@pytest.mark.parametrize("degrees", [-80, 25, 170])
def test_measures_do_not_change_with_tilt_and_size(degrees):
    face = turned(synthetic_face(12.0), degrees, 3.0)[None]
    np.testing.assert_allclose(mouth_opening(face), [12 / 60])
    np.testing.assert_allclose(mouth_width(face), [50 / 60])
    np.testing.assert_allclose(interocular(face), [180.0])


def test_blink_moves_no_eye_centre():
    face = synthetic_face()
    left, right = eye_centres(face)
    assert (left.tolist(), right.tolist()) == ([-30.0, 0.0], [30.0, 0.0])
    face[SLICES["lid_left_upper"]][1:-1, 1] = 4.0
    assert interocular(face) == pytest.approx(60.0)


def test_no_measure_where_the_eyes_coincide():
    flat = np.zeros((2, LANDMARK_POINTS, 2))
    assert np.isnan(mouth_opening(flat)).all()
    assert np.isnan(mouth_width(flat)).all()


@pytest.mark.parametrize("measure", [mouth_opening, mouth_width, interocular])
def test_measures_refuse_other_shapes(measure):
    with pytest.raises(ValueError, match=r"\(3, 68, 2\)"):
        measure(np.zeros((3, 68, 2)))


def test_box_and_diagonal():
    points = np.array([[3.0, 10.0], [6.0, 14.0], [4.0, 12.0]])
    assert box(points).tolist() == [3.0, 10.0, 6.0, 14.0]
    assert bounding_diagonal(points) == pytest.approx(5.0)
    assert box(np.stack([points, points + 1])).shape == (2, 4)
