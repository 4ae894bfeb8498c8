"""Training batches of translator and discriminators: windows of prepared clips, with augmentation.

Readers choose frames, decode their crops, and send these as bytes (`CropBatch`); masks, lines, context and warps, which
are 20 times as much, are made of them on the device that trains (`render`).

Shape suffix legend: N = windows, F = frames of a window, B = N * F frames, T = frames of a clip, U = frames of windows
and around them, V = reference frames, K = warped candidates, G = frames of a context, S = side of a crop, W = side of
its window in pixels, P = 216 points, XY = 2 coordinates, C = channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Pictures, require_numbers
from heterodub.model.features.landmarks import MIRRORED
from heterodub.model.stage2 import mask, mouth
from heterodub.model.stage2.composite import composite, drawn, signed, stacked
from heterodub.model.stage2.translator import require
from heterodub.model.stage2.warp import nearest, warped
from heterodub.model.training.batch import TrainingBatch
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import PictureAugmentation, TranslatorArchitecture
from heterodub.schemas.contract import LANDMARK_POINTS

_APART: Final = 5
"""Frames between a window and its references, where the clip is long enough: neighbours nearly equal the target."""


class CropClip(Protocol):
    """Face crops of one clip, landmarks (T, 216, 2) in crop pixels, and flags of tracked frames (T,)."""

    @property
    def landmarks_TPXY(self) -> NDArray[np.float32]:  # noqa: N802 - as the fields of its clips
        """Landmarks of all frames."""

    @property
    def tracked_T(self) -> NDArray[np.bool_]:  # noqa: N802
        """Flags of tracked frames."""

    def crops(self, frames: NDArray[np.intp]) -> Pictures:
        """Return the crops of some frames, (n, S, S, 3).

        Raises: ValueError - one cannot be decoded.
        """


def require_face(landmarks_TPXY: NDArray[np.float32], tracked_T: NDArray[np.bool_]) -> None:
    """Check a clip's landmarks and flags.

    Raises: ValueError - they do not fit together, a number is not finite, or no frame was tracked.
    """
    require_numbers(f"landmarks of {len(tracked_T)} crops", landmarks_TPXY, len(tracked_T), LANDMARK_POINTS, 2)
    if not tracked_T.any():
        raise ValueError("no frame of the clip was tracked")


@dataclass(frozen=True, slots=True, eq=False)
class FaceClip:
    """A CropClip in memory: crops (T, S, S, 3), landmarks (T, 216, 2), flags (T,)."""

    pictures_TSS3: Pictures
    landmarks_TPXY: NDArray[np.float32]
    tracked_T: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together and clips without a tracked frame."""
        require(self.pictures_TSS3.shape[1], self.pictures_TSS3, self.landmarks_TPXY)
        require_face(self.landmarks_TPXY, self.tracked_T)

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.tracked_T)

    def crops(self, frames: NDArray[np.intp]) -> Pictures:
        """Return the crops of some frames, (n, S, S, 3)."""
        return np.asarray(self.pictures_TSS3[frames])


@dataclass(frozen=True, slots=True)
class CropBatch(TrainingBatch):
    """A batch as it travels to the device: crops as uint8, and what to make of them.

    frames_USS3, frames_UPXY, poses_U4: frames of all windows with their context, each once; mask.poses. around_BG: for
    each frame of a window the numbers of those around it, itself in the middle. references_VSS3, references_VPXY: the
    reference frames in use. embedded_N: the one that the embedder reads. nearest_BK: the candidates, nearest first.
    has_warp_N: false where warped frames are withheld. mouths_B3: mouth.boxes, in pixels of the window.
    """

    frames_USS3: Tensor
    frames_UPXY: Tensor
    poses_U4: Tensor
    around_BG: Tensor
    references_VSS3: Tensor
    references_VPXY: Tensor
    embedded_N: Tensor
    nearest_BK: Tensor
    has_warp_N: Tensor
    mouths_B3: Tensor
    clip_ids: tuple[str, ...]


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


@torch.no_grad()
def render(batch: CropBatch) -> TranslatorBatch:
    """Draw lines, hide lower halves, stack contexts and warp references, on the device that the batch lies on."""
    side, middle = batch.frames_USS3.shape[1], batch.around_BG[:, batch.around_BG.shape[1] // 2]
    frames = len(middle) // len(batch.embedded_N)
    inputs = composite(batch.frames_USS3, batch.poses_U4, batch.frames_UPXY)
    embedded = batch.references_VSS3[batch.embedded_N], batch.references_VPXY[batch.embedded_N]
    moved = warped(
        batch.references_VSS3[batch.nearest_BK], batch.references_VPXY[batch.nearest_BK], batch.frames_UPXY[middle]
    )
    has_warp = batch.has_warp_N.repeat_interleave(frames)[:, None, None, None]
    return TranslatorBatch(
        stacked(inputs, batch.around_BG),
        embedded_frames(*embedded)[:, None],
        moved.flatten(1, 2) * has_warp,
        inputs[middle, 4:],
        (signed(batch.frames_USS3[middle]) + 1) / 2,
        mask.soft_window(batch.poses_U4[middle], side),
        batch.mouths_B3,
        batch.clip_ids,
    )


def make_batch(
    windows: Sequence[Window],
    clips: Sequence[CropClip],
    clip_ids: Sequence[str],
    frames: int,
    references: int,
    architecture: TranslatorArchitecture,
    augmentation: PictureAugmentation,
) -> CropBatch:
    """Make a batch of `windows` of `frames` frames, each of the clip at the same place in `clips`.

    Raises: ValueError - a crop cannot be decoded.
    """
    rows = [_row(*pair, frames, references, architecture, augmentation) for pair in zip(windows, clips, strict=True)]
    frames_before = np.cumsum([0, *(len(row.frames) for row in rows)])[:-1]
    references_before = np.cumsum([0, *(len(row.references) for row in rows)])[:-1]
    columns = (
        [row.frames for row in rows],
        [row.frames_PXY for row in rows],
        [mask.poses(row.frames_PXY).astype(np.float32) for row in rows],
        [row.around + before for row, before in zip(rows, frames_before, strict=True)],
        [row.references for row in rows],
        [row.references_PXY for row in rows],
        [row.embedded[None] + before for row, before in zip(rows, references_before, strict=True)],
        [row.nearest + before for row, before in zip(rows, references_before, strict=True)],
        [row.has_warp for row in rows],
        [row.mouths for row in rows],
    )
    names = [field.name for field in fields(CropBatch) if field.name != "clip_ids"]
    tensors = [torch.from_numpy(np.concatenate(column)) for column in columns]
    return CropBatch(**dict(zip(names, tensors, strict=True)), clip_ids=tuple(clip_ids))


class _Row(NamedTuple):
    """A window's part of a CropBatch; numbers are counted within it."""

    frames: Pictures
    frames_PXY: NDArray[np.float32]
    around: NDArray[np.intp]
    references: Pictures
    references_PXY: NDArray[np.float32]
    embedded: NDArray[np.intp]
    nearest: NDArray[np.intp]
    has_warp: NDArray[np.bool_]
    mouths: NDArray[np.int64]


def _row(
    window: Window,
    clip: CropClip,
    frames: int,
    references: int,
    architecture: TranslatorArchitecture,
    augmentation: PictureAugmentation,
) -> _Row:
    draw = np.random.default_rng(window.seed)
    run = tracked_run(clip.tracked_T, window.start, frames)
    reference = frames_apart(clip.tracked_T, run, references, draw)
    nearby = nearest(clip.landmarks_TPXY[reference], clip.landmarks_TPXY[run], architecture.candidates)
    references_used, place = np.unique(np.append(nearby, 0), return_inverse=True)  # of `reference`; E reads the first
    reach = architecture.context
    span = np.clip(np.arange(run[0] - reach, run[-1] + reach + 1), 0, len(clip.tracked_T) - 1)
    if run[0] == run[-1]:  # one frame, repeated
        span = np.repeat(run[:1], frames + 2 * reach)
    frames_used, span_place = np.unique(span, return_inverse=True)
    indices = np.concatenate([frames_used, reference[references_used]])
    pictures, landmarks = _varied(clip.crops(indices), clip.landmarks_TPXY[indices], augmentation, draw)
    around = span_place[np.arange(frames)[:, None] + np.arange(2 * reach + 1)]
    rows, columns = mask.window(pictures.shape[1])
    middle_PXY = landmarks[around[:, reach]] - np.array([columns.start, rows.start], np.float32)
    used = len(frames_used)
    return _Row(
        pictures[:used],
        landmarks[:used],
        around,
        pictures[used:],
        landmarks[used:],
        place[-1],
        place[:-1].reshape(nearby.shape),
        np.array([draw.random() >= augmentation.warp_dropout]),
        mouth.boxes(middle_PXY, rows.stop - rows.start),
    )


def tracked_run(tracked_T: NDArray[np.bool_], start: int, frames: int) -> NDArray[np.intp]:
    """Return the run of `frames` tracked frames that begins nearest to `start`; if there is none, the tracked frame
    nearest to it, repeated.
    """
    good = np.flatnonzero(tracked_T)
    begins = good[: max(0, len(good) - frames + 1)]
    runs = begins[good[frames - 1 :] - begins == frames - 1]
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


def embedded_frames(pictures_VSS3: Tensor, landmarks_VPXY: Tensor) -> Tensor:
    """Return the embedder's inputs of reference frames: windows in -1..1 and drawn landmarks, (V, 3 + LINES, W, W)."""
    return torch.cat([signed(pictures_VSS3), drawn(landmarks_VPXY, pictures_VSS3.shape[1])], dim=1)
