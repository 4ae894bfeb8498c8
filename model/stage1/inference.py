"""Inference of the landmark generator on clips of any length, in overlapping pieces without seams."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Floats, require_numbers
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.landmarks import PREDICTED
from heterodub.model.features.timing import mel_columns
from heterodub.model.stage1.features import GeneratorInput, prepare
from heterodub.model.stage1.network import EXTRA_COLUMNS, LandmarkGenerator
from heterodub.schemas.contract import LANDMARK_POINTS

_PIECE_FRAMES: Final = 500
"""Frames predicted at once; bounds memory, changes nothing else."""


def predict_clip(
    generator: LandmarkGenerator,
    mel: Floats,
    landmarks: Floats,
    reference: Floats,
    tracked: NDArray[np.bool_] | None = None,
    gain: float = 1.0,
) -> NDArray[np.float32]:
    """Return a clip's landmarks with lips and outline predicted from speech: (T, 216, 2) in pixels.

    mel: (4T, 80), with senone scores behind it, (4T, 206), if the generator reads them. landmarks: (T, 216, 2) in
    pixels, of which only the 116 pose points are used. reference: (R, 216, 2) in pixels, one frame or more of the same
    person. tracked: (T,), all true if left out. gain: see `amplified`.

    Raises: ValueError - shapes that do not fit together, or values that are not finite.
    """
    require_numbers("mel", mel, None, generator.architecture.speech_width)
    require_numbers("landmarks", landmarks, None, LANDMARK_POINTS, 2)
    require_numbers("reference", reference, None, LANDMARK_POINTS, 2)
    counts = np.ones(len(landmarks), bool) if tracked is None else tracked
    clip = prepare(mel, _without_mouth(landmarks), counts, generator.architecture.pose_sigma_frames)
    predicted = predict(generator, clip, face_frames(reference), gain)
    whole = landmarks.astype(np.float64)
    whole[:, PREDICTED] = clip.frame.leave(predicted)
    return whole.astype(np.float32)


def _without_mouth(landmarks: Floats) -> Floats:
    """Return the landmarks with zeros in place of the predicted points, so that the old mouth cannot leak."""
    blanked = np.array(landmarks, np.float64)
    blanked[:, PREDICTED] = 0.0
    return blanked


def face_frames(points: Floats) -> NDArray[np.float32]:
    """Transform landmarks (R, 216, 2) in pixels, each into its own face frame."""
    return FaceFrame.of(points).enter(points).astype(np.float32)


@torch.inference_mode()
def predict(
    generator: LandmarkGenerator, clip: GeneratorInput, reference_RPXY: NDArray[np.float32], gain: float = 1.0
) -> NDArray[np.float64]:
    """Predict points in the face frame, (T, 100, 2), for a prepared clip and references in the face frame.

    Pieces overlap by the network's receptive field, so the result equals that of one pass.
    """
    if was_training := generator.training:  # to visit all its layers takes as long as a short clip
        generator.eval()
    device = next(generator.parameters()).device
    mel, pose, reference = (
        torch.as_tensor(values, device=device)[None] for values in (clip.mel_CM, clip.pose_TPXY, reference_RPXY)
    )
    used = torch.ones(reference.shape[:2], dtype=torch.bool, device=device)
    frames, reach = pose.shape[1], generator.reach
    pieces: list[Tensor] = []
    for start in range(0, frames, _PIECE_FRAMES):
        stop = min(start + _PIECE_FRAMES, frames)
        low, high = max(0, start - reach), min(frames, stop + reach)
        columns = slice(mel_columns(low), mel_columns(high) + EXTRA_COLUMNS)
        pieces.append(generator(mel[:, columns], pose[:, low:high], reference, used)[0, start - low : stop - low])
    if was_training:
        generator.train()
    return amplified(torch.cat(pieces).cpu().double().numpy(), gain)


def amplified(predicted_TPXY: NDArray[np.float64], gain: float) -> NDArray[np.float64]:
    """Multiply the departure of predictions from their mean over time by `gain`.

    Training with L1 shrinks uncertain movement, so predicted mouths move less than real ones; the gain, calibrated on
    the val split, compensates.
    """
    if gain == 1.0:
        return predicted_TPXY
    middle = predicted_TPXY.mean(axis=0, keepdims=True)
    return np.asarray(middle + gain * (predicted_TPXY - middle))
