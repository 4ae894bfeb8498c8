"""Batches of trainings by number: planned here, read on demand, by other processes where there are any."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from heterodub.model.baselines.batches import AVBatch, AVClip, make_av_batch, mel_windows
from heterodub.model.features.arrays import Pictures, Rgb
from heterodub.model.stage1 import batches as stage1
from heterodub.model.stage1.batches import GeneratorBatch
from heterodub.model.stage1.features import GeneratorInput, prepare
from heterodub.model.stage2 import batches as stage2
from heterodub.model.stage2.batches import CropBatch, FaceClip, require_face
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


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A window of a batch, with the clip's source and the number of its frames that may be used."""

    window: Window
    source: ClipSource
    frames: int


class BatchReader(Dataset["Batch | Broken"], ABC, Generic[Clip, Batch]):
    """Makes the batch of planned windows. Caches the prepared clips of two groups. Travels to reader processes, so it
    knows nothing of the other clips of a release.
    """

    def __init__(self, buffer_frames: int) -> None:
        self._buffer_frames = buffer_frames
        self._kept: OrderedDict[str, Clip] = OrderedDict()
        self._kept_frames = 0

    @abstractmethod
    def read(self, planned: PlannedWindow) -> Clip:
        """Read and prepare a window's clip.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """

    @abstractmethod
    def make(self, windows: Sequence[Window], clips: Sequence[Clip], ids: Sequence[str]) -> Batch:
        """Make the batch of some windows, each of the clip at the same place in `clips`.

        Raises: UnusableCropError - a crop cannot be decoded.
        """

    def __getitem__(self, planned: Sequence[PlannedWindow]) -> Batch | Broken:
        """Return the batch, or the reason why there is none."""
        prepared, ids = [], [one.source.clip_id for one in planned]
        for one in planned:
            try:
                prepared.append(self.prepared(one))
            except (HeterodubError, ValueError) as error:
                return Broken(f"clip {one.source.clip_id}: {error}")
        try:
            return self.make([one.window for one in planned], prepared, ids)
        except UnusableCropError as error:
            return Broken(f"clip {error}")
        except ValueError as error:
            return Broken(f"one of the clips {', '.join(dict.fromkeys(ids))}: {error}")

    def prepared(self, planned: PlannedWindow) -> Clip:
        """Return a prepared clip, from the cache if it was read recently.

        Raises: as `read`.
        """
        clip_id = planned.source.clip_id
        if clip_id in self._kept:
            self._kept.move_to_end(clip_id)
            return self._kept[clip_id]
        clip = self.read(planned)
        self._kept[clip_id] = clip
        self._kept_frames += clip.frames
        while self._kept_frames > 2 * self._buffer_frames and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_frames -= dropped.frames
        return clip


class ClipDataset(Generic[Clip, Batch]):
    """Batches of a sampler by number, or this device's share of each."""

    def __init__(
        self,
        reader: BatchReader[Clip, Batch],
        places: Mapping[str, ClipSource],
        sampler: WindowSampler,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self.reader, self.sampler = reader, sampler
        self._places, self._rank, self._devices = places, rank, devices

    def plan(self, number: int) -> tuple[PlannedWindow, ...]:
        """Return the windows of a batch."""
        windows = self.sampler.batch(number)[self._rank :: self._devices]
        clips = [self.sampler.clips[window.clip] for window in windows]
        return tuple(
            PlannedWindow(window, self._places[clip.clip_id], clip.frames)
            for window, clip in zip(windows, clips, strict=True)
        )

    def __getitem__(self, number: int) -> Batch | Broken:
        """Return a batch, read here."""
        return self.reader[self.plan(number)]


class GeneratorReader(BatchReader[GeneratorInput, GeneratorBatch]):
    """Batches of landmarks and mel."""

    def __init__(self, clips: StoredClips, settings: Stage1Settings) -> None:
        super().__init__(settings.data.buffer_frames)
        self._clips, self._settings = clips, settings

    def read(self, planned: PlannedWindow) -> GeneratorInput:
        """Read a clip and compute its features."""
        row = self._clips.speech(planned.source)
        shape = self._settings.architecture
        return prepare(row.features(shape.speech_width), row.landmarks, row.tracked, shape.pose_sigma_frames)

    def make(self, windows: Sequence[Window], clips: Sequence[GeneratorInput], ids: Sequence[str]) -> GeneratorBatch:
        """Make the batch of some windows."""
        data = self._settings.data
        return stage1.make_batch(windows, clips, ids, data.window_frames, data.references, self._settings.augmentation)


class UnusableCropError(ValueError):
    """A crop cannot be decoded; the text begins with the clip's id."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedClip:
    """A CropClip whose crops stay encoded until a window takes them: a thirtieth of the memory."""

    clip_id: str
    encoded: tuple[bytes, ...]
    landmarks_TPXY: NDArray[np.float32]
    tracked_T: NDArray[np.bool_]
    side_px: int

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together and clips without a tracked frame."""
        require_face(self.landmarks_TPXY, self.tracked_T)

    @classmethod
    def of(cls, clip_id: str, clip: PictureClip, side_px: int, frames: int | None = None) -> "EncodedClip":
        """Take a stored clip, or its first frames, at the network's size.

        Raises: ValueError - a number is not finite, or no frame was tracked.
        """
        landmarks = clip.landmarks_in_crops(side_px)[:frames]
        return cls(clip_id, clip.crops[:frames], landmarks, clip.tracked[:frames], side_px)

    @property
    def frames(self) -> int:
        """Number of frames of the clip."""
        return len(self.encoded)

    def crops(self, frames: NDArray[np.intp]) -> Pictures:
        """Decode the crops of some frames, (n, S, S, 3).

        Raises: UnusableCropError - one cannot be decoded.
        """
        try:
            return _decoded(self.encoded, frames.tolist(), self.side_px)
        except ValueError as error:
            raise UnusableCropError(f"{self.clip_id}: {error}") from error


class TranslatorReader(BatchReader[EncodedClip, CropBatch]):
    """Batches of face crops, decoded where a window needs them, and landmarks."""

    def __init__(self, clips: PictureSource, settings: Stage2Settings) -> None:
        super().__init__(settings.data.buffer_frames)
        self._clips, self._settings = clips, settings

    def read(self, planned: PlannedWindow) -> EncodedClip:
        """Read a clip, as many frames as the sampler knows: fine-tuning may use its beginning."""
        stored, side_px = self._clips.pictures(planned.source), self._settings.architecture.side_px
        return EncodedClip.of(planned.source.clip_id, stored, side_px, planned.frames)

    def make(self, windows: Sequence[Window], clips: Sequence[EncodedClip], ids: Sequence[str]) -> CropBatch:
        """Make the batch of some windows."""
        data, architecture, augmentation = self._settings.data, self._settings.architecture, self._settings.augmentation
        frames, references = data.window_frames, data.references
        return stage2.make_batch(windows, clips, ids, frames, references, architecture, augmentation)


@dataclass(frozen=True, slots=True)
class BothStages:
    """Random access to clips that both stages hold."""

    speech: StoredClips
    pictures: StoredClips

    def av_clip(self, source: ClipSource, side_px: int) -> AVClip:
        """Read a clip with its crops at the network's size, encoded.

        The stage-1 mel is used, which is in sync with the face: a constant offset was removed when it was stored.

        Raises: ValueError - its numbers cannot be used. NotFoundError, WorkspaceError - it cannot be read.
        """
        speech = self.speech.speech(source)
        crops = EncodedClip.of(source.clip_id, self.pictures.pictures(source), side_px)
        return AVClip(crops, mel_windows(speech.mel, len(speech.tracked)))


class BaselineReader(BatchReader[AVClip, AVBatch]):
    """Batches of crops, landmarks and mel of the same frames, from both stages' stores."""

    def __init__(self, clips: BothStages, settings: BaselineSettings) -> None:
        super().__init__(settings.data.buffer_frames)
        self._clips, self._settings = clips, settings

    def read(self, planned: PlannedWindow) -> AVClip:
        """Read and prepare a clip."""
        return self._clips.av_clip(planned.source, self._settings.architecture.side_px)

    def make(self, windows: Sequence[Window], clips: Sequence[AVClip], ids: Sequence[str]) -> AVBatch:
        """Make the batch of some windows."""
        return make_av_batch(windows, clips, ids, self._settings.data.window_frames, self._settings.augmentation)


def face_clip(clip: PictureClip, side_px: int, frames: int | None = None) -> FaceClip:
    """Decode a stored clip, or its first frames, at the network's size: crops resized, landmarks in their pixels.

    Raises: ValueError - a crop cannot be decoded, or a number is not finite.
    """
    crops = clip.crops[:frames]
    pictures = _decoded(crops, range(len(crops)), side_px)
    return FaceClip(pictures, clip.landmarks_in_crops(side_px)[:frames], clip.tracked[:frames])


def _decoded(crops: Sequence[bytes], frames: Iterable[int], side_px: int) -> Pictures:
    return np.stack([_resized(decode_crop(crops[number], number), side_px) for number in frames])


def _resized(crop: Rgb, side_px: int) -> Rgb:
    if len(crop) == side_px:
        return crop
    method = cv2.INTER_AREA if len(crop) > side_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=method))


def batches_from(dataset: ClipDataset[Clip, Batch], last: int, readers: int) -> Callable[[int], Iterable[Batch]]:
    """Return a function from a step to the batches from that step on, up to `last`; see Trainer.fit.

    readers: number of processes that read ahead; it does not affect the batches. They are sent the windows of each
    batch, so that none has to know all clips of a release.
    """

    def data(first: int) -> Iterable[Batch]:
        loader = DataLoader(
            dataset.reader,
            batch_size=None,
            sampler=(dataset.plan(number) for number in range(first, last)),
            num_workers=readers,
            multiprocessing_context="spawn" if readers else None,  # a fork would copy locked threads of torch
        )
        for batch in loader:
            if isinstance(batch, Broken):
                raise TrainingError(f"a batch cannot be made: {batch.text}")
            yield batch

    return data
