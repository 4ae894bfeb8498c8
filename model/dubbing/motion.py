"""Target landmarks of each output frame in pixels, from stage 1's prediction at 25 fps in the face frame.

Motion that the head carries: rigid motion is followed frame by frame, the rest is low-passed. Seen from afar, each
point of a rigid head is a fixed combination of three vectors that do not lie in one plane, however the head is turned
(an affine basis of its shape; Tomasi and Kanade 1992, "Shape and motion from image streams"). The vectors here start
between the eyes: along the eyes, to the nose and to the middle between the ears, all places that speech hardly moves.
So the part of a jaw point's motion that the head causes is followed at once. The rest is low-passed, which removes the
old speech.

Shape suffix legend: N = output frames, G = frames at 25 fps, K = 3 vectors, P = points, XY = 2 coordinates.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.model.dubbing.timing import at_times
from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame, smooth
from heterodub.model.features.landmarks import LIPS, OUTLINE, PREDICTED, SLICES, eye_centres

_TIP: Final = 3
_EAR: Final = 2
"""Points of the nose bridge's lower end, and of either end of the outline, that are averaged: single ones jitter."""

_STIFFNESS: Final = 0.03
"""Movement of the vectors within the low-pass, in units of the face frame, from which a face's shape is fitted to its
own movement rather than taken from the mean head: jitter and the nose's movement in speech stay below it."""


def _mean_jaw() -> NDArray[np.float64]:
    """Return the combination that gives each point of a mean head's outline, (3, 40).

    Least squares over 3,300 frames of 16 speakers whose heads turn, made symmetric and smooth along the jaw; leaving
    any one speaker out moves it by 0.15 at most.
    """
    along = np.linspace(-1.0, 1.0, OUTLINE.stop - OUTLINE.start)
    eyes = 2.16 * along - 1.71 * along**3 + 0.66 * along**5
    nose = 2.48 - 3.81 * along**2 + 1.28 * along**4
    ears = 2.17 - 1.17 * along**2 - 0.06 * along**4
    return np.stack([eyes, nose, ears])


MEAN_JAW: Final = _mean_jaw()
MEAN_CORNERS: Final = np.array([[-0.42, 0.42], [1.61, 1.61], [0.84, 0.84]])
"""The same for the corners of the mouth, left and right, (3, 2)."""


def head_arrows(points_NPXY: Floats) -> NDArray[np.float64]:
    """Return the three vectors (N, 3, 2) of faces (N, 216, 2) in the face frame, whose origin lies between the eyes."""
    left, right = eye_centres(points_NPXY)
    outline = points_NPXY[:, OUTLINE]
    tip, lower = points_NPXY[:, SLICES["nose_bridge"]][:, -_TIP:], points_NPXY[:, SLICES["nose_lower"]]
    nose = (tip.mean(axis=1) + lower.mean(axis=1)) / 2
    ears = (outline[:, :_EAR].mean(axis=1) + outline[:, -_EAR:].mean(axis=1)) / 2
    return np.asarray(np.stack([right - left, nose, ears], axis=1), np.float64)


def carried(points_NPXY: Floats, arrows_NKXY: Floats, mean_KP: Floats, sigma_frames: float) -> NDArray[np.float64]:
    """Remove from points (N, P, 2) of the face frame their own movement that is faster than the low-pass.

    Around each frame the combination of vectors is fitted to the points, weighted as the low-pass weights frames, and
    regularised towards the mean head's (3, P) where the head moves little (ridge regression). The result is the
    points' average, moved by the head's departure from its own average.
    """
    middle, at = smooth(points_NPXY, sigma_frames), smooth(arrows_NKXY, sigma_frames)
    spread = _together(arrows_NKXY, arrows_NKXY, sigma_frames) - np.einsum("nkx,nlx->nkl", at, at)
    common = _together(arrows_NKXY, points_NPXY, sigma_frames) - np.einsum("nkx,npx->nkp", at, middle)
    stiff = _STIFFNESS**2 * np.eye(arrows_NKXY.shape[1])
    combination = np.linalg.solve(spread + stiff, common + stiff @ mean_KP)
    return np.asarray(middle + np.einsum("nkx,nkp->npx", arrows_NKXY - at, combination), np.float64)


def _together(first: Floats, second: Floats, sigma_frames: float) -> NDArray[np.float64]:
    return smooth(np.einsum("nkx,npx->nkp", first, second), sigma_frames)


SIGMAS: Final = 4
"""Sigmas at which a low-pass is cut, as in face_frame.smooth."""


def _chin() -> NDArray[np.float64]:
    """Return the share of the predicted outline in the wanted one, by point, (40, 1): 0 at the ears, 1 at the chin.

    Speech moves the jaw, not the ears; differences there come from identity and head pose, for which the source is the
    better evidence, and a moved cheek would show at the border.
    """
    along = np.linspace(-1.0, 1.0, OUTLINE.stop - OUTLINE.start)
    share = np.clip((0.8 - np.abs(along)) / 0.4, 0.0, 1.0)
    return (share**2 * (3 - 2 * share))[:, None]


CHIN: Final = _chin()

_UPPER: Final = SLICES["lip_upper_outer"].start - LIPS.start + OUTLINE.stop - OUTLINE.start
_CORNERS: Final = [_UPPER, _UPPER + SLICES["lip_upper_outer"].stop - SLICES["lip_upper_outer"].start - 1]
"""Of the predicted points the two corners of the mouth."""

_WIDER: Final = (0.6, 1.5)
"""A mouth is made narrower or wider by no more than this: a turned head shortens it, and some mouths are wide."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Predicted mouth motion of a speech: points (G, 100, 2) in the face frame, at times (G,) in seconds."""

    points_GPXY: NDArray[np.float32]
    times_G: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MouthTargets:
    """Landmarks of some output frames, float32, pixels as displayed: source and target."""

    source_NPXY: NDArray[np.float32]
    wanted_NPXY: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """Low-passes along time, sigmas in output frames.

    steady: of measured landmarks, against their jitter. placed: of the source's mouth and jaw position on the head;
    long against a syllable, so that the old speech is not followed. Rigid head motion is followed at once.
    """

    steady: float
    placed: float

    @property
    def reach(self) -> int:
        """Number of frames to either side that an output frame depends on."""
        return round(SIGMAS * self.steady) + round(SIGMAS * self.placed)


def wanted_landmarks(
    spoken: Spoken, measured_NPXY: Floats, times_N: NDArray[np.float64], frames: slice, smoothing: Smoothing
) -> MouthTargets:
    """Compute the landmarks of `frames` (start and stop required) out of a face's N output frames.

    measured_NPXY: (N, 216, 2) pixels. times_N: seconds. The result does not depend on how the frames are cut into
    pieces, since each piece is low-passed together with its surroundings.
    """
    low, high = max(0, frames.start - smoothing.reach), min(len(measured_NPXY), frames.stop + smoothing.reach)
    steady = _steadied(measured_NPXY[low:high], smoothing.steady)
    head = FaceFrame.of(steady)
    predicted = at_times(spoken.points_GPXY, spoken.times_G, times_N[low:high])
    placed = _placed(predicted, head.enter(steady), smoothing.placed)
    inner = slice(frames.start - low, frames.stop - low)
    source = steady[inner]
    target = source.copy()
    target[:, PREDICTED] = head[inner].leave(placed[inner])
    target[:, OUTLINE] = source[:, OUTLINE] + CHIN * (target[:, OUTLINE] - source[:, OUTLINE])
    return MouthTargets(source.astype(np.float32), target.astype(np.float32))


def _steadied(measured_NPXY: Floats, sigma_frames: float) -> NDArray[np.float64]:
    """Low-pass measured landmarks. They are extended by point reflection at both ends, so that the result does not lag
    behind a head that moves there.
    """
    reach = min(round(SIGMAS * sigma_frames), len(measured_NPXY) - 1)
    if not reach:
        return np.asarray(measured_NPXY, np.float64)
    first, last = measured_NPXY[:1], measured_NPXY[-1:]
    before, after = 2 * first - measured_NPXY[reach:0:-1], 2 * last - measured_NPXY[-2 : -reach - 2 : -1]
    return smooth(np.concatenate([before, measured_NPXY, after]), sigma_frames)[reach:-reach]


def _placed(predicted_NPXY: Floats, measured_NPXY: Floats, sigma_frames: float) -> NDArray[np.float64]:
    """Place predicted points (N, 100, 2) in the face frame at the source's mouth and jaw.

    Stage 1 has little information on head pose (its pose filter removes what correlates with the mouth), so on a turned
    head its mouth would lie beside the true one. The source's landmarks, (N, 216, 2), give position, distance and tilt
    of the mouth's corners, and the position of the jaw. The mouth opening is not taken from them.
    """
    jaw = slice(0, OUTLINE.stop - OUTLINE.start)
    arrows, measured = head_arrows(measured_NPXY), measured_NPXY[:, PREDICTED]
    placed = np.array(predicted_NPXY, np.float64)
    placed[:, jaw] += carried(measured[:, jaw], arrows, MEAN_JAW, sigma_frames) - smooth(placed[:, jaw], sigma_frames)
    middle, across = _between(smooth(predicted_NPXY[:, _CORNERS], sigma_frames))
    there, along = _between(carried(measured[:, _CORNERS], arrows, MEAN_CORNERS, sigma_frames))
    lips = placed[:, jaw.stop :, 0] + 1j * placed[:, jaw.stop :, 1]
    upright = (lips - middle[:, None]) / (across / np.abs(across))[:, None]
    wider = np.clip(np.abs(along) / np.abs(across), *_WIDER)[:, None]
    turned = (upright.real * wider + 1j * upright.imag) * (along / np.abs(along))[:, None] + there[:, None]
    placed[:, jaw.stop :] = np.stack([turned.real, turned.imag], axis=-1)
    return placed


def _between(corners_NCXY: Floats) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the middle between the mouth corners (N, 2, 2) and the vector from left to right, complex: two of (N,)."""
    left, right = (corners_NCXY[:, number, 0] + 1j * corners_NCXY[:, number, 1] for number in (0, 1))
    return np.asarray((left + right) / 2, np.complex128), np.asarray(right - left, np.complex128)
