"""Stage 1 in a dubbing: the movement of a face's mouth for the speech, from the face's own head movement."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.dubbing.motion import SIGMAS, Spoken
from model.dubbing.timing import at_times
from model.features.mel import log_mel
from model.features.timing import frame_to_sample, frame_to_second, frames_around
from model.stage1.features import prepare
from model.stage1.inference import amplified, face_frames, predict
from model.stage1.network import LandmarkGenerator
from tasks.dubbing.speech import SpeechSource

_PIECE_FRAMES: Final = 1500
"""Frames at 25 fps that are predicted at once: a minute. Bounds memory, changes nothing else."""

_SOUND_FRAMES: Final = 4
"""Frames of sound around a piece, so that its first and last mel window contain what is there."""


def predict_lips(
    generator: LandmarkGenerator,
    gain: float,
    speech: SpeechSource,
    points_TPXY: NDArray[np.float32],
    rows_N: NDArray[np.int64],
    times_N: NDArray[np.float64],
    reference_RPXY: NDArray[np.float32],
) -> Spoken:
    """Predict the mouth's movement over a face's output frames.

    points_TPXY: (T, 216, 2) landmarks of a track, pixels; only the 116 pose points are used. rows_N: which of them
    each output frame shows. times_N: seconds of the output, on which the speech runs too. reference_RPXY: (R, 216, 2),
    reference frames of the same face.

    Raises: ValueError - landmarks that are not finite, or eyes on one place.
    """
    first, stop = frames_around(float(times_N[0]), float(times_N[-1]))
    around = generator.reach + round(SIGMAS * generator.architecture.pose_sigma_frames) + _SOUND_FRAMES
    known = face_frames(reference_RPXY)
    pieces = []
    for start in range(first, stop, _PIECE_FRAMES):
        end = min(start + _PIECE_FRAMES, stop)
        low, high = start - around, end + around
        times = np.array([frame_to_second(frame) for frame in range(low, high)])
        landmarks = _around(points_TPXY, rows_N, times_N, times)
        mel = log_mel(speech.samples(frame_to_sample(low), frame_to_sample(high - low)), high - low)
        clip = prepare(mel, landmarks, np.ones(high - low, bool), generator.architecture.pose_sigma_frames)
        pieces.append(predict(generator, clip, known)[around : around + end - start].astype(np.float32))
    points = amplified(np.concatenate(pieces).astype(np.float64), gain).astype(np.float32)
    return Spoken(points, np.array([frame_to_second(frame) for frame in range(first, stop)]))


def _around(
    points_TPXY: NDArray[np.float32],
    rows_N: NDArray[np.int64],
    times_N: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Interpolate landmarks at 25 fps from the output frames around these times."""
    low = min(max(0, int(np.searchsorted(times_N, times[0])) - 1), len(times_N) - 1)
    high = max(int(np.searchsorted(times_N, times[-1])) + 1, low + 1)
    return at_times(points_TPXY[rows_N[low:high]], times_N[low:high], times)
