"""Training batches of the landmark generator: windows of prepared clips, with augmentation.

Shape suffix legend: B = windows, T = frames (padded to the longest), C = mel columns, R = references, as elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.landmarks import MIRRORED, POSE, PREDICTED
from heterodub.model.features.timing import mel_columns
from heterodub.model.stage1.features import GeneratorInput, scale_mel
from heterodub.model.stage1.network import EXTRA_COLUMNS
from heterodub.model.training.batch import TrainingBatch
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.training import Augmentation
from heterodub.schemas.contract import MEL_BANDS, MEL_CONTEXT_COLUMNS

_DB_TO_LN: Final = np.log(10) / 20


@dataclass(frozen=True, slots=True)
class GeneratorBatch(TrainingBatch):
    """Inputs and targets of a training step; see LandmarkGenerator.forward. counts_BT: frames that the loss counts."""

    mel_BCM: Tensor
    pose_BTPXY: Tensor
    reference_BRPXY: Tensor
    used_BR: Tensor
    target_BTPXY: Tensor
    counts_BT: Tensor
    clip_ids: tuple[str, ...]


def make_batch(
    windows: Sequence[Window],
    clips: Sequence[GeneratorInput],
    clip_ids: Sequence[str],
    frames: int,
    references: int,
    augmentation: Augmentation,
) -> GeneratorBatch:
    """Make a batch of `windows`, each of the clip at the same place in `clips`, padded to `frames`.

    references: largest number of reference frames per window; the number is drawn anew each time, so that the network
    handles one or more.
    """
    rows = [_row(*pair, frames, references, augmentation) for pair in zip(windows, clips, strict=True)]
    stacked = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
    mel, pose, reference, used, target, counts = stacked
    return GeneratorBatch(mel, pose, reference, used, target, counts, tuple(clip_ids))


def _row(
    window: Window, clip: GeneratorInput, frames: int, references: int, augmentation: Augmentation
) -> tuple[NDArray[Any], ...]:
    draw = np.random.default_rng(window.seed)
    span = slice(window.start, window.start + window.frames)
    reference, used = _references(clip, span, references, draw)
    points, pose, mel, counted = _played(clip, span, augmentation.speed_perturb, draw)
    mel = _disturbed(mel, augmentation, draw)
    if draw.random() < augmentation.hflip_prob:
        points, pose, reference = mirror(points), mirror_pose(pose), mirror(reference)
    spare = frames - window.frames
    counts = np.pad(counted, (0, spare))
    return (
        _lengthened(mel, mel_columns(spare)),
        _lengthened(pose, spare),
        reference,
        used,
        _lengthened(points[:, PREDICTED], spare),
        counts,
    )


def _references(
    clip: GeneratorInput, span: slice, most: int, draw: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Draw reference frames (R, 216, 2) and flags of those that count (R,): tracked, outside the window if possible."""
    outside = clip.counts_T.copy()
    outside[span] = False
    choice = np.flatnonzero(outside if outside.any() else clip.counts_T)
    count = min(int(draw.integers(1, most + 1)), len(choice))
    frames = draw.choice(choice, count, replace=False)
    reference = np.repeat(clip.points_TPXY[frames[:1]], most, axis=0)
    reference[:count] = clip.points_TPXY[frames]
    return reference, np.arange(most) < count


def _played(
    clip: GeneratorInput, span: slice, speed_perturb: float, draw: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return points, pose, mel and counts of as many frames as `span` has, played at a random speed from its start."""
    frames = span.stop - span.start
    if not speed_perturb or frames < 2:
        mel = clip.mel_CM[mel_columns(span.start) : mel_columns(span.stop) + EXTRA_COLUMNS]
        return clip.points_TPXY[span], clip.pose_TPXY[span], mel, clip.counts_T[span]
    last = min(float(np.exp(draw.normal(0, speed_perturb))) * (frames - 1), len(clip.counts_T) - 1.0 - span.start)
    rate = last / (frames - 1)
    at = span.start + rate * np.arange(frames)
    # column j of a window lies (j - before) / 4 frames after its first frame
    before = MEL_CONTEXT_COLUMNS // 2
    columns = before + mel_columns(1) * span.start + rate * (np.arange(mel_columns(frames) + EXTRA_COLUMNS) - before)
    counted = clip.counts_T[np.floor(at).astype(int)] & clip.counts_T[np.ceil(at).astype(int)]
    return between(clip.points_TPXY, at), between(clip.pose_TPXY, at), between(clip.mel_CM, columns), counted


def between(values: NDArray[np.float32], at: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Interpolate rows of `values` linearly at fractional indices; indices outside give the first or last row."""
    at = np.clip(at, 0, len(values) - 1)
    low = np.minimum(at.astype(int), len(values) - 2) if len(values) > 1 else np.zeros(len(at), int)
    share = (at - low).astype(np.float32).reshape(-1, *(1,) * (values.ndim - 1))
    mixed: NDArray[np.float32] = values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share
    return mixed


def _disturbed(mel: NDArray[np.float32], augmentation: Augmentation, draw: np.random.Generator) -> NDArray[np.float32]:
    """Augment a scaled mel: gain, spectral tilt (as of another microphone), noise, or silence."""
    if draw.random() < augmentation.drop_sound:
        return np.full_like(mel, -1.0)
    mel, scores = mel[:, :MEL_BANDS], mel[:, MEL_BANDS:]  # senone scores hardly change with the microphone
    if augmentation.vtlp_std > 0:  # vocal tract length perturbation (Jaitly and Hinton, 2013), along the bands
        mel = between(mel.T, np.exp(draw.normal(0, augmentation.vtlp_std)) * np.arange(MEL_BANDS)).T
    change = draw.normal(0, augmentation.gain_db) + draw.normal(0, augmentation.tilt_db) * np.linspace(-1, 1, MEL_BANDS)
    step = scale_mel(np.array(1.0)) - scale_mel(np.array(0.0))
    louder = mel + (change * _DB_TO_LN * step).astype(np.float32)
    if augmentation.noise > 0:
        louder = louder + draw.normal(0, augmentation.noise, mel.shape).astype(np.float32)
    return np.hstack([np.where(mel <= -1.0, mel, np.maximum(louder, -1.0)), scores])


def _lengthened(values: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Pad by repeating the last row, as the convolutions' own padding does."""
    return np.concatenate([values, np.repeat(values[-1:], by, axis=0)]) if by else values


def mirror(points_TPXY: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror faces (T, 216, 2) in the face frame, with left and right boundaries swapped."""
    return points_TPXY[:, MIRRORED] * np.array([-1, 1], np.float32)


def mirrored(clip: GeneratorInput) -> GeneratorInput:
    """Mirror a clip's face in the face frame; its sound is the same."""
    return replace(clip, pose_TPXY=mirror_pose(clip.pose_TPXY), points_TPXY=mirror(clip.points_TPXY))


def mirror_pose(pose_TPXY: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror the 116 pose points alone, (T, 116, 2)."""
    return pose_TPXY[:, _MIRRORED_POSE] * np.array([-1, 1], np.float32)


_MIRRORED_POSE: Final = np.searchsorted(POSE, MIRRORED[POSE])
