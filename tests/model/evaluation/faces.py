"""Faces whose geometry is known: eyes 60 px apart, nose bridge 25 px, so that a face frame's unit is 65 px."""

import numpy as np

from heterodub.model.features.landmarks import OUTLINE, SLICES
from heterodub.schemas.contract import LANDMARK_POINTS

UNIT_PX = 65.0
"""The root of 60 squared and 25 squared."""


def face(gap_px: float = 10.0) -> np.ndarray:
    """One face (216, 2) with its mouth open by `gap_px`; the outline is the lowest and widest part."""
    points = np.zeros((LANDMARK_POINTS, 2))
    for name, x in (("lid_left", -30.0), ("lid_right", 30.0)):
        for part, lift in (("upper", -4.0), ("lower", 4.0)):
            along = np.linspace(-10, 10, 14)
            points[SLICES[f"{name}_{part}"]] = np.stack([x + along, lift * (1 - (along / 10) ** 2)], axis=1)
    for name, x in (("brow_left", -30.0), ("brow_right", 30.0)):
        points[SLICES[name]] = np.stack([x + np.linspace(-12, 12, 16), np.full(16, -20.0)], axis=1)
    # the three points at either end that are averaged stand on one place each, 25 px apart
    points[SLICES["nose_bridge"], 1] = np.repeat([5.0, 15.0, 20.0, 30.0], 3)
    points[SLICES["nose_lower"]] = np.stack([np.linspace(-12, 12, 16), np.full(16, 35.0)], axis=1)
    lips = (("upper_outer", -8.0), ("upper_inner", 0.0), ("lower_inner", gap_px), ("lower_outer", gap_px + 8))
    for name, drop in lips:
        points[SLICES[f"lip_{name}"]] = np.stack([np.linspace(-25, 25, 15), np.full(15, 60.0 + drop)], axis=1)
    turn = np.linspace(np.pi, 0, 40)
    points[OUTLINE] = np.stack([60 * np.cos(turn), 20 + 80 * np.sin(turn)], axis=1)
    return points


def talking(gaps_px: np.ndarray) -> np.ndarray:
    """A clip (T, 216, 2) whose mouth opens by the given gaps."""
    return np.stack([face(float(gap)) for gap in gaps_px])


def moved(clip: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same clip while the head turns, wanders and comes nearer."""
    frames = len(clip)
    draw = np.random.default_rng(seed)
    angle = np.cumsum(draw.normal(0, 0.05, frames))
    scale = 1.5 + 0.3 * np.sin(np.arange(frames) / 4)
    shift = np.cumsum(draw.normal(0, 5, (frames, 1, 2)), axis=0) + 300
    turn = scale[:, None, None] * np.stack(
        [np.stack([np.cos(angle), np.sin(angle)], -1), np.stack([-np.sin(angle), np.cos(angle)], -1)], 1
    )
    return clip @ turn + shift
