"""Which windows of which clips make up which batch: a pure function of clips, recipe and seed.

Every batch has a number, and its content follows from the number alone. So a training that was killed goes on with
exactly the batches it would have had, however many processes read them, and two runs of one seed see the same.

An epoch takes the clips in random order, `buffer_frames` of footage at a time (a *group*), and shuffles the windows
within a group: a reader holds two groups at most, however large the store is. Short windows say much the same of a clip
many times over, so an epoch may be told to take but a few of each: else hundreds of steps would see a single group.

How often an epoch takes a clip is a number with a fraction, often below 1. Rounding each by itself would give a speaker
with many clips more than its share, so fractions are carried on from clip to clip, and epochs begin to count elsewhere:
each speaker has its share of every epoch, to a window, and each clip its own over epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Epoch = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_GOLDEN: Final = (5**0.5 - 1) / 2
"""Its multiples, less their whole parts, lie evenly between 0 and 1 however many there are."""

_SHARE_OF_CLIP: Final = 0.75
"""A window leaves at least a quarter of a short clip free, for reference frames that are not its own (t' != t)."""


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a plan knows of a clip."""

    clip_id: str
    frames: int
    speaker: str


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """How clips become batches.

    window_frames: longest window. batch: windows per batch. buffer_frames: footage mixed at once. balance: 0 draws
    windows by footage, 1 as often from each speaker; between, speakers with much footage still count for more.
    windows_per_clip: so many an epoch takes of a clip in the mean, at most; 0 takes all of its footage.
    """

    window_frames: int
    batch: int
    buffer_frames: int
    balance: float
    seed: int
    windows_per_clip: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """Frames [start, start + frames) of the plan's clip number `clip`; `seed` draws whatever is random in it."""

    clip: int
    start: int
    frames: int
    seed: int


class WindowSampler:
    """Batches by number.

    Raises: ValueError - there are no clips, or a clip has fewer than two frames.
    """

    def __init__(self, clips: Sequence[ClipInfo], recipe: SamplerConfig) -> None:
        if not clips:
            raise ValueError("a plan needs at least one clip")
        self.clips = sorted(clips, key=lambda clip: clip.clip_id)  # the order they come in decides nothing
        self.recipe = recipe
        self._frames = np.array([clip.frames for clip in self.clips])
        if self._frames.min() < 2:
            raise ValueError(f"clip {self.clips[int(self._frames.argmin())].clip_id} has fewer than two frames")
        self._lengths = np.clip((self._frames * _SHARE_OF_CLIP).astype(int), 1, recipe.window_frames)
        times = _times(self.clips, self._frames, self._lengths, recipe)
        self.batches_per_epoch = max(1, int(times.sum()) // recipe.batch)
        self._times = times * (self.batches_per_epoch * recipe.batch / times.sum())
        self._by_speaker = np.array(sorted(range(len(self.clips)), key=lambda clip: self.clips[clip].speaker))
        self._laid_out: dict[int, _Epoch] = {}

    def batch(self, number: int) -> list[Window]:
        """The windows of a batch, always `recipe.batch` of them."""
        epoch, place = divmod(number, self.batches_per_epoch)
        clips, starts, seeds = self._epoch(epoch)
        chosen = range(place * self.recipe.batch, (place + 1) * self.recipe.batch)
        return [Window(int(clips[i]), int(starts[i]), int(self._lengths[clips[i]]), int(seeds[i]) + i) for i in chosen]

    def _windows(self, epoch: int) -> NDArray[np.int64]:
        """How often an epoch takes each clip, (clips,): systematic sampling (Madow 1944) along clips in the order of
        their speakers, so that each run of clips has what is meant for it to less than a window.
        """
        begun = np.random.default_rng(self.recipe.seed).random() + epoch * _GOLDEN
        upto = np.cumsum(self._times[self._by_speaker])
        upto[-1] = self.batches_per_epoch * self.recipe.batch  # but for roundings it is
        windows = np.zeros(len(self.clips), np.int64)
        windows[self._by_speaker] = np.diff(np.floor(upto + begun % 1.0), prepend=0.0).astype(np.int64)
        return windows

    def _epoch(self, epoch: int) -> _Epoch:
        if epoch not in self._laid_out:
            self._laid_out = {epoch: self._lay_out(epoch)}
        return self._laid_out[epoch]

    def _lay_out(self, epoch: int) -> _Epoch:
        """All windows of an epoch in order: clip, start, seed, each (windows,)."""
        draw = np.random.default_rng((self.recipe.seed, epoch))
        order, windows = draw.permutation(len(self.clips)), self._windows(epoch)
        order = order[windows[order] > 0]
        groups = np.cumsum(self._frames[order]) // max(1, self.recipe.buffer_frames)
        clips = np.repeat(order, windows[order])
        group = np.repeat(groups, windows[order])
        shuffled = np.lexsort((draw.random(len(clips)), group))
        clips = clips[shuffled]
        starts = (draw.random(len(clips)) * (self._frames[clips] - self._lengths[clips] + 1)).astype(np.int64)
        return clips, starts, draw.integers(0, 2**62, len(clips))


def _times(
    clips: Sequence[ClipInfo], frames: NDArray[np.int64], lengths: NDArray[np.int64], recipe: SamplerConfig
) -> NDArray[np.float64]:
    """How often an epoch is to take each clip, (clips,): once per window length of footage, evened out over speakers,
    and all of them less often by one share if that is too many.
    """
    footage: dict[str, int] = {}
    for clip in clips:
        footage[clip.speaker] = footage.get(clip.speaker, 0) + clip.frames
    of_speaker = np.array([footage[clip.speaker] for clip in clips], float)
    weight = (float(np.mean(list(footage.values()))) / of_speaker) ** recipe.balance
    times = frames / lengths * weight
    if recipe.windows_per_clip:
        times *= min(1.0, recipe.windows_per_clip / float(times.mean()))
    return np.asarray(times, np.float64)
