"""Head pose of a generic head that was turned by known angles."""

import numpy as np
import pytest

from tasks.faces.pose import _IBUG_INDEX, _IBUG_MODEL, _RIGID_INDEX, _RIGID_MODEL, pose_from_ibug68, pose_from_mesh

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
