"""Blending of a generated crop: whole mouths, both chins, no eyes, no seam, no brightness step."""

import numpy as np

from heterodub.model.dubbing.blending import COARSE, shown, star, unblended
from heterodub.model.features.landmarks import LIPS, OUTLINE, SLICES
from heterodub.model.stage2 import mask
from tests.model.stage2.faces import still

SIDE = 128
RNG = np.random.default_rng(3)


def at(raster, points):
    columns, rows = np.clip(points / COARSE, 0, len(raster) - 1).astype(int).T
    return raster[rows, columns]


def test_mask_covers_the_mouth_and_both_chins_and_leaves_eyes_and_forehead():
    (_, closed), (_, opened) = still(0, SIDE), still(12, SIDE)
    lower = opened.copy()
    lower[OUTLINE][15:25, 1] += 8
    shape = star(closed, lower, SIDE)
    assert at(shape, closed[LIPS]).min() > 0.85
    assert at(shape, opened[LIPS]).min() > 0.85
    assert at(shape, lower[OUTLINE][18:22] - [0, 2]).min() > 0
    assert at(shape, closed[OUTLINE][18:22] - [0, 2]).min() > 0
    for name in ("lid_left_lower", "lid_right_lower", "brow_left", "nose_bridge"):
        assert at(shape, closed[SLICES[name]][:8]).max() == 0
    assert shape[0].max() == shape[:, 0].max() == shape[:, -1].max() == 0


def test_cheeks_near_the_ears_stay_the_source():
    """Hair or a jaw line that a reference frame has there must not come into the picture."""
    _, points = still(6, SIDE)
    shape = star(points, points, SIDE)
    jaw, middle = points[OUTLINE], points[LIPS].mean(axis=0)
    beside = np.concatenate([jaw[:5], jaw[-5:]]) * 0.85 + middle * 0.15
    assert at(shape, beside).max() == 0
    assert at(shape, jaw[17:23] * 0.85 + middle * 0.15).min() > 0.1


def test_pixels_outside_the_generated_region_are_not_shown():
    _, points = still(10, SIDE)
    shares, in_blend = shown(points[None], points[None], SIDE)
    assert (shares[in_blend < 0.1] == 0).all()
    assert shares.max() == 1
    assert (shares[0] <= star(points, points, SIDE) + 1e-6).all()


def test_blend_is_invertible():
    pictures, points = still(10, SIDE)
    source = pictures.astype(np.float32) / 255
    fresh = np.clip(source[::-1] * 0.5 + 0.2, 0, 1)  # another picture altogether
    share = mask.soft(points[None], SIDE)[0, ..., None]
    blended = (1 - share) * source + share * fresh
    shares, in_blend = shown(points[None], points[None], SIDE)
    still_there = np.zeros_like(shares)  # no border, so no light to match
    result = unblended(blended[None], pictures[None], in_blend, still_there)[0]
    inside = share[..., 0] > 0.6
    assert np.abs(result - fresh)[inside].max() < 12 / 255  # the share is known on a coarse raster
    assert np.abs(result - source)[share[..., 0] == 0].max() < 1 / 255


def test_brightness_step_at_the_border_is_removed():
    pictures, points = still(20, SIDE)
    source = pictures.astype(np.float32) / 255
    share = mask.soft(points[None], SIDE)[0, ..., None]
    lighter = (1 - share) * source + share * np.clip(source + 0.08, 0, 1)
    shares, in_blend = shown(points[None], points[None], SIDE)
    result = unblended(lighter[None], pictures[None], in_blend, shares)[0]
    fine = np.kron(shares[0], np.ones((COARSE, COARSE)))
    off = (result - source)[(fine > 0.1) & (fine < 0.9)]
    assert abs(off.mean()) < 0.012
    lips = points[LIPS].mean(axis=0).astype(int)
    assert np.abs(result[lips[1], lips[0]] - source[lips[1], lips[0]]).max() < 0.03


def test_border_gradients_equal_the_source():
    pictures, points = still(20, SIDE)
    source = pictures.astype(np.float32) / 255
    share = mask.soft(points[None], SIDE)[0, ..., None]
    other_light = np.clip(source + np.array([0.16, 0.1, -0.1]), 0, 1)
    blended = (1 - share) * source + share * other_light
    shares, in_blend = shown(points[None], points[None], SIDE)
    result = unblended(blended[None], pictures[None], in_blend, shares)[0]
    fine = np.kron(shares[0], np.ones((COARSE, COARSE)))[..., None]
    whole = source + fine * (result - source)
    hard = np.where(fine > 0.5, other_light, source)  # what a seam would be

    def steepness(picture):
        step = np.hypot(np.diff(picture, axis=0)[:, :-1], np.diff(picture, axis=1)[:-1]).mean(axis=-1)
        return step[(fine[:-1, :-1, 0] > 0) & (fine[:-1, :-1, 0] < 1)].mean()

    assert steepness(whole) < 1.1 * steepness(source)
    assert steepness(hard) > 1.1 * steepness(source)
