"""Scores of one clip's made crops: how they look, and whether the mouth that was wanted is found again in them.

Features that a loss looked at may not judge alone, so the perceptual distance is given twice: over the stages of
EfficientNet-Lite0 that trainings see, and over the fifth, which none sees. Perceptual distance rewards copying, so no
picture score stands without the correlation of the mouth opening found again.

Shape suffix legend: F = frames in a row, S = side of a crop, W = side of its window in pixels, P = points, XY = 2
coordinates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.translator import EvalWindow, Finder
from model.metrics.landmarks import score_clip
from model.metrics.pictures import flicker, psnr_db, region_mean, sharpness, ssim_maps
from model.perceptual.features import stage_distances
from model.perceptual.lite0 import HELD_OUT, Lite0
from model.stage2 import mask, mouth


@dataclass(frozen=True, slots=True)
class PictureScores:
    """Scores of one clip; None where something could not be measured.

    frames: that were judged: tracked, and not told; flicker is over pairs of them in a row. lower, mouth, whole: the
    hidden region, a box around the true lips, the whole crop. pd: relative distance over stages 1 to 4 of
    EfficientNet-Lite0; pd5: over the fifth alone. psnr: dB. sharpness,
    flicker: made over true, 1 is like the truth. face_found_frac: share of judged frames in which a face is found
    again; nme_lips, mouth_opening_corr, articulation: in those, of the landmarks found against those wanted. Without
    the former the latter flatter whoever paints what is no face: those frames are not in them.
    """

    frames: int
    perceptual_lower: float
    perceptual_heldout_lower: float
    perceptual_mouth: float
    perceptual_heldout_mouth: float
    psnr_lower: float
    psnr_mouth: float
    psnr_whole: float
    ssim_lower: float
    ssim_mouth: float
    ssim_whole: float
    sharpness_lower: float | None
    sharpness_mouth: float | None
    flicker: float | None
    face_found_frac: float | None = None
    nme_lips: float | None = None
    mouth_opening_corr: float | None = None
    mouth_opening_std_ratio: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedFeatures:
    """What Frechet distances are of: features (n, 320) of judged frames, and their changes (m, 320) from one to the
    next, where both are judged.
    """

    frames: NDArray[np.float32]
    motion: NDArray[np.float32]


def score(
    eval_window: EvalWindow, made_FSS3: NDArray[np.float32], judge: Lite0, finder: Finder | None = None
) -> PictureScores:
    """Scores of made crops in 0..1 for a evaluation window's span. finder: without one, nothing is looked for again."""
    kept = eval_window.judged
    true_FSS3 = np.asarray(eval_window.crops / np.float32(255), np.float32)
    boxes = mouth.boxes(eval_window.landmarks, eval_window.crops.shape[1])
    side = made_FSS3.shape[1]
    regions = {
        "lower": mask.hidden(eval_window.landmarks, side) & _in_window(side),
        "mouth": np.stack([_filled(box, side) for box in boxes]),
        "whole": np.ones(made_FSS3.shape[:3], bool),
    }
    values: dict[str, Any] = {
        "frames": int(kept.sum()),
        "flicker": flicker(made_FSS3, true_FSS3, regions["lower"], kept),
    }
    alike = ssim_maps(made_FSS3[kept], true_FSS3[kept])
    for name, region in regions.items():
        pair = (made_FSS3[kept], true_FSS3[kept], region[kept])
        values |= {f"psnr_{name}": psnr_db(*pair), f"ssim_{name}": region_mean(alike, region[kept])}
        if name != "whole":
            values[f"sharpness_{name}"] = sharpness(*pair)
    for name, cut in (("lower", _windows), ("mouth", _mouths)):
        made, true = (cut(pictures[kept], boxes[kept], judge.device) for pictures in (made_FSS3, true_FSS3))
        values[f"pd_{name}"], values[f"pd5_{name}"] = distances(judge, made, true)
    if finder is not None:
        values |= _found_again(eval_window, made_FSS3, finder)
    return PictureScores(**values)


@torch.inference_mode()
def judged_features(judge: Lite0, eval_window: EvalWindow, made_FSS3: NDArray[np.float32]) -> EvaluatedFeatures:
    """The judge's fifth stage on made crops in 0..1 of a evaluation window's span, mean over the window.

    Frames that were told are left out, as everywhere: there a copy is the truth itself.
    """
    kept = eval_window.judged
    made = _windows(made_FSS3, np.zeros(0, np.int64), judge.device)
    features = np.asarray(judge(made)[HELD_OUT].mean(dim=(2, 3)).cpu().numpy())
    return EvaluatedFeatures(features[kept], np.diff(features, axis=0)[kept[1:] & kept[:-1]])


@torch.inference_mode()
def distances(judge: Lite0, made: Tensor, true: Tensor) -> tuple[float, float]:
    """Relative distances of pictures (F, 3, H, W) on the judge's device: over the stages that trainings see, and over
    the fifth.
    """
    parts = torch.stack(stage_distances(judge(made), judge(true))).mean(dim=1)
    return float(parts[:HELD_OUT].mean()), float(parts[HELD_OUT])


def _found_again(eval_window: EvalWindow, made_FSS3: NDArray[np.float32], finder: Finder) -> dict[str, float | None]:
    landmarks, there = finder(np.rint(made_FSS3 * 255).astype(np.uint8))
    scored = there & eval_window.judged
    found = {"face_found_frac": float(scored.sum() / eval_window.judged.sum())}
    if not scored.any():
        return dict(found)
    scores = score_clip(landmarks, eval_window.landmarks, scored)
    names = ("nme_lips", "mouth_opening_corr", "mouth_opening_std_ratio")
    return found | {name: getattr(scores, name) for name in names}


def _filled(box: NDArray[np.int64], side_px: int) -> NDArray[np.bool_]:
    region = np.zeros((side_px, side_px), bool)
    left, top, side = box
    region[top : top + side, left : left + side] = True
    return region


def _in_window(side_px: int) -> NDArray[np.bool_]:
    region = np.zeros((side_px, side_px), bool)
    region[mask.window(side_px)] = True
    return region


def _windows(pictures_FSS3: NDArray[np.float32], _boxes: NDArray[np.int64], device: torch.device) -> Tensor:
    rows, columns = mask.window(pictures_FSS3.shape[1])
    return _channels_first(pictures_FSS3[:, rows, columns], device)


def _mouths(pictures_FSS3: NDArray[np.float32], boxes: NDArray[np.int64], device: torch.device) -> Tensor:
    return mouth.cut(_channels_first(pictures_FSS3, device), boxes)


def _channels_first(pictures: NDArray[np.float32], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(device)
