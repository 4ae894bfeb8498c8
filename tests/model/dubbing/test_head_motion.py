"""A turning head takes its jaw and mouth along at once, and the old speech is not taken along with them."""

import numpy as np
import pytest

from heterodub.model.dubbing.motion import MouthTargets, Smoothing, Spoken, wanted_landmarks
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import OUTLINE, PREDICTED, SLICES
from tests.model.turning import FPS, INTEROCULAR_PX, Turning, turning

AS_DUBBED = Smoothing(0.04 * FPS, 0.4 * FPS)
SWINGS = [{"yaw_deg": 16}, {"yaw_deg": 32}, {"yaw_deg": 20, "yaw_hz": 1.0}, {"yaw_deg": 30, "pitch_deg": 10}]
"""Up to 60, 120, 126 and 113 degrees a second."""

CORNERS = [SLICES["lip_upper_outer"].start, SLICES["lip_upper_outer"].stop - 1]
SHOWN = slice(OUTLINE.start + 8, OUTLINE.stop - 8)
"""The jaw between the ears, as far as a dubbing moves it."""


def wanted(head: Turning) -> MouthTargets:
    """Return the target landmarks of a silent mouth on the moving head."""
    frames = len(head.seen)
    still = turning(1).rest
    said = FaceFrame.of(still).enter(still)[:, PREDICTED].repeat(frames, axis=0).astype(np.float32)
    times = np.arange(frames) / FPS
    return wanted_landmarks(Spoken(said, times), head.seen, times, slice(0, frames), AS_DUBBED)


def off(head: Turning, points) -> np.ndarray:
    """Distance of points from the head at rest, (T, P), in shares of the eyes' distance."""
    return np.linalg.norm((wanted(head).wanted_NPXY - head.rest)[:, points], axis=-1) / INTEROCULAR_PX


@pytest.mark.parametrize("swing", SWINGS)
@pytest.mark.parametrize("points", [SHOWN, CORNERS], ids=["jaw", "mouth"])
def test_jaw_and_mouth_follow_the_head_in_every_frame(swing, points):
    apart = off(turning(**swing), points)
    assert np.sqrt((apart**2).mean(axis=1)).max() < 0.025
    assert apart.max() < 0.035


@pytest.mark.parametrize("swing", [{}, {"yaw_deg": 30, "pitch_deg": 8}])
def test_source_mouth_opening_is_not_carried_over(swing):
    head = turning(talks=1.0, noise=0.3, **swing)
    chin = slice(OUTLINE.start + 17, OUTLINE.start + 23)
    result = (wanted(head).wanted_NPXY - head.rest)[:, chin, 1].mean(axis=1)
    own = (head.seen - head.rest)[:, chin, 1].mean(axis=1)
    follows = np.polyfit(head.opening, result, 1)[0] / np.polyfit(head.opening, own, 1)[0]
    assert abs(follows) < 0.15
    assert result.std() < 0.35 * own.std()
