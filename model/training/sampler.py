"""Sampler of training windows: the content of each batch as a pure function of clips, config and seed.

Every batch has a number, and its content follows from the number alone. So a killed training resumes with exactly the
batches it would have had, however many processes read them, and two runs of one seed see the same.

An epoch takes the clips in random order, `buffer_frames` of footage at a time (a *group*), and shuffles the windows
within a group: a reader holds two groups at most, however large the store is. Many short windows of one clip are
redundant, so `windows_per_clip` can limit them: otherwise hundreds of steps would see a single group.

The number of windows of a clip in an epoch has a fraction, and is often below 1. Rounding each by itself would give a
speaker with many clips more than its share, so fractions are carried on from clip to clip, from another offset in each
epoch: each speaker has its share of every epoch, to a window, and each clip its own over epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from heterodub.schemas.config.training import DataSettings

_Epoch = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_GOLDEN: Final = (5**0.5 - 1) / 2
"""Its multiples, less their whole parts, lie evenly between 0 and 1 however many there are."""

_SHARE_OF_CLIP: Final = 0.75
"""A window leaves at least a quarter of a short clip free, for reference frames that are not its own (t' != t)."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """Id, length and speaker of a clip."""

    clip_id: str
    frames: int
    speaker: str


@dataclass(frozen=True, slots=True)
class Window:
    """Frames [start, start + frames) of the sampler's clip number `clip`; `seed` drives its augmentation."""

    clip: int
    start: int
    frames: int
    seed: int


class WindowSampler:
    """Samples batches of windows by batch number.

    Raises: ValueError - there are no clips, or a clip has fewer than two frames.
    """

    def __init__(self, clips: Sequence[ClipInfo], data: DataSettings, seed: int) -> None:
        if not clips:
            raise ValueError("the sampler needs at least one clip, got none")
        self.clips = sorted(clips, key=lambda clip: clip.clip_id)  # the order they come in decides nothing
        self.data, self.seed = data, seed
        self._frames = np.array([clip.frames for clip in self.clips])
        if self._frames.min() < 2:
            raise ValueError(f"clip {self.clips[int(self._frames.argmin())].clip_id} has fewer than two frames")
        self._lengths = np.clip((self._frames * _SHARE_OF_CLIP).astype(int), 1, data.window_frames)
        times = _times(self.clips, self._frames, self._lengths, data)
        self.batches_per_epoch = max(1, int(times.sum()) // data.batch_size)
        self._times = times * (self.batches_per_epoch * data.batch_size / times.sum())
        self._by_speaker = np.array(sorted(range(len(self.clips)), key=lambda clip: self.clips[clip].speaker))
        self._laid_out: dict[int, _Epoch] = {}

    def batch(self, number: int) -> list[Window]:
        """Return the windows of a batch, always `batch_size` of them."""
        epoch, place = divmod(number, self.batches_per_epoch)
        clips, starts, seeds = self._epoch(epoch)
        rows = range(place * self.data.batch_size, (place + 1) * self.data.batch_size)
        return [Window(int(clips[i]), int(starts[i]), int(self._lengths[clips[i]]), int(seeds[i]) + i) for i in rows]

    def _windows(self, epoch: int) -> NDArray[np.int64]:
        """Return the number of windows of each clip in an epoch, (clips,): systematic sampling (Madow 1944) along clips
        ordered by speaker, so that each run of clips has its expected number to less than a window.
        """
        offset = np.random.default_rng(self.seed).random() + epoch * _GOLDEN
        upto = np.cumsum(self._times[self._by_speaker])
        upto[-1] = self.batches_per_epoch * self.data.batch_size  # but for roundings it is
        windows = np.zeros(len(self.clips), np.int64)
        windows[self._by_speaker] = np.diff(np.floor(upto + offset % 1.0), prepend=0.0).astype(np.int64)
        return windows

    def _epoch(self, epoch: int) -> _Epoch:
        if epoch not in self._laid_out:
            self._laid_out = {epoch: self._lay_out(epoch)}
        return self._laid_out[epoch]

    def _lay_out(self, epoch: int) -> _Epoch:
        """Return all windows of an epoch in order: clip, start, seed, each (windows,)."""
        draw = np.random.default_rng((self.seed, epoch))
        order, windows = draw.permutation(len(self.clips)), self._windows(epoch)
        order = order[windows[order] > 0]
        groups = np.cumsum(self._frames[order]) // max(1, self.data.buffer_frames)
        clips = np.repeat(order, windows[order])
        group = np.repeat(groups, windows[order])
        shuffled = np.lexsort((draw.random(len(clips)), group))
        clips = clips[shuffled]
        starts = (draw.random(len(clips)) * (self._frames[clips] - self._lengths[clips] + 1)).astype(np.int64)
        return clips, starts, draw.integers(0, 2**62, len(clips))


def _times(
    clips: Sequence[ClipInfo], frames: NDArray[np.int64], lengths: NDArray[np.int64], data: DataSettings
) -> NDArray[np.float64]:
    """Return the expected number of windows of each clip in an epoch, (clips,): one per window length of footage,
    balanced over speakers, scaled down to `windows_per_clip`.
    """
    footage: dict[str, int] = {}
    for clip in clips:
        footage[clip.speaker] = footage.get(clip.speaker, 0) + clip.frames
    of_speaker = np.array([footage[clip.speaker] for clip in clips], float)
    weight = (float(np.mean(list(footage.values()))) / of_speaker) ** data.balance
    times = frames / lengths * weight
    if data.windows_per_clip:
        times *= min(1.0, data.windows_per_clip / float(times.mean()))
    return np.asarray(times, np.float64)
