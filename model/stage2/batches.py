"""Training batches of translator and discriminators: windows of prepared clips, with augmentation.

Shape suffix legend: N = windows, F = frames of a window, B = N * F frames, T = frames of a clip, R = reference frames,
K = warped candidates, S = side of a crop, W = side of its window in pixels, P = 216 points, XY = 2 coordinates, C =
channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Floats, Pictures
from heterodub.model.features.landmarks import MIRRORED
from heterodub.model.stage2 import mask, mouth
from heterodub.model.stage2.composite import composite, drawn, in_context
from heterodub.model.stage2.translator import Appearance, require
from heterodub.model.stage2.warp import candidates
from heterodub.model.training.batch import TrainingBatch
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import PictureAugmentation, TranslatorArchitecture

_APART: Final = 5
"""Frames between a window and its references, where the clip is long enough: neighbours nearly equal the target."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """Face crops of one clip (T, S, S, 3), landmarks (T, 216, 2) in crop pixels, and flags of tracked frames (T,)."""

    pictures_TSS3: Pictures
    landmarks_TPXY: NDArray[np.float32]
    tracked_T: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together and clips without a tracked frame."""
        require(self.pictures_TSS3.shape[1], self.pictures_TSS3, self.landmarks_TPXY)
        if not self.tracked_T.any():
            raise ValueError("no frame of the clip was tracked")

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.tracked_T)


@dataclass(frozen=True, slots=True)
class TranslatorBatch(TrainingBatch):
    """Inputs and targets of one training step.
    inputs_BCWW: composite.in_context. reference_NRCWW: for the embedder. warped_BKWW: candidates, (B, 3 K, W, W).
    lines_BCWW: the drawn landmarks alone. target_BWW: true windows, (B, 3, W, W) in 0..1. share_BWW: mask.soft.
    mouths_B3: mouth.boxes, in pixels of the window.
    """

    inputs_BCWW: Tensor
    reference_NRCWW: Tensor
    warped_BKWW: Tensor
    lines_BCWW: Tensor
    target_BWW: Tensor
    share_BWW: Tensor
    mouths_B3: Tensor
    clip_ids: tuple[str, ...]

    @property
    def frames(self) -> int:
        """F: number of frames of each window."""
        return len(self.inputs_BCWW) // len(self.reference_NRCWW)


def make_batch(
    windows: Sequence[Window],
    clips: Sequence[FaceClip],
    clip_ids: Sequence[str],
    frames: int,
    references: int,
    architecture: TranslatorArchitecture,
    augmentation: PictureAugmentation,
) -> TranslatorBatch:
    """Make a batch of `windows` of `frames` frames, each of the clip at the same place in `clips`."""
    rows = [_row(*pair, frames, references, architecture, augmentation) for pair in zip(windows, clips, strict=True)]
    inputs, reference, warped, lines, target, share, mouths = (
        torch.from_numpy(np.concatenate(column)) for column in zip(*rows, strict=True)
    )
    return TranslatorBatch(inputs, reference, warped, lines, target, share, mouths, tuple(clip_ids))


def _row(
    window: Window,
    clip: FaceClip,
    frames: int,
    references: int,
    architecture: TranslatorArchitecture,
    augmentation: PictureAugmentation,
) -> tuple[NDArray[Any], ...]:
    draw = np.random.default_rng(window.seed)
    run = tracked_run(clip.tracked_T, window.start, frames)
    reference = frames_apart(clip.tracked_T, run, references, draw)
    reach = architecture.context
    around = np.clip(np.arange(run[0] - reach, run[-1] + reach + 1), 0, len(clip.tracked_T) - 1)
    if run[0] == run[-1]:  # one frame, repeated
        around = np.repeat(run[:1], frames + 2 * reach)
    indices = np.concatenate([around, reference])
    pictures, landmarks = _varied(clip.pictures_TSS3[indices], clip.landmarks_TPXY[indices], augmentation, draw)
    side, crops, points = pictures.shape[1], pictures[: len(around)], landmarks[: len(around)]
    appearance = Appearance(pictures[len(around) :], landmarks[len(around) :], np.zeros(0, np.float32))
    inputs = in_context(composite(crops, points, points), reach)[reach : reach + frames]
    middle = slice(reach, reach + frames)
    rows, columns = mask.window(side)
    target = crops[middle, rows, columns].astype(np.float32).transpose(0, 3, 1, 2) / 255
    warped = candidate_channels(appearance, points[middle], architecture.candidates)
    if draw.random() < augmentation.warp_dropout:
        warped[:] = 0
    return (
        inputs,
        embedded_frames(appearance.pictures_RSS3[:1], appearance.landmarks_RPXY[:1])[None],
        warped,
        drawn(points[middle], side),
        target,
        mask.soft(points[middle], side)[:, rows, columns],
        mouth.boxes(points[middle] - (columns.start, rows.start), rows.stop - rows.start),
    )


def tracked_run(tracked_T: NDArray[np.bool_], start: int, frames: int) -> NDArray[np.intp]:
    """Return the run of `frames` tracked frames that begins nearest to `start`; if there is none, the tracked frame
    nearest to it, repeated.
    """
    good = np.flatnonzero(tracked_T)
    runs = good[: len(good) - frames + 1][good[frames - 1 :] - good[: len(good) - frames + 1] == frames - 1]
    from_these = runs if len(runs) else good
    first = from_these[np.argmin(np.abs(from_these - start))]
    return np.arange(first, first + frames) if len(runs) else np.repeat(first, frames)


def frames_apart(
    tracked_T: NDArray[np.bool_], run: NDArray[np.intp], most: int, draw: np.random.Generator
) -> NDArray[np.intp]:
    """Draw up to `most` tracked frames away from the window (t' != t), where there are any."""
    choice = np.flatnonzero(tracked_T)
    for apart in (_APART, 1):
        away = choice[(choice <= run[0] - apart) | (choice >= run[-1] + apart)]
        if len(away):
            choice = away
            break
    return draw.choice(choice, min(most, len(choice)), replace=False)


def _varied(
    pictures: Pictures, landmarks: NDArray[np.float32], augmentation: PictureAugmentation, draw: np.random.Generator
) -> tuple[Pictures, NDArray[np.float32]]:
    """Augment window and references alike: colour jitter and horizontal flip."""
    lit = relit(pictures, augmentation.color_jitter, draw)
    if draw.random() >= augmentation.hflip_prob:
        return lit, landmarks
    return np.ascontiguousarray(lit[:, :, ::-1]), turned(landmarks, pictures.shape[2])


def relit(pictures: Pictures, light: float, draw: np.random.Generator) -> Pictures:
    """Jitter the colours of pictures (n, S, S, 3), alike for all. light: std of the gain; each colour's is half."""
    gain = 1 + draw.normal(0, light) + draw.normal(0, light / 2, 3)
    table = np.clip(np.arange(256)[:, None] * np.clip(gain, 0.5, 1.5), 0, 255).astype(np.uint8)
    return np.stack([table[pictures[..., colour], colour] for colour in range(3)], axis=-1)


def turned(landmarks_TPXY: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Mirror landmarks (T, 216, 2) in crop pixels, with left and right boundaries swapped."""
    mirrored = landmarks_TPXY[:, MIRRORED].copy()
    mirrored[..., 0] = side_px - mirrored[..., 0]
    return mirrored


def embedded_frames(pictures_RSS3: Pictures, landmarks_RPXY: Floats) -> NDArray[np.float32]:
    """Return the embedder's inputs of reference frames: windows in -1..1 and drawn landmarks, (R, 3 + LINES, W, W)."""
    side = pictures_RSS3.shape[1]
    rows, columns = mask.window(side)
    windows = pictures_RSS3[:, rows, columns].astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
    return np.concatenate([windows, drawn(landmarks_RPXY, side)], axis=1)


def candidate_channels(appearance: Appearance, wanted_TPXY: Floats, count: int) -> NDArray[np.float32]:
    """Return warped candidates as channels, (T, 3 K, W, W) in 0..1; none with `count` 0."""
    if not count:
        width = round(appearance.pictures_RSS3.shape[1] * mask.WINDOW[2])
        return np.zeros((len(wanted_TPXY), 0, width, width), np.float32)
    warped = candidates(appearance, wanted_TPXY, count).transpose(0, 1, 4, 2, 3)
    return warped.reshape(len(warped), -1, *warped.shape[3:])
