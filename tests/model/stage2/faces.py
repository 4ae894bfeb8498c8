"""Pictures of synthetic faces: skin, lips and the dark between them, drawn at their landmarks. Truth is known."""

import numpy as np
import torch
from skimage.draw import polygon

from heterodub.model.features.landmarks import OUTLINE, SLICES
from heterodub.model.stage2.network import LandmarkTranslator
from tests.model.talking import face, talk

SIDE = 64


def painted(points_TPXY: np.ndarray, seed: int = 0, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Crops (T, S, S, 3) uint8 of talking faces and their landmarks in crop pixels. seed: whose skin and lips."""
    draw = np.random.default_rng(seed)
    skin, lips, ground = draw.uniform(120, 230, 3), draw.uniform((130, 20, 30), (200, 80, 90)), draw.uniform(0, 120, 3)
    low, high = points_TPXY.reshape(-1, 2).min(0), points_TPXY.reshape(-1, 2).max(0)
    box = 1.5 * (high - low).max()
    placed = (points_TPXY - (low + high) / 2) / box * side + side / 2
    grain = draw.normal(0, 4, (side, side, 3))
    return np.stack([_paint(one, skin, lips, ground, grain, side) for one in placed]), placed.astype(np.float32)


def _paint(points, skin, lips, ground, grain, side) -> np.ndarray:
    picture = np.tile(ground, (side, side, 1)) + grain
    brow = points[OUTLINE].copy()[::-1] * [1, 0] + [0, points[:, 1].min() - 2]
    _fill(picture, np.concatenate([points[OUTLINE], brow]), skin)
    for left_or_right in ("left", "right"):
        lids = [points[SLICES[f"lid_{left_or_right}_{lid}"]] for lid in ("upper", "lower")]
        _fill(picture, np.concatenate([lids[0], lids[1][::-1]]), np.array([30.0, 30, 40]))
    for outer, inner, colour in (("upper_outer", "lower_outer", lips), ("upper_inner", "lower_inner", lips * 0.15)):
        upper, lower = points[SLICES[f"lip_{outer}"]], points[SLICES[f"lip_{inner}"]]
        _fill(picture, np.concatenate([upper, lower[::-1]]), colour)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _fill(picture, corners, colour) -> None:
    rows, columns = polygon(corners[:, 1], corners[:, 0], picture.shape[:2])
    picture[rows, columns] = colour + 0.2 * (picture[rows, columns] - picture[rows, columns].mean(0, keepdims=True))


def speaker(seed: int, frames: int = 12, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """A talking person: crops and landmarks."""
    return painted(talk(frames, seed)[0], seed, side)


def lively(translator: LandmarkTranslator) -> LandmarkTranslator:
    """A translator whose weights let pass what it sees, as those of a trained one do; new ones hardly do."""
    torch.manual_seed(0)
    for module in translator.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight, 0.2)
    return translator


def still(opening: float, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """One crop (S, S, 3) of the resting face with its mouth open by so many pixels of 400, and landmarks (216, 2)."""
    points = np.repeat(face()[None], 2, 0)
    for name in ("lip_lower_inner", "lip_lower_outer"):
        points[0, SLICES[name], 1] += opening
    points[1, SLICES["lip_lower_outer"], 1] += 40  # so that every opening is placed alike
    pictures, landmarks = painted(points, 0, side)
    return pictures[0], landmarks[0]
