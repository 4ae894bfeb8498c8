"""Scores of predicted against true landmarks, one clip at a time.

Only the 100 predicted points are scored. Sizes and directions come from the true face, and pose points of a prediction
are ignored, since they are inputs. Movement is measured in the face frame, where the head stands still, so a network
gains nothing by moving a mouth with its head.

Shape suffix legend: T = frames, F = tracked frames, P = landmark points, XY = 2 coordinates in pixels.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Flags, Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import LIPS, OUTLINE, PREDICTED, bounding_diagonal, interocular, mouth_opening
from heterodub.schemas.contract import LANDMARK_POINTS

LEAST_FRAMES: Final = 10
"""Least number of tracked frames for spread and correlation; with fewer they are chance."""

LEAST_MOTION: Final = 1e-3
"""An opening whose standard deviation is smaller, in units of the face frame, is a mouth that does not move."""


@dataclass(frozen=True, slots=True)
class LandmarkScores:
    """Scores of one clip. None: a score could not be measured, since no or too few frames have a face, or a mouth that
    it is relative to stands still.
    """

    frames: int
    """Number of scored frames: the tracked ones."""

    nme: float | None
    """Normalised mean error over the 100 predicted points (paper, section 4.1.2): mean distance over the diagonal of
    the true face's bounding box in the same frame. A fraction, not percent."""

    nme_lips: float | None
    """The same over the 60 points of the lips."""

    nme_outline: float | None
    """The same over the 40 points of the face outline."""

    mouth_opening_corr: float | None
    """Pearson correlation of predicted and true mouth opening over time, -1 to 1."""

    mouth_opening_std_ratio: float | None
    """Standard deviation of the predicted mouth opening over that of the true one: 1 moves as much as the speaker did,
    0 not at all. Not the variances, so that openings divided by this ratio move as much as the true ones."""

    velocity_error: float | None
    """Mean distance between predicted and true displacement of a lip point from one frame to the next, in units of
    the face frame. Still lips are off by the true lips' mean speed."""

    jitter: float | None
    """Mean acceleration of the predicted lip points over that of the true ones. Above 1 the prediction trembles; true
    points tremble by the detector's noise, so a clean prediction stays below 1."""


def score_clip(predicted_TPXY: Floats, true_TPXY: Floats, tracked_T: Flags) -> LandmarkScores:
    """Score one clip: landmarks (T, 216, 2) in pixels both, and flags of frames (T,) with a tracked face.

    Untracked frames hold a fill-in and do not count, neither does a step from or to one.

    Raises: ValueError - other shapes, a predicted point that is not finite, or a true face without a face frame.
    """
    _require(predicted_TPXY, true_TPXY, tracked_T)
    predicted_FPXY = np.asarray(predicted_TPXY, np.float64)[tracked_T]
    true_FPXY = np.asarray(true_TPXY, np.float64)[tracked_T]
    frame = FaceFrame.of(true_FPXY)
    both = openings(predicted_FPXY, true_FPXY, frame)
    lips = frame.enter(predicted_FPXY[:, LIPS]), frame.enter(true_FPXY[:, LIPS])
    times_F = np.flatnonzero(tracked_T)
    return LandmarkScores(
        frames=len(times_F),
        nme=_nme(predicted_FPXY, true_FPXY, PREDICTED),
        nme_lips=_nme(predicted_FPXY, true_FPXY, LIPS),
        nme_outline=_nme(predicted_FPXY, true_FPXY, OUTLINE),
        mouth_opening_corr=correlation(*both),
        mouth_opening_std_ratio=spread_ratio(*both),
        velocity_error=_velocity_error(*lips, times_F),
        jitter=_jitter(*lips, times_F),
    )


def _require(predicted_TPXY: Floats, true_TPXY: Floats, tracked_T: Flags) -> None:
    expected = (len(tracked_T), LANDMARK_POINTS, 2)
    if tracked_T.dtype != np.bool_ or predicted_TPXY.shape != expected or true_TPXY.shape != expected:
        shapes = f"{predicted_TPXY.shape}, {true_TPXY.shape} and {tracked_T.dtype} {tracked_T.shape}"
        raise ValueError(f"scores need landmarks (T, {LANDMARK_POINTS}, 2) twice and flags (T,), got {shapes}")
    if not np.isfinite(predicted_TPXY[tracked_T][:, PREDICTED]).all():
        raise ValueError("the prediction holds points that are not finite")


def _nme(predicted_FPXY: Floats, true_FPXY: Floats, points: slice | NDArray[np.intp]) -> float | None:
    if not len(true_FPXY):
        return None
    return float(nme_frames(predicted_FPXY, true_FPXY, points).mean())


def nme_frames(predicted_FPXY: Floats, true_FPXY: Floats, points: slice | NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the normalised mean error of some points in each frame (F,): see LandmarkScores.nme."""
    distance_FP = np.linalg.norm(predicted_FPXY[:, points] - true_FPXY[:, points], axis=-1)
    return np.asarray(distance_FP.mean(axis=1) / bounding_diagonal(true_FPXY), np.float64)


def openings(predicted_FPXY: Floats, true_FPXY: Floats, frame: FaceFrame) -> tuple[Floats, Floats]:
    """Return predicted and true mouth opening (F,), in units of the face frame.

    Not in eye distances: a head that turns aside shortens those, and a copied mouth would seem to move. It moved by
    a hundredth of the true opening on 134 real clips, yet correlated with it by 0.60 (mean of absolute values).
    """
    merged_FPXY = true_FPXY.copy()
    merged_FPXY[:, LIPS] = predicted_FPXY[:, LIPS]
    eyes_F = interocular(true_FPXY) / np.abs(frame.turn_T)
    return mouth_opening(merged_FPXY) * eyes_F, mouth_opening(true_FPXY) * eyes_F


def _motion(opening_F: Floats) -> float | None:
    """Return the standard deviation of an opening; None of one that stands still, or of too few frames."""
    spread = float(opening_F.std()) if len(opening_F) >= LEAST_FRAMES else 0.0
    return spread if spread >= LEAST_MOTION else None


def correlation(predicted_F: Floats, true_F: Floats) -> float | None:
    """Return the Pearson correlation of two openings (F,); None where one stands still or frames are too few."""
    true, predicted = _motion(true_F), _motion(predicted_F)
    if true is None or predicted is None:
        return None
    covariance = ((predicted_F - predicted_F.mean()) * (true_F - true_F.mean())).mean()
    return float(np.clip(covariance / (predicted * true), -1, 1))  # rounding may leave the range


def spread_ratio(predicted_F: Floats, true_F: Floats) -> float | None:
    """Return the standard deviation of an opening (F,) over that of the true one; None where that stands still."""
    true = _motion(true_F)
    return None if true is None else float(predicted_F.std()) / true


def _velocity_error(predicted_FPXY: Floats, true_FPXY: Floats, times_F: NDArray[np.intp]) -> float | None:
    adjacent = np.diff(times_F) == 1
    return _mean_length(np.diff(predicted_FPXY - true_FPXY, axis=0)[adjacent]) if adjacent.any() else None


def _jitter(predicted_FPXY: Floats, true_FPXY: Floats, times_F: NDArray[np.intp]) -> float | None:
    in_a_row = times_F[2:] - times_F[:-2] == 2
    if not in_a_row.any():
        return None
    predicted, true = (_mean_length(np.diff(lips, 2, axis=0)[in_a_row]) for lips in (predicted_FPXY, true_FPXY))
    return predicted / true if true > 0 else None


def _mean_length(vectors: Floats) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean())
