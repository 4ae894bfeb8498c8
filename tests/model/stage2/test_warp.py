"""Warped references: lips land at the target, the nearest frame is taken, and nothing outside changes."""

import numpy as np
import pytest

from heterodub.model.features.landmarks import LIPS
from heterodub.model.stage2 import mask
from heterodub.model.stage2.warp import WarpTranslator, nearest, warped
from tests.model.stage2.faces import SIDE, speaker, still


def test_warp_to_the_same_landmarks_is_the_identity():
    picture, points = still(10)
    rows, columns = mask.window(SIDE)
    assert np.abs(warped(picture[None], points[None], points)[0] - picture[rows, columns] / 255).max() < 1e-3


def test_warp_closes_an_open_mouth():
    opened, closed = still(25, 2 * SIDE), still(3, 2 * SIDE)
    rows, columns = mask.window(2 * SIDE)
    box = np.zeros((2 * SIDE, 2 * SIDE), bool)
    low, high = closed[1][LIPS].min(0).astype(int) - 2, opened[1][LIPS].max(0).astype(int) + 2
    box[low[1] : high[1], low[0] : high[0]] = True
    truth, before = closed[0][rows, columns] / 255, opened[0][rows, columns] / 255
    after = warped(opened[0][None], opened[1][None], closed[1])[0]
    inside = box[rows, columns]
    assert np.abs(after - truth)[inside].mean() < 0.5 * np.abs(before - truth)[inside].mean()


def test_warp_of_a_batch_equals_single_frames():
    pictures, landmarks = speaker(1)
    at_once = warped(pictures[:3], landmarks[:3], landmarks[5])
    one_by_one = [warped(pictures[i : i + 1], landmarks[i : i + 1], landmarks[5])[0] for i in range(3)]
    np.testing.assert_allclose(at_once, np.stack(one_by_one), atol=1e-6)
    assert np.abs(at_once[0] - at_once[2]).max() > 0.1


def test_nearest_frame_has_the_same_mouth():
    points = np.stack([still(opening)[1] for opening in (2, 9, 16, 23)])
    assert nearest(points, points[[2, 0]], 2)[:, 0].tolist() == [2, 0]
    assert nearest(points, points[:1] * 1.3 + 4, 1).tolist() == [[0]]  # nearer to the camera is no other pose
    assert nearest(points[:1], points, 3).tolist() == [[0, 0, 0]] * 4


def test_pixels_outside_the_blend_are_the_source():
    translator = WarpTranslator(SIDE)
    pictures, landmarks = speaker(1)
    made = translator.translate(translator.appearance(pictures[:3], landmarks[:3]), pictures, landmarks, landmarks)
    outside = mask.soft(landmarks, SIDE) == 0
    assert np.array_equal(made[outside], pictures[outside] / np.float32(255))
    assert made.min() >= 0 and made.max() <= 1


def test_warp_uses_no_hidden_pixels():
    translator = WarpTranslator(SIDE)
    pictures, landmarks = speaker(1)
    known = translator.appearance(pictures[:3], landmarks[:3])
    spoiled = np.where((mask.soft(landmarks, SIDE) >= 1)[..., None], 255 - pictures, pictures)
    assert np.array_equal(*(translator.translate(known, one, landmarks, landmarks) for one in (pictures, spoiled)))


@pytest.mark.parametrize("spoil", ["shape", "side", "number"])
def test_mismatched_shapes_are_refused(spoil):
    translator = WarpTranslator(SIDE)
    pictures, landmarks = speaker(1)
    if spoil == "shape":
        landmarks = landmarks[:-1]
    elif spoil == "side":
        pictures = pictures[:, 1:, 1:]
    else:
        landmarks = np.where(np.arange(216)[:, None] == 5, np.nan, landmarks)
    with pytest.raises(ValueError, match=r"landmark|pictures are"):
        translator.appearance(pictures, landmarks)
