"""Warped references: lips land at the target, the nearest frame is taken, and nothing outside changes."""

from itertools import product

import numpy as np
import pytest
import torch

from heterodub.model.features.landmarks import LIPS
from heterodub.model.stage2 import mask, warp
from heterodub.model.stage2.warp import WarpTranslator, nearest, selected, steady_path, warped
from tests.model.stage2.faces import SIDE, speaker, still


def warped_to(pictures, landmarks, wanted):
    """Some pictures warped to one face: (K, W, W, 3)."""
    given = (torch.from_numpy(np.asarray(part)[None]) for part in (pictures, np.float32(landmarks), np.float32(wanted)))
    return warped(*given)[0].permute(0, 2, 3, 1).numpy()


def test_warp_to_the_same_landmarks_is_the_identity():
    picture, points = still(10)
    rows, columns = mask.window(SIDE)
    assert np.abs(warped_to(picture[None], points[None], points)[0] - picture[rows, columns] / 255).max() < 1e-3


def test_warp_closes_an_open_mouth():
    opened, closed = still(25, 2 * SIDE), still(3, 2 * SIDE)
    rows, columns = mask.window(2 * SIDE)
    box = np.zeros((2 * SIDE, 2 * SIDE), bool)
    low, high = closed[1][LIPS].min(0).astype(int) - 2, opened[1][LIPS].max(0).astype(int) + 2
    box[low[1] : high[1], low[0] : high[0]] = True
    truth, before = closed[0][rows, columns] / 255, opened[0][rows, columns] / 255
    after = warped_to(opened[0][None], opened[1][None], closed[1])[0]
    inside = box[rows, columns]
    assert np.abs(after - truth)[inside].mean() < 0.5 * np.abs(before - truth)[inside].mean()


def test_warp_of_a_batch_equals_single_frames():
    pictures, landmarks = speaker(1)
    at_once = warped_to(pictures[:3], landmarks[:3], landmarks[5])
    one_by_one = [warped_to(pictures[i : i + 1], landmarks[i : i + 1], landmarks[5])[0] for i in range(3)]
    np.testing.assert_allclose(at_once, np.stack(one_by_one), atol=1 / 255)  # splines are solved in 32 bits
    assert np.abs(at_once[0] - at_once[2]).max() > 0.1


def test_nearest_frame_has_the_same_mouth():
    points = np.stack([still(opening)[1] for opening in (2, 9, 16, 23)])
    assert nearest(points, points[[2, 0]], 2)[:, 0].tolist() == [2, 0]
    assert nearest(points, points[:1] * 1.3 + 4, 1).tolist() == [[0]]  # nearer to the camera is no other pose
    assert nearest(points[:1], points, 3).tolist() == [[0, 0, 0]] * 4


def test_path_is_the_cheapest_of_all():
    apart = np.random.default_rng(0).gamma(2, 0.1, (6, 3))

    def price(path):
        steps = np.sqrt(apart[np.arange(6), list(path)] / len(warp._COMPARED)).sum()
        return steps + warp._CHANGE * np.count_nonzero(np.diff(path))

    assert price(steady_path(apart)) == pytest.approx(min(map(price, product(range(3), repeat=6))))
    assert price(apart.argmin(1)) > price(steady_path(apart))


def test_path_stays_with_a_frame_unless_another_is_much_nearer():
    near, far = len(warp._COMPARED) * 0.01**2, len(warp._COMPARED) * 0.2**2
    hardly, much = np.full((8, 2), near), np.full((8, 2), near)
    hardly[1::2, 0], hardly[::2, 1] = 1.1 * near, 1.1 * near
    much[4:, 0], much[:4, 1] = far, far
    assert len(set(steady_path(hardly))) == 1
    assert steady_path(much).tolist() == [0] * 4 + [1] * 4


def test_candidates_begin_with_the_path_and_go_on_with_the_nearest():
    points = np.stack([still(opening)[1] for opening in (2, 9, 16, 23)])
    assert selected(points, points[[1, 1]], 3, np.array([3, 1])).tolist() == [[3, 1, 2], [1, 2, 0]]
    assert selected(points[:1], points, 2).tolist() == [[0, 0]] * 4


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
