"""The one interpolation over all boundaries gives what resampling each by itself gives."""

import numpy as np
import pytest

from model.features.landmarks import BOUNDARIES, SLICES, resample
from tasks.faces.curves import IBUG68, MESH, CurveMap


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
