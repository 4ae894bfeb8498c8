"""Steps along a dubbed mouth's border: none where nothing changed, and as large as what was added."""

import numpy as np
import pytest

from heterodub.model.dubbing.blending import COARSE, star
from heterodub.model.dubbing.seams import seam_scores
from tests.model.stage2 import faces

SIDE = 128


@pytest.fixture(scope="module")
def still():
    """Eight noisy grey crops, the landmarks in them, and the mask at full size."""
    points = np.repeat(faces.still(6, SIDE)[1][None], 8, axis=0)
    crops = np.random.default_rng(0).integers(90, 140, (8, SIDE, SIDE, 3)).astype(np.uint8)
    mask = np.kron(star(points[0], points[0], SIDE), np.ones((COARSE, COARSE)))[None, ..., None]
    return crops, points, mask


def scores(dubbed, still):
    crops, points, _ = still
    return seam_scores(np.clip(np.rint(dubbed), 0, 255).astype(np.uint8), crops, points, points)


def test_an_unchanged_crop_has_no_step(still):
    result = scores(still[0].astype(float), still)
    assert result.seam_N.max() == result.colour_step_N.max() == np.nanmax(result.flicker_N) == 0
    assert np.isnan(result.flicker_N[0])


def test_colour_step_is_the_length_of_the_added_colour(still):
    result = scores(still[0] + np.array([3, 4, 12.0]), still)
    assert result.colour_step_N == pytest.approx(13, abs=0.1)
    assert result.seam_N.max() < 0.5  # without an edge
    assert np.nanmax(result.flicker_N) < 0.1


def test_a_hard_edge_is_a_seam_and_a_soft_one_is_less(still):
    crops, _, mask = still
    hard, soft = (scores(crops + 20 * shown, still).seam_N.max() for shown in (mask > 0.05, mask))
    assert hard > 2 * soft
    assert hard > 5


def test_light_that_changes_with_every_frame_flickers(still):
    crops, _, mask = still
    sign = np.where(np.arange(8) % 2, 6, -6)[:, None, None, None]
    assert np.nanmedian(scores(crops + sign * (mask > 0), still).flicker_N) == pytest.approx(12, abs=0.5)
