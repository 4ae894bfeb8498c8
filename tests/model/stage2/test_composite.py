"""The composite input: nothing hidden is in it, lines lie where landmarks are, and the context repeats at the ends."""

import numpy as np
import torch

from heterodub.model.features.landmarks import LIPS, OUTLINE, SLICES
from heterodub.model.stage2 import composite as torched
from heterodub.model.stage2 import mask
from heterodub.model.stage2.composite import CHANNELS, LINES, in_context
from tests.model.stage2.faces import SIDE, speaker


def composite(pictures, source, wanted):
    numbers = (torch.from_numpy(np.float32(part)) for part in (mask.poses(source), wanted))
    return torched.composite(torch.from_numpy(pictures), *numbers).numpy()


def drawn(landmarks, side):
    return torched.drawn(torch.from_numpy(np.float32(landmarks)), side).numpy()


def test_composite_is_independent_of_hidden_pixels():
    pictures, landmarks = speaker(0)
    hidden = mask.hidden(landmarks, SIDE)
    other = np.where(hidden[..., None], 255 - pictures, pictures)
    assert np.array_equal(composite(pictures, landmarks, landmarks), composite(other, landmarks, landmarks))
    seen = np.where(~hidden[..., None], 255 - pictures, pictures)
    assert not np.array_equal(composite(pictures, landmarks, landmarks), composite(seen, landmarks, landmarks))


def test_composite_does_not_show_the_source_mouth_and_jaw():
    pictures, landmarks = speaker(0)
    result = landmarks.copy()
    result[:, LIPS] += 3
    result[:, OUTLINE] += 3
    assert np.array_equal(composite(pictures, result, landmarks), composite(pictures, landmarks, landmarks))


def test_lines_lie_on_the_landmarks_and_nowhere_else():
    landmarks = speaker(0)[1][:2]
    rows, columns = mask.window(SIDE)
    lines = drawn(landmarks, SIDE)
    assert lines.shape == (2, LINES, rows.stop - rows.start, columns.stop - columns.start)
    assert lines.min() >= 0 and lines.max() <= 1
    upper = landmarks[0, SLICES["lip_upper_outer"]] - (columns.start, rows.start)
    at = np.floor(upper).astype(int)
    assert (lines[0, 1][at[:, 1], at[:, 0]] > 0.3).all()
    ys, xs = np.nonzero(lines[0, 1])
    apart = np.hypot(xs[:, None] + 0.5 - upper[:, 0], ys[:, None] + 0.5 - upper[:, 1]).min(axis=1)
    assert apart.max() < 2


def test_landmarks_outside_the_window_are_not_drawn():
    assert not drawn(speaker(0)[1][:1] + 10 * SIDE, SIDE).any()


def test_composite_context_is_the_neighbouring_frames():
    inputs = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((1, CHANNELS, 2, 2), np.float32)
    around = in_context(torch.from_numpy(inputs), 2)[:, ::CHANNELS, 0, 0]
    assert around[0].tolist() == [0, 0, 0, 1, 2]
    assert around[2].tolist() == [0, 1, 2, 3, 4]
    assert around[4].tolist() == [2, 3, 4, 4, 4]
