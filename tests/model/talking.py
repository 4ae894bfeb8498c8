"""Talking faces made of numbers: lips that open as loud as the sound is, on a head that turns. Their truth is known."""

import numpy as np

from heterodub.model.features.landmarks import OUTLINE, SLICES
from heterodub.model.stage1.features import SILENCE
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS


def face() -> np.ndarray:
    """A face at rest, (216, 2) in pixels, with eyes, nose, brows and lips where a face has them."""
    points = np.zeros((LANDMARK_POINTS, 2))
    angle = np.linspace(np.pi, 0, 40)
    points[OUTLINE] = np.stack([200 + 90 * np.cos(angle), 200 + 120 * np.sin(angle)], axis=1)
    for name, x in (("left", 160), ("right", 240)):
        points[SLICES[f"brow_{name}"]] = _line((x - 25, 165), (x + 25, 165), 16)
        points[SLICES[f"lid_{name}_upper"]] = _arc((x, 190), 18, -7, 14)
        points[SLICES[f"lid_{name}_lower"]] = _arc((x, 190), 18, 5, 14)
    points[SLICES["nose_bridge"]] = _line((200, 190), (200, 230), 12)
    points[SLICES["nose_lower"]] = _arc((200, 235), 22, 8, 16)
    for name, wide, sag in (
        ("upper_outer", 38, -14),
        ("upper_inner", 32, -2),
        ("lower_inner", 32, 2),
        ("lower_outer", 38, 16),
    ):
        points[SLICES[f"lip_{name}"]] = _arc((200, 275), wide, sag, 15)
    return points


def talk(frames: int, seed: int = 0, leak: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Landmarks (T, 216, 2) float32 in pixels, tracked (T,) and mel (4T, 80) of a talking head.

    The lower lip falls with the loudness of the frame's sound. leak: pixels that the brows rise when the mouth is
    wholly open, as a mesh has it.
    """
    draw = np.random.default_rng(seed)
    loud = np.clip(np.convolve(draw.random(frames + 8), np.ones(3) / 3, "same")[4:-4] * 2 - 0.6, 0, 1)
    points = np.repeat((face() * draw.uniform(0.8, 1.2) + draw.uniform(-20, 20, 2))[None], frames, axis=0)
    points[:, SLICES["lip_lower_inner"], 1] += 20 * loud[:, None]
    points[:, SLICES["lip_lower_outer"], 1] += 20 * loud[:, None]
    for name in ("brow_left", "brow_right"):
        points[:, SLICES[name], 1] -= leak * loud[:, None]
    turn = np.convolve(draw.normal(0, 6, frames + 40), np.ones(21) / 21, "same")[20:-20]
    points[:, SLICES["nose_bridge"], 0] += turn[:, None]
    points[:, SLICES["nose_lower"], 0] += turn[:, None]
    points[:, OUTLINE, 0] -= turn[:, None]
    points += draw.normal(0, 0.05, points.shape)
    mel = np.full((4 * frames, MEL_BANDS), SILENCE, np.float32)
    mel[:, 10:40] += np.repeat(8 * loud, 4)[:, None]
    mel += draw.normal(0, 0.1, mel.shape)
    return points.astype(np.float32), np.ones(frames, bool), np.maximum(mel, SILENCE).astype(np.float32)


def _line(start: tuple[float, float], stop: tuple[float, float], count: int) -> np.ndarray:
    return np.linspace(start, stop, count)


def _arc(centre: tuple[float, float], wide: float, sag: float, count: int) -> np.ndarray:
    angle = np.linspace(np.pi, 0, count)
    return np.stack([centre[0] + wide * np.cos(angle), centre[1] + sag * np.sin(angle)], axis=1)
