"""Datasets of trainings: batches of stored clips by number, read on demand."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from heterodub.model.baselines.batches import AVBatch, AVClip, make_av_batch, mel_windows
from heterodub.model.features.arrays import Rgb
from heterodub.model.stage1 import batches as stage1
from heterodub.model.stage1.batches import GeneratorBatch
from heterodub.model.stage1.features import GeneratorInput, prepare
from heterodub.model.stage2 import batches as stage2
from heterodub.model.stage2.batches import FaceClip, TranslatorBatch
from heterodub.model.training.sampler import Window, WindowSampler
from heterodub.schemas.config.baselines import BaselineSettings
from heterodub.schemas.config.training import Stage1Settings
from heterodub.schemas.config.translation import Stage2Settings
from heterodub.schemas.errors import HeterodubError, TrainingError
from heterodub.tasks.training.clip_store import ClipSource, PictureClip, PictureSource, StoredClips, decode_crop


class FramedClip(Protocol):
    """A prepared clip."""

    @property
    def frames(self) -> int:
        """Number of frames."""


Clip = TypeVar("Clip", bound=FramedClip)
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Broken:
    """Returned in place of a batch with an unusable clip. Data, since exceptions lose their type between processes."""

    text: str


class ClipDataset(Dataset["Batch | Broken"], ABC, Generic[Clip, Batch]):
    """Batches of a sampler by number, or this device's share of each. Caches the prepared clips of two groups."""

    def __init__(
        self, places: Mapping[str, ClipSource], sampler: WindowSampler, rank: int = 0, devices: int = 1
    ) -> None:
        self._places, self._sampler = places, sampler
        self._rank, self._devices = rank, devices
        self._kept: OrderedDict[str, Clip] = OrderedDict()
        self._kept_frames = 0

    @abstractmethod
    def read(self, place: ClipSource) -> Clip:
        """Read and prepare a clip.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """

    @abstractmethod
    def make(self, windows: Sequence[Window], clips: Sequence[Clip], ids: Sequence[str]) -> Batch:
        """Make the batch of some windows, each of the clip at the same place in `clips`."""

    def __getitem__(self, number: int) -> Batch | Broken:
        """Return the batch, or the reason why there is none."""
        windows = self._sampler.batch(number)[self._rank :: self._devices]
        ids = [self._sampler.clips[window.clip].clip_id for window in windows]
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
        self._kept_frames += clip.frames
        while self._kept_frames > 2 * self._sampler.data.buffer_frames and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_frames -= dropped.frames
        return clip


class GeneratorDataset(ClipDataset[GeneratorInput, GeneratorBatch]):
    """Batches of landmarks and mel."""

    def __init__(
        self,
        clips: StoredClips,
        places: Mapping[str, ClipSource],
        sampler: WindowSampler,
        settings: Stage1Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        super().__init__(places, sampler, rank, devices)
        self._clips, self._settings = clips, settings

    def read(self, place: ClipSource) -> GeneratorInput:
        """Read a clip and compute its features."""
        row = self._clips.speech(place)
        shape = self._settings.architecture
        return prepare(row.features(shape.speech_width), row.landmarks, row.tracked, shape.pose_sigma_frames)

    def make(self, windows: Sequence[Window], clips: Sequence[GeneratorInput], ids: Sequence[str]) -> GeneratorBatch:
        """Make the batch of some windows."""
        data = self._settings.data
        return stage1.make_batch(windows, clips, ids, data.window_frames, data.references, self._settings.augmentation)


class TranslatorDataset(ClipDataset[FaceClip, TranslatorBatch]):
    """Batches of face crops, decoded on demand, and landmarks."""

    def __init__(
        self,
        clips: PictureSource,
        places: Mapping[str, ClipSource],
        sampler: WindowSampler,
        settings: Stage2Settings,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        super().__init__(places, sampler, rank, devices)
        self._clips, self._settings = clips, settings
        self._planned = {clip.clip_id: clip.frames for clip in sampler.clips}

    def read(self, place: ClipSource) -> FaceClip:
        """Read a clip's crops and landmarks, as many frames as the sampler knows: fine-tuning may use its beginning."""
        return face_clip(self._clips.pictures(place), self._settings.architecture.side_px, self._planned[place.clip_id])

    def make(self, windows: Sequence[Window], clips: Sequence[FaceClip], ids: Sequence[str]) -> TranslatorBatch:
        """Make the batch of some windows."""
        data, architecture, augmentation = self._settings.data, self._settings.architecture, self._settings.augmentation
        frames, references = data.window_frames, data.references
        return stage2.make_batch(windows, clips, ids, frames, references, architecture, augmentation)


@dataclass(frozen=True, slots=True)
class BothStages:
    """Random access to clips that both stages hold."""

    speech: StoredClips
    pictures: StoredClips

    def av_clip(self, place: ClipSource, side_px: int) -> AVClip:
        """Read a clip with its crops at the network's size.

        The stage-1 mel is used, which is in sync with the face: a constant offset was removed when it was stored.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        speech = self.speech.speech(place)
        return AVClip(face_clip(self.pictures.pictures(place), side_px), mel_windows(speech.mel, len(speech.tracked)))


class BaselineDataset(ClipDataset[AVClip, AVBatch]):
    """Batches of crops, landmarks and mel of the same frames, from both stages' stores."""

    def __init__(
        self, clips: BothStages, places: Mapping[str, ClipSource], sampler: WindowSampler, settings: BaselineSettings
    ) -> None:
        super().__init__(places, sampler)
        self._clips, self._settings = clips, settings

    def read(self, place: ClipSource) -> AVClip:
        """Read and prepare a clip."""
        return self._clips.av_clip(place, self._settings.architecture.side_px)

    def make(self, windows: Sequence[Window], clips: Sequence[AVClip], ids: Sequence[str]) -> AVBatch:
        """Make the batch of some windows."""
        return make_av_batch(windows, clips, ids, self._settings.data.window_frames, self._settings.augmentation)


def face_clip(clip: PictureClip, side_px: int, frames: int | None = None) -> FaceClip:
    """Decode a stored clip, or its first frames, at the network's size: crops resized, landmarks in their pixels.

    Raises: ValueError - a crop cannot be decoded, or a number is not finite.
    """
    pictures = np.stack(
        [_resized(decode_crop(data, number), side_px) for number, data in enumerate(clip.crops[:frames])]
    )
    return FaceClip(pictures, clip.landmarks_in_crops(side_px)[:frames], clip.tracked[:frames])


def _resized(crop: Rgb, side_px: int) -> Rgb:
    if len(crop) == side_px:
        return crop
    method = cv2.INTER_AREA if len(crop) > side_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=method))


def batches_from(batches: ClipDataset[Clip, Batch], last: int, readers: int) -> Callable[[int], Iterable[Batch]]:
    """Return a function from a step to the batches from that step on, up to `last`; see Trainer.fit.

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
