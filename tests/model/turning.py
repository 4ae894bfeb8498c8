"""A head of numbers in three dimensions, seen from afar while it turns, nods, tilts and talks. Its truth is known."""

from typing import NamedTuple

import numpy as np

from heterodub.model.features.landmarks import LIPS, OUTLINE, SLICES
from tests.model.talking import face

INTEROCULAR_PX = 80.0
FPS = 25


class Turning(NamedTuple):
    """Landmarks (T, 216, 2) in pixels: as seen, and as they would be with the mouth at rest. opening: (T,), 0 to 1."""

    seen: np.ndarray
    rest: np.ndarray
    opening: np.ndarray


def solid() -> np.ndarray:
    """A face at rest (216, 3), pixels from between the eyes and the nose; depth towards us, as human heads have it."""
    points = face() - [200, 210]
    depth = np.zeros(len(points))
    depth[OUTLINE] = -30 + 85 * np.sin(np.linspace(np.pi, 0, 40))
    for side in ("left", "right"):
        depth[SLICES[f"brow_{side}"]] = 58
        for lid in ("upper", "lower"):
            depth[SLICES[f"lid_{side}_{lid}"]] = 44
    depth[SLICES["nose_bridge"]] = np.linspace(66, 96, 12)
    depth[SLICES["nose_lower"]] = 72 - 0.025 * points[SLICES["nose_lower"], 0] ** 2
    depth[LIPS] = 74 - 0.012 * points[LIPS, 0] ** 2
    return np.column_stack([points, depth])


def turning(
    frames: int = 100, yaw_deg: float = 0, yaw_hz: float = 0.6, pitch_deg: float = 0, talks: float = 0, noise: float = 0
) -> Turning:
    """A head that swings about its axes and drifts across the picture. The fastest it turns is yaw_deg * 2 pi yaw_hz a
    second. talks: how much of the jaw's full drop of 12 pixels is used, at 3 to 5 syllables a second.
    """
    time = np.arange(frames) / FPS
    opening = talks * np.clip(np.sin(2 * np.pi * 3.1 * time) + 0.4 * np.sin(2 * np.pi * 4.7 * time + 1), 0, 1.4) / 1.4
    angles = np.deg2rad([yaw_deg, pitch_deg, 3])
    swings = np.sin(2 * np.pi * np.outer(time, [yaw_hz, 0.7, 0.5]) + [0, 0.5, 0])
    shift = np.stack([250 + 60 * time, 260 + 20 * np.sin(time)], axis=1)[:, None]
    closed = np.repeat(solid()[None], frames, axis=0)
    talking = closed.copy()
    talking[:, OUTLINE, 1] += 12 * opening[:, None] * np.sin(np.linspace(np.pi, 0, 40)) ** 2
    for lip in ("lip_lower_inner", "lip_lower_outer"):
        talking[:, SLICES[lip], 1] += 14 * opening[:, None] * np.hanning(17)[1:-1]
    jitter = np.random.default_rng(0).normal(0, noise, (frames, len(solid()), 2))
    seen, rest = (_seen(one, angles * swings) + shift for one in (talking, closed))
    return Turning((seen + jitter).astype(np.float32), rest.astype(np.float32), opening)


def _seen(points_TPXYZ: np.ndarray, angles_T3: np.ndarray) -> np.ndarray:
    """From afar, after yaw, pitch and roll in radians."""
    (yaw, pitch, roll), (x, y, z) = angles_T3.T[..., None], np.moveaxis(points_TPXYZ, -1, 0)
    y, z = y * np.cos(pitch) - z * np.sin(pitch), y * np.sin(pitch) + z * np.cos(pitch)
    x = x * np.cos(yaw) + z * np.sin(yaw)
    return np.stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)], axis=-1)
