"""Inputs and targets of the landmark generator from a clip's stored arrays; used in training and inference alike.

Shape suffix legend: T = frames, C = mel columns (4T + 16), M = 80 mel bands, P = points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame, smooth
from heterodub.model.features.landmarks import POSE, PREDICTED
from heterodub.model.features.mel import FLOOR
from heterodub.model.features.timing import mel_columns, mel_window
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, SENONES

SILENCE: Final = float(np.log(FLOOR))
"""Log-mel of a column without sound."""
_MIDDLE: Final = SILENCE / 2
"""Log-mel that scale_mel maps to 0, so that its range becomes about -1 to 1.5."""


@dataclass(frozen=True, slots=True)
class GeneratorInput:
    """Network inputs of one clip, float32. `frame` maps predictions back to pixels.

    mel_CM: scaled, with the columns around the clip filled by silence; of a generator that reads senone scores, these
    stand behind its 80 bands. pose_TPXY: (T, 116, 2), stripped of speech.
    points_TPXY: (T, 216, 2) in the face frame. counts_T: false where the face was not tracked.
    """

    frame: FaceFrame
    mel_CM: NDArray[np.float32]
    pose_TPXY: NDArray[np.float32]
    points_TPXY: NDArray[np.float32]
    counts_T: NDArray[np.bool_]

    @property
    def target(self) -> NDArray[np.float32]:
        """The 100 points that are predicted, (T, 100, 2)."""
        return self.points_TPXY[:, PREDICTED]

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.counts_T)


def scale_mel(mel: Floats) -> NDArray[np.float32]:
    """Scale log-mel to about -1 (silence) to 1.5."""
    return np.asarray((mel - _MIDDLE) / -_MIDDLE, np.float32)


def prepare(speech: Floats, landmarks: Floats, tracked: NDArray[np.bool_], pose_sigma_frames: float) -> GeneratorInput:
    """Compute the features of a clip: speech (4T, 80), the log-mel, or (4T, 206) with senone scores from -1 to 1 behind
    it; landmarks (T, 216, 2) in pixels, tracked (T,).

    The mesh's brows, eyes and nose move a little with the mouth, so that a network could read the old mouth from the
    pose; a low-pass of `pose_sigma_frames` along time takes most of that out and leaves the head's slow movement.

    Raises: ValueError - the shapes do not fit together, a value is not finite, or no frame was tracked.
    """
    frames = len(landmarks)
    if landmarks.shape != (frames, LANDMARK_POINTS, 2) or tracked.shape != (frames,):
        raise ValueError(f"landmarks {landmarks.shape} and tracked {tracked.shape} are not those of one clip")
    if speech.shape not in [(mel_columns(frames), width) for width in (MEL_BANDS, MEL_BANDS + SENONES)]:
        raise ValueError(f"{frames} frames need a mel of {(mel_columns(frames), MEL_BANDS)}, got {speech.shape}")
    if not (np.isfinite(speech).all() and np.isfinite(landmarks).all()):
        raise ValueError("a mel or landmark value is not finite")
    if not tracked.any():
        raise ValueError("no frame of the clip was tracked")
    frame = FaceFrame.of(landmarks)
    points = frame.enter(landmarks)
    return GeneratorInput(
        frame,
        _scaled(with_context(speech, frames)),
        smooth(points[:, POSE], pose_sigma_frames).astype(np.float32),
        points.astype(np.float32),
        tracked.copy(),
    )


def _scaled(speech: Floats) -> NDArray[np.float32]:
    """Scale the mel; of scores that stand behind it, none fits where there is no sound."""
    scores = np.maximum(speech[:, MEL_BANDS:], -1)
    return np.hstack([scale_mel(speech[:, :MEL_BANDS]), np.asarray(scores, np.float32)])


def with_context(mel: Floats, frames: int) -> Floats:
    """Pad the mel (4T, 80) with silence for the columns that the first and last window need beyond the clip."""
    before = -mel_window(0)[0]
    after = mel_window(frames - 1)[1] - mel_columns(frames)
    return np.pad(mel, ((before, after), (0, 0)), constant_values=SILENCE)
