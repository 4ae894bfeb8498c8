"""Laying in: what is outside stays to the bit, colours are right, and neither seam nor old mouth is left."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from model.dubbing.compositing import (
    Colours,
    Planes,
    lay_in,
    match_colours,
    shown_share,
    soft_mask,
    unblended,
)
from model.features.landmarks import LIPS, OUTLINE, SLICES
from tests.model.stage2.faces import still

SIDE = 128
RNG = np.random.default_rng(3)


def planes(height=60, width=80, halved=True) -> Planes:
    small = (height // 2, width // 2) if halved else (height, width)
    luma, blueness, redness = (
        RNG.integers(30, 200, shape).astype(np.uint8) for shape in ((height, width), small, small)
    )
    return Planes(luma, blueness, redness, halved)


def copied(given: Planes) -> Planes:
    return Planes(given.luma.copy(), given.blueness.copy(), given.redness.copy(), given.halved)


@pytest.mark.parametrize("halved", [True, False])
@pytest.mark.parametrize(("left", "top"), [(10, 20), (11, 21), (-7, -5), (65, 47), (400, 0)])
def test_samples_outside_of_the_change_stay_to_the_bit(left, top, halved):
    before = planes(halved=halved)
    after = copied(before)
    change = np.zeros((24, 30, 3), np.float32)
    change[5:19, 6:23] = RNG.uniform(-90, 90, (14, 17, 3))
    lay_in(after, Colours(), left, top, change)
    rows, columns = np.mgrid[0:60, 0:80]
    touched = (rows >= top + 5) & (rows < top + 19) & (columns >= left + 6) & (columns < left + 23)
    assert (after.luma == before.luma)[~touched].all()
    assert not touched.any() or (after.luma != before.luma)[touched].mean() > 0.9
    around = touched.reshape(30, 2, 40, 2).any((1, 3)) if halved else touched
    assert (after.blueness == before.blueness)[~around].all()
    assert (after.redness == before.redness)[~around].all()


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (5, False), (6, True), (2, False), (9, False)])
def test_a_change_of_colour_is_what_ffmpeg_makes_of_it(matrix, full):
    before, after = (np.full((16, 16, 3), colour, np.uint8) for colour in ((90, 120, 60), (140, 100, 110)))
    scaler, found = VideoReformatter(), []
    named = {2: 5, 6: 5}.get(matrix, matrix)
    for picture in (before, after):
        frame = VideoFrame.from_ndarray(picture, "rgb24")
        found.append(
            scaler.reformat(
                frame, format="yuv444p", dst_colorspace=named, dst_color_range=2 if full else 1
            ).to_ndarray()[:, 4, 4]
        )
    given = Planes(*(np.full((16, 16), value, np.uint8) for value in found[0]), halved=False)
    lay_in(given, Colours(matrix, full), 0, 0, after.astype(np.float32) - before)
    made = np.array([given.luma[4, 4], given.blueness[4, 4], given.redness[4, 4]], int)
    assert np.abs(made - found[1]).max() <= 1


def test_the_mask_covers_the_mouth_and_both_chins_and_leaves_eyes_and_forehead():
    (_, closed), (_, opened) = still(0, SIDE), still(25, SIDE)
    lower = opened.copy()
    lower[OUTLINE][15:25, 1] += 8
    shape = soft_mask(closed, lower, SIDE)

    def at(points):
        columns, rows = np.clip(points.astype(int), 0, SIDE - 1).T
        return shape[rows, columns]

    assert at(closed[LIPS]).min() == 1
    assert at(opened[LIPS]).min() == 1
    assert at(lower[OUTLINE][18:22] - [0, 2]).min() > 0
    assert at(closed[OUTLINE][18:22] - [0, 2]).min() > 0
    for name in ("lid_left_lower", "lid_right_lower", "brow_left", "nose_bridge"):
        assert at(closed[SLICES[name]][:8]).max() == 0
    assert shape[0].max() == shape[:, 0].max() == shape[:, -1].max() == 0


def test_the_mask_rises_gently():
    _, points = still(10, SIDE)
    shape = soft_mask(points, points, SIDE)
    steps = np.maximum(np.abs(np.diff(shape, axis=0))[:, :-1], np.abs(np.diff(shape, axis=1))[:-1])
    assert steps.max() < 0.25


def test_a_blend_is_taken_apart_again():
    pictures = RNG.integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    painted = RNG.uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    share = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (2, 32, 1))
    source = pictures.astype(np.float32) / 255
    blended = source + share[..., None] * (painted - source)
    found = unblended(blended, pictures, share)
    np.testing.assert_allclose(found[share >= 0.1], painted[share >= 0.1], atol=1e-4)
    np.testing.assert_array_equal(found[share < 0.1], source[share < 0.1])
    assert (shown_share(np.ones_like(share), share)[share < 0.1] == 0).all()


def test_a_step_of_light_at_the_border_goes_and_the_mouth_keeps_its_own():
    pictures, points = still(20, SIDE)
    shape = soft_mask(points, points, SIDE)[None]
    darker = np.clip(pictures.astype(np.float32) / 255 - 0.08, 0, 1)[None]
    matched = match_colours(darker, pictures[None], shape)
    border = (shape > 0.05) & (shape < 0.95)
    off = (matched - pictures / 255)[border]
    assert abs(off.mean()) < 0.01
    lips = points[LIPS].mean(axis=0).astype(int)
    inside = matched[0, lips[1], lips[0]] - darker[0, lips[1], lips[0]]
    np.testing.assert_allclose(inside, 0.08, atol=0.02)
