"""Picture scores by hand, and where they are not defined."""

import numpy as np
import pytest

from heterodub.model.evaluation.frechet import frechet_distance
from heterodub.model.evaluation.image_scores import flicker, psnr_db, region_mean, sharpness, ssim_maps


@pytest.fixture(scope="module")
def true():
    return np.random.default_rng(0).random((3, 16, 16, 3)).astype(np.float32)


def everywhere(pictures):
    return np.ones(pictures.shape[:3], bool)


def test_psnr_is_of_the_region(true):
    made, region = true.copy(), np.zeros(true.shape[:3], bool)
    region[:, :8] = True
    made[:, :8] += 0.1
    assert psnr_db(made, true, region) == pytest.approx(20, abs=1e-3)
    assert psnr_db(made, true, ~region) == pytest.approx(100)


def test_ssim_of_equals_is_one_and_of_noise_is_not(true):
    assert region_mean(ssim_maps(true, true), everywhere(true)) == pytest.approx(1)
    assert region_mean(ssim_maps(true[::-1].copy(), true), everywhere(true)) < 0.5


def test_sharpness_scales_with_the_squared_contrast(true):
    assert sharpness(true / 2, true, everywhere(true)) == pytest.approx(0.25, rel=1e-3)
    assert sharpness(true, 0 * true, everywhere(true)) is None


def test_flicker_is_change_over_change(true):
    assert flicker(2 * true, true, everywhere(true)) == pytest.approx(2, rel=1e-3)
    assert flicker(true[:1], true[:1], everywhere(true[:1])) is None
    assert flicker(true, 0 * true, everywhere(true)) is None


def test_empty_region_is_refused(true):
    with pytest.raises(ValueError, match="no pixel"):
        psnr_db(true, true, ~everywhere(true))


def test_frechet_of_two_gaussians():
    draw = np.random.default_rng(0)
    one, other = draw.normal(0, 1, (4000, 3)), draw.normal(0, 2, (4000, 3)) + np.array([1, 0, 0])
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(other, one) == pytest.approx(1 + 3 * (2 - 1) ** 2, rel=0.1)
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(one[:1], other)
