"""Base of the datasets: batches of stored clips by number, read on demand."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from model.training.sampler import Window, WindowSampler
from schemas.errors import HeterodubError, TrainingError
from tasks.training.data.clip_store import ClipSource

Clip = TypeVar("Clip")
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Broken:
    """Returned in place of a batch with an unusable clip. Data, since exceptions lose their type between processes."""

    text: str


class ClipDataset(Dataset["Batch | Broken"], ABC, Generic[Clip, Batch]):
    """Batches of a sampler by number, or this device's share of each. Caches the prepared clips of two groups."""

    def __init__(self, places: Mapping[str, ClipSource], plan: WindowSampler, rank: int = 0, devices: int = 1) -> None:
        self._places, self._plan = places, plan
        self._rank, self._devices = rank, devices
        self._kept: OrderedDict[str, Clip] = OrderedDict()
        self._kept_frames = 0

    @abstractmethod
    def read(self, place: ClipSource) -> Clip:
        """Read and prepare a clip.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """

    @abstractmethod
    def frames(self, clip: Clip) -> int:
        """Return the number of frames of a clip."""

    @abstractmethod
    def make(self, windows: Sequence[Window], clips: Sequence[Clip], ids: Sequence[str]) -> Batch:
        """Make the batch of some windows, each of the clip at the same place in `clips`."""

    def __getitem__(self, number: int) -> Batch | Broken:
        """Return the batch, or the reason why there is none."""
        windows = self._plan.batch(number)[self._rank :: self._devices]
        ids = [self._plan.clips[window.clip].clip_id for window in windows]
        clip_id = ids[0]
        try:
            prepared = []
            for clip_id in ids:
                prepared.append(self.prepared(clip_id))
        except (HeterodubError, ValueError) as error:
            return Broken(f"clip {clip_id}: {error}")
        return self.make(windows, prepared, ids)

    def prepared(self, clip_id: str) -> Clip:
        """Return a prepared clip, from the cache if it was read recently.

        Raises: as `read`.
        """
        if clip_id in self._kept:
            self._kept.move_to_end(clip_id)
            return self._kept[clip_id]
        clip = self.read(self._places[clip_id])
        self._kept[clip_id] = clip
        self._kept_frames += self.frames(clip)
        while self._kept_frames > 2 * self._plan.config.buffer_frames and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_frames -= self.frames(dropped)
        return clip


def batches_from(batches: ClipDataset[Clip, Batch], last: int, readers: int) -> Callable[[int], Iterable[Batch]]:
    """Return a function from a step to the batches from that step on, up to `last`; see model.training.trainer.fit.

    readers: number of processes that read ahead; it does not affect the batches.
    """

    def data(first: int) -> Iterable[Batch]:
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=range(first, last),
            num_workers=readers,
            multiprocessing_context="spawn" if readers else None,  # a fork would copy locked threads of torch
        )
        for batch in loader:
            if isinstance(batch, Broken):
                raise TrainingError(f"a batch cannot be made: {batch.text}")
            yield batch

    return data
