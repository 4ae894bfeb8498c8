"""Batches for the landmark generator by number, read from the store as they are asked for."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch.utils.data import DataLoader, Dataset

from model.stage1.batches import Batch, make_batch
from model.stage1.features import Prepared, prepare
from model.training.plan import Plan
from schemas.errors import HeterodubError, TrainingError
from schemas.training import Stage1Settings
from tasks.feeding.stored_clips import Place, StoredClips


@dataclass(frozen=True, slots=True)
class Broken:
    """In place of a batch: a clip of it cannot be used. Data, since errors lose their kind between processes."""

    text: str


class SpeechBatches(Dataset[Batch | Broken]):
    """Batch `number` of a plan, or this device's share of it. Keeps the prepared clips of two groups, no more."""

    def __init__(
        self,
        clips: StoredClips,
        places: Mapping[str, Place],
        plan: Plan,
        settings: Stage1Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self._clips, self._places, self._plan, self._settings = clips, places, plan, settings
        self._rank, self._devices = rank, devices
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._kept_frames = 0

    def __getitem__(self, number: int) -> Batch | Broken:
        """The batch, or why there is none."""
        windows = self._plan.batch(number)[self._rank :: self._devices]
        ids = [self._plan.clips[window.clip].clip_id for window in windows]
        clip_id = ids[0]
        try:
            prepared = []
            for clip_id in ids:
                prepared.append(self.prepared(clip_id))
        except (HeterodubError, ValueError) as error:
            return Broken(f"clip {clip_id}: {error}")
        feed = self._settings.feed
        return make_batch(windows, prepared, ids, feed.window_frames, feed.references, self._settings.augmentation)

    def prepared(self, clip_id: str) -> Prepared:
        """A clip's features.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        if clip_id in self._kept:
            self._kept.move_to_end(clip_id)
            return self._kept[clip_id]
        row = self._clips.speech(self._places[clip_id])
        clip = prepare(row.mel, row.landmarks, row.tracked, self._settings.shape.pose_sigma_frames)
        self._kept[clip_id] = clip
        self._kept_frames += len(clip.counts_T)
        while self._kept_frames > 2 * self._settings.feed.buffer_frames and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_frames -= len(dropped.counts_T)
        return clip


def batches_from(batches: SpeechBatches, last: int, readers: int) -> Callable[[int], Iterable[Batch]]:
    """A function from a step to the batches from that step on, up to `last`; see model.training.loop.fit.

    readers: processes that read ahead; whatever their number, the batches are the same.
    """

    def feed(first: int) -> Iterable[Batch]:
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

    return feed
