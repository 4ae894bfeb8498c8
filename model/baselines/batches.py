"""Clips with picture and sound, and training batches of all four baselines.

A row of a batch has two parts. The *shown* part is a short run of frames with their crops, for picture networks. The
*spoken* part is a longer stretch of speech and landmarks without pictures, for landmark predictors; it is cheap.

Shape suffix legend: N = windows, F = shown frames, L = spoken frames, T = frames of a clip, M = 80 mel bands, K = 20
mel columns, S = side of a crop in pixels, P = 216 points, XY = 2 coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heterodub.model.features.arrays import Floats
from heterodub.model.features.face_frame import FaceFrame
from heterodub.model.features.timing import mel_columns
from heterodub.model.stage1.features import scale_mel, with_context
from heterodub.model.stage2.batches import CropClip, frames_apart, relit, tracked_run, turned
from heterodub.model.training.batch import TrainingBatch
from heterodub.model.training.sampler import Window
from heterodub.schemas.config.translation import PictureAugmentation
from heterodub.schemas.contract import MEL_BANDS, MEL_CONTEXT_COLUMNS

SHOWN_FRAMES: Final = 5
"""F: frames of a run with pictures, 200 ms; as many as Wav2Lip's expert compares with their speech (section 3.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class AVClip:
    """A clip with picture and sound: face crops, and the log-mel window of each frame (T, 80, 20), unscaled."""

    face_clip: CropClip
    mel_TMK: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse sound and picture that are not of one length."""
        if len(self.mel_TMK) != len(self.face_clip.tracked_T):
            raise ValueError(f"{len(self.mel_TMK)} frames of sound, but {len(self.face_clip.tracked_T)} of picture")

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.mel_TMK)


@dataclass(frozen=True, slots=True)
class AVBatch(TrainingBatch):
    """Inputs and targets of one training step. Pictures in 0..1, mel scaled (stage1.features.scale_mel).

    shown_NFCSS, heard_NFMK: crops of a run of frames, and each frame's mel window. elsewhere_NFMK: those of as many
    frames at another time of the same clip. placed_NFPXY: landmarks of the run as shares of the crop's side.
    known_NCSS, known_NPXY: a reference frame outside of the run, and its landmarks as shares of the side.
    spoken_NLMK: mel windows of a longer stretch. face_NLPXY: its landmarks, each frame in its own face frame.
    led_NLPXY: the same in the reference's face frame, so that the head's movement shows. rest_NPXY: the reference's
    landmarks in its face frame. counts_NL: frames of the stretch that were tracked.
    """

    shown_NFCSS: Tensor
    heard_NFMK: Tensor
    elsewhere_NFMK: Tensor
    placed_NFPXY: Tensor
    known_NCSS: Tensor
    known_NPXY: Tensor
    spoken_NLMK: Tensor
    face_NLPXY: Tensor
    led_NLPXY: Tensor
    rest_NPXY: Tensor
    counts_NL: Tensor
    clip_ids: tuple[str, ...]


def mel_windows(mel_SM: Floats, frames: int) -> NDArray[np.float32]:
    """Cut a clip's log-mel (4T, 80) into each frame's window: (T, 80, 20), unscaled; silence beyond the clip.

    Raises: ValueError - the mel is not that of so many frames, or a value is not finite.
    """
    if mel_SM.shape != (mel_columns(frames), MEL_BANDS):
        raise ValueError(f"{frames} frames need a mel of {(mel_columns(frames), MEL_BANDS)}, got {mel_SM.shape}")
    if not np.isfinite(mel_SM).all():
        raise ValueError("a mel value is not finite")
    windows = np.lib.stride_tricks.sliding_window_view(with_context(mel_SM, frames), MEL_CONTEXT_COLUMNS, axis=0)
    return np.asarray(windows[:: mel_columns(1)], np.float32)


def make_av_batch(
    windows: Sequence[Window],
    clips: Sequence[AVClip],
    clip_ids: Sequence[str],
    frames: int,
    augmentation: PictureAugmentation,
) -> AVBatch:
    """Make a batch of `windows`, each of the clip at the same place in `clips`, spoken parts padded to `frames`."""
    rows = [_row(*pair, frames, augmentation) for pair in zip(windows, clips, strict=True)]
    columns = [torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)]
    names = [field.name for field in fields(AVBatch) if field.name != "clip_ids"]
    return AVBatch(**dict(zip(names, columns, strict=True)), clip_ids=tuple(clip_ids))


def _row(window: Window, clip: AVClip, frames: int, augmentation: PictureAugmentation) -> tuple[NDArray[Any], ...]:
    """Return a row's arrays, in the order of AVBatch."""
    draw, face_clip = np.random.default_rng(window.seed), clip.face_clip
    run = tracked_run(face_clip.tracked_T, window.start, SHOWN_FRAMES)
    reference = frames_apart(face_clip.tracked_T, run, 1, draw)
    stretch = window.start + np.minimum(np.arange(frames), window.frames - 1)
    pictures = relit(face_clip.crops(np.array([*run, *reference])), augmentation.color_jitter, draw)
    landmarks, side = face_clip.landmarks_TPXY[[*run, *reference, *stretch]], pictures.shape[1]
    if draw.random() < augmentation.hflip_prob:
        pictures, landmarks = pictures[:, :, ::-1], turned(landmarks, side)
    images = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    shares = (landmarks / side).astype(np.float32)
    spoken, face_frame = landmarks[SHOWN_FRAMES + 1 :], FaceFrame.of(landmarks[[SHOWN_FRAMES]])
    return (
        images[:SHOWN_FRAMES],
        scale_mel(clip.mel_TMK[run]),
        scale_mel(clip.mel_TMK[_elsewhere(run, len(clip.mel_TMK), draw)]),
        shares[:SHOWN_FRAMES],
        images[SHOWN_FRAMES],
        shares[SHOWN_FRAMES],
        scale_mel(clip.mel_TMK[stretch]),
        FaceFrame.of(spoken).enter(spoken).astype(np.float32),
        face_frame.enter(spoken).astype(np.float32),
        face_frame.enter(landmarks[[SHOWN_FRAMES]])[0].astype(np.float32),
        face_clip.tracked_T[stretch] & (np.arange(frames) < window.frames),
    )


def _elsewhere(run: NDArray[np.intp], frames: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """Move the run to another time of the clip that it does not overlap with; in short clips, as far as possible."""
    shifts = np.arange(-run[0], frames - run[-1])
    far_shifts = shifts[np.abs(shifts) >= SHOWN_FRAMES]
    return run + int(draw.choice(far_shifts) if len(far_shifts) else shifts[np.argmax(np.abs(shifts))])
