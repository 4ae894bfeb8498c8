"""The one interpolation over all boundaries gives what resampling each by itself gives."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import BOUNDARIES, SLICES, resample
from heterodub.tasks.faces.points import (
    _IBUG_INDEX,
    _IBUG_MODEL,
    _RIGID_INDEX,
    _RIGID_MODEL,
    IBUG68,
    MESH,
    CurveMap,
    pose_from_ibug68,
    pose_from_mesh,
)


@pytest.mark.parametrize(("controls", "count"), [(MESH, 468), (MESH, 478), (IBUG68, 68)])
@pytest.mark.parametrize("seed", range(3))
def test_curves_equal_resampling_each_boundary(controls, count, seed):
    points = np.random.default_rng(seed).uniform(0, 500, size=(count, 2))
    mapped = CurveMap(controls)(points)
    assert (mapped.shape, mapped.dtype) == ((216, 2), np.float32)
    for boundary in BOUNDARIES:
        curve = np.array([np.mean(points[np.atleast_1d(control)], axis=0) for control in controls[boundary.name]])
        np.testing.assert_allclose(mapped[SLICES[boundary.name]], resample(curve, boundary.points), atol=1e-3)


def test_depth_is_ignored_and_collapsed_faces_are_mapped():
    collapsed = np.tile([[4.0, 5.0, 6.0]], (468, 1))
    assert (CurveMap(MESH)(collapsed) == [4.0, 5.0]).all()


@pytest.mark.parametrize("controls", [{**MESH, "forehead": (1, 2)}, {k: v for k, v in MESH.items() if k != "outline"}])
def test_other_boundaries_are_refused(controls):
    with pytest.raises(ValueError, match="boundaries"):
        CurveMap(controls)


def test_boundary_without_points_is_refused():
    with pytest.raises(ValueError, match="boundaries"):
        CurveMap({**MESH, "outline": ()})


TURNS = [
    (0, 0, 0),
    (30, 0, 0),
    (-30, 0, 0),
    (0, 20, 0),
    (0, -20, 0),
    (0, 0, 40),
    (0, 0, -150),
    (25, -15, 10),
    (-40, 25, -60),
]


def seen(model: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The model in picture axes (x right, y down, z away), turned: nose to the right, nose up, head clockwise."""
    y, x, z = np.radians([yaw, -pitch, -roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return model @ (about_z @ about_y @ about_x).T * [1, -1, -1]


@pytest.mark.parametrize("turn", TURNS)
def test_mesh_pose_is_found_again_at_any_size_and_place(turn):
    vertices = np.zeros((478, 3))
    vertices[_RIGID_INDEX] = seen(_RIGID_MODEL, *turn) * 13.0 + [400.0, 90.0, -5.0]
    np.testing.assert_allclose(pose_from_mesh(vertices), turn, atol=1e-6)


@pytest.mark.parametrize("turn", TURNS)
def test_pose_of_68_points_is_found_again(turn):
    points = np.zeros((68, 2))
    points[_IBUG_INDEX] = seen(_IBUG_MODEL, *turn)[:, :2] * 13.0 + [400.0, 90.0]
    np.testing.assert_allclose(pose_from_ibug68(points), turn, atol=4.0)  # seen from afar, solved for a camera nearby


def test_signs_as_a_viewer_sees_them():
    nose, left, right = (
        _RIGID_INDEX.tolist().index(4),
        _RIGID_INDEX.tolist().index(33),
        _RIGID_INDEX.tolist().index(263),
    )
    frontal = seen(_RIGID_MODEL, 0, 0, 0)
    assert seen(_RIGID_MODEL, 20, 0, 0)[nose, 0] > frontal[nose, 0]  # to the viewer's right
    assert seen(_RIGID_MODEL, 0, 20, 0)[nose, 1] < frontal[nose, 1]  # up, where y is down
    tilted = seen(_RIGID_MODEL, 0, 0, 20)
    assert tilted[right, 1] > tilted[left, 1]  # clockwise: the right eye sinks
