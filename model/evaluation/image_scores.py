"""Scores of one clip's generated crops: image quality, and landmarks detected in them against the wanted ones.

The perceptual distance is given twice: over the stages of EfficientNet-Lite0 that training losses use, and over the
held-out fifth stage, which none uses. Perceptual distance rewards copying, so every picture score is accompanied by the
correlation of the mouth opening that is detected in the crops.

Shape suffix legend: F = frames in a row, S = side of a crop, W = side of its window in pixels, P = points, XY = 2
coordinates.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import laplace
from skimage.metrics import structural_similarity
from torch import Tensor

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.landmarks import score_clip
from heterodub.model.evaluation.report import ReportSpec
from heterodub.model.evaluation.translator import SYSTEMS, EvalWindow, Finder
from heterodub.model.features.arrays import Floats
from heterodub.model.perceptual import HELD_OUT, Lite0, stage_distances
from heterodub.model.stage2 import mask, mouth

Region = NDArray[np.bool_]

_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Rec. 601 luma."""

LEAST_ERROR: Final = 1e-10
"""Squared error below which PSNR is cut off, at 100 dB: equal pictures would have none."""


def psnr_db(generated_THW3: Floats, true_THW3: Floats, region_THW: Region) -> float:
    """Return the peak signal-to-noise ratio over the region's pixels of all frames; pictures in 0..1.

    Raises: ValueError - the region is empty.
    """
    return float(
        -10 * np.log10(max(region_mean(np.square(generated_THW3 - true_THW3).mean(axis=-1), region_THW), LEAST_ERROR))
    )


def ssim_maps(generated_THW3: Floats, true_THW3: Floats) -> NDArray[np.float64]:
    """Return the structural similarity around each pixel (windows of 7), mean over colours: (T, H, W), -1 to 1."""
    return np.stack([_alike(generated, true) for generated, true in zip(generated_THW3, true_THW3, strict=True)])


def sharpness(generated_THW3: Floats, true_THW3: Floats, region_THW: Region) -> float | None:
    """Return the energy of the Laplacian of grey pictures, generated over true: below 1 blurred, above 1 noisy.

    None: the truth is flat.

    Raises: ValueError - the region is empty.
    """
    generated, true = (region_mean(_edges(pictures), region_THW) for pictures in (generated_THW3, true_THW3))
    return generated / true if true > 0 else None


def flicker(
    generated_THW3: Floats, true_THW3: Floats, region_THW: Region, counts_T: NDArray[np.bool_] | None = None
) -> float | None:
    """Return the mean change of a pixel from frame to frame, generated over true. None: no two consecutive frames that
    count, or no change. counts_T: frames that count, all if left out.

    Raises: ValueError - the region is empty.
    """
    counts = np.ones(len(generated_THW3), bool) if counts_T is None else counts_T
    steps = counts[1:] & counts[:-1]
    if not steps.any():
        return None
    both = region_THW[1:] & region_THW[:-1] & steps[:, None, None]
    generated, true = (
        region_mean(np.abs(np.diff(pictures, axis=0)).mean(axis=-1), both) for pictures in (generated_THW3, true_THW3)
    )
    return generated / true if true > 0 else None


def _alike(generated_HW3: Floats, true_HW3: Floats) -> NDArray[np.float64]:
    measured: Any = structural_similarity(  # type: ignore[no-untyped-call]
        generated_HW3, true_HW3, channel_axis=-1, data_range=1.0, full=True
    )
    return np.asarray(measured[1].mean(axis=-1), np.float64)


def _edges(pictures_THW3: Floats) -> NDArray[np.float64]:
    return np.stack([np.square(laplace(grey)) for grey in pictures_THW3 @ _GREY]).astype(np.float64)


def region_mean(values_THW: Floats, region_THW: Region) -> float:
    """Return the mean over the region's pixels of all frames.

    Raises: ValueError - the region is empty.
    """
    if not region_THW.any():
        raise ValueError("there is no pixel in the region that is scored")
    return float(values_THW[region_THW].mean())


@dataclass(frozen=True, slots=True)
class PictureScores:
    """Scores of one clip; None where something could not be measured.

    frames: number of scored frames: tracked, and no reference; flicker is over consecutive pairs of them. lower, mouth,
    whole: the hidden region, a box around the true lips, the whole crop. perceptual: relative distance over stages 1 to
    4 of EfficientNet-Lite0; perceptual_heldout: over the fifth alone. psnr: dB. sharpness, flicker: generated over
    true, 1 is like the ground truth. face_found_frac: share of scored frames in which a face is detected; nme_lips,
    mouth_opening_corr, mouth_opening_std_ratio: in those, of detected against wanted landmarks. Frames without a
    detected face are missing from the latter, so read them together with face_found_frac.
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


TRANSLATOR_REPORT: Final = ReportSpec(
    systems=SYSTEMS,
    scores=tuple(field.name for field in fields(PictureScores) if field.name != "frames"),
    comparisons=tuple(("generated", control) for control in ("copy", "warp", "nearest frame oracle")),
    errors=("perceptual_lower", "perceptual_heldout_lower", "perceptual_mouth", "perceptual_heldout_mouth"),
    gains=("psnr_lower", "psnr_mouth", "ssim_lower", "ssim_mouth"),
    deciding=("perceptual_heldout_lower", "perceptual distance of the lower half"),
    decisive=("copy", "warp"),
)
"""Report of a translator, against the copied reference, the untrained warp, and an oracle."""

NOT_MEASURED: Final = {
    "LPIPS": "its learned weights are in no package; heterodub has no weight slot for them",
    "FID": "the Inception weights are in no package and have no weight slot; `frechet` is over EfficientNet-Lite0",
    "identity similarity": "face-recognition weights are in no package; weights.vgg_face serves the loss alone",
}
"""Scores of the paper that need missing weights, with the reason."""


def clip_scores(
    eval_window: EvalWindow,
    system: str,
    generated_FSS3: NDArray[np.float32],
    lite0: Lite0,
    finder: Finder | None = None,
) -> ClipScores:
    """Score a system's crops as `score` does; its scores by name."""
    clip = eval_window.clip
    return ClipScores(clip.clip_id, clip.speaker, system, asdict(score(eval_window, generated_FSS3, lite0, finder)))


def score(
    eval_window: EvalWindow, generated_FSS3: NDArray[np.float32], lite0: Lite0, finder: Finder | None = None
) -> PictureScores:
    """Score generated crops in 0..1 for an evaluation window's span. finder: None omits the scores that need it."""
    scored = eval_window.scored
    true_FSS3 = _unit(eval_window.crops)
    boxes = mouth.boxes(eval_window.landmarks, eval_window.crops.shape[1])
    side = generated_FSS3.shape[1]
    regions = {
        "lower": mask.hidden(eval_window.landmarks, side) & _in_window(side),
        "mouth": np.stack([_filled(box, side) for box in boxes]),
        "whole": np.ones(generated_FSS3.shape[:3], bool),
    }
    values: dict[str, Any] = {
        "frames": int(scored.sum()),
        "flicker": flicker(generated_FSS3, true_FSS3, regions["lower"], scored),
    }
    alike = ssim_maps(generated_FSS3[scored], true_FSS3[scored])
    for name, region in regions.items():
        pair = (generated_FSS3[scored], true_FSS3[scored], region[scored])
        values |= {f"psnr_{name}": psnr_db(*pair), f"ssim_{name}": region_mean(alike, region[scored])}
        if name != "whole":
            values[f"sharpness_{name}"] = sharpness(*pair)
    for name, cut in _CUTS.items():
        generated = cut(generated_FSS3[scored], boxes[scored], lite0.device)
        true_maps = _true_maps(lite0, eval_window, name)
        values[f"perceptual_{name}"], values[f"perceptual_heldout_{name}"] = distances(lite0, generated, true_maps)
    if finder is not None:
        values |= _found_again(eval_window, generated_FSS3, finder)
    return PictureScores(**values)


@torch.inference_mode()
def heldout_features(
    lite0: Lite0, eval_window: EvalWindow, generated_FSS3: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return inputs of Frechet distances: EfficientNet-Lite0's fifth stage for generated crops in 0..1 of an evaluation
    window's span, mean over the window. "frames": (n, 320) of scored frames; "motion": (m, 320), their changes between
    consecutive scored frames. Reference frames are left out, since a copy equals the ground truth there.
    """
    scored = eval_window.scored
    generated = _windows(generated_FSS3, np.zeros(0, np.int64), lite0.device)
    features = np.asarray(lite0(generated)[HELD_OUT].mean(dim=(2, 3)).cpu().numpy())
    return {"frames": features[scored], "motion": np.diff(features, axis=0)[scored[1:] & scored[:-1]]}


@torch.inference_mode()
def distances(lite0: Lite0, generated: Tensor, true_maps: Sequence[Tensor]) -> tuple[float, float]:
    """Return relative distances of pictures (F, 3, H, W) on the network's device to others, given by the network's maps
    of them: over the stages that training losses use, and over the held-out fifth.
    """
    parts = torch.stack(stage_distances(lite0(generated), true_maps)).mean(dim=1)
    return float(parts[:HELD_OUT].mean()), float(parts[HELD_OUT])


def _found_again(
    eval_window: EvalWindow, generated_FSS3: NDArray[np.float32], finder: Finder
) -> dict[str, float | None]:
    landmarks, is_found = finder(np.rint(generated_FSS3 * 255).astype(np.uint8))
    scored = is_found & eval_window.scored
    share = {"face_found_frac": float(scored.sum() / eval_window.scored.sum())}
    if not scored.any():
        return dict(share)
    scores = score_clip(landmarks, eval_window.landmarks, scored)
    names = ("nme_lips", "mouth_opening_corr", "mouth_opening_std_ratio")
    return share | {name: getattr(scores, name) for name in names}


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


_CUTS: Final = {"lower": _windows, "mouth": _mouths}
"""Regions of the perceptual distances, and how they are cut out."""


@lru_cache(maxsize=len(_CUTS))  # of one evaluation window: every system is compared with the same truth
@torch.inference_mode()
def _true_maps(lite0: Lite0, eval_window: EvalWindow, region: str) -> Sequence[Tensor]:
    """Return the network's maps of a region of the true crops that are scored."""
    scored, boxes = eval_window.scored, mouth.boxes(eval_window.landmarks, eval_window.crops.shape[1])
    return tuple(lite0(_CUTS[region](_unit(eval_window.crops)[scored], boxes[scored], lite0.device)))


def _unit(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return crops in 0..1."""
    return np.asarray(crops / np.float32(255), np.float32)


def _channels_first(pictures: NDArray[np.float32], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(device)
