"""Torch data sets over the clips of a release: a row per clip, read from its pinned version when asked for.

Arrays are copies that may be written to: those of the Parquet reader may not, which torch warns of.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from heterodub.schemas.contract import MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import TABLES
from heterodub.tasks.releases import releases
from heterodub.tasks.releases.releases import Release
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.training.clip_store import ClipSource, PictureClip, SpeechClip, StoredClips, decode_crop

from .clips import labelled_clips

_MEL_SHAPE: Final = (-1, MEL_COLUMNS_PER_FRAME, MEL_BANDS)


class SpeechSample(NamedTuple):
    """A clip of stage 1; T frames at 25 a second."""

    clip_id: str
    speaker: str
    landmarks: NDArray[np.float32]
    """(T, 216, 2): x and y in pixels of the source picture."""
    tracked: NDArray[np.bool_]
    """(T,): False where the landmarks are guesses."""
    mel: NDArray[np.float32]
    """(T, 4, 80): natural logarithm of mel magnitudes, four columns of 10 ms a frame, moved into sync."""


class FaceSample(NamedTuple):
    """A clip of stage 2; T frames at 25 a second, face crops of S x S pixels."""

    clip_id: str
    speaker: str
    frames: NDArray[np.uint8]
    """(T, S, S, 3): face crops, RGB."""
    landmarks: NDArray[np.float32]
    """(T, 216, 2): x and y in pixels of the source picture."""
    crop_landmarks: NDArray[np.float32]
    """(T, 216, 2): the same in pixels of the crops."""
    tracked: NDArray[np.bool_]
    """(T,): False where the landmarks are guesses."""
    crop_boxes: NDArray[np.float32]
    """(T, 3): left, top and side of each crop in pixels of the source picture."""


Sample = TypeVar("Sample", SpeechSample, FaceSample)


class StageDataset(Dataset[Sample], ABC, Generic[Sample]):
    """Clips of a stage and split by number, in the order of their ids. Travels to reader processes."""

    stage: ClassVar[Stage]

    def __init__(self, workspace: Workspace, release: Release, split: str | None) -> None:
        self.workspace, self.release, self.split = workspace, release, split
        columns = ["clip_id", "media_id", "speaker", "frames"]
        rows = releases.release_clips(workspace, release, self.stage, split, columns).sort_by("clip_id")
        self.clip_ids: list[str] = rows["clip_id"].to_pylist()
        self.speakers: list[str] = rows["speaker"].to_pylist()
        self.frames: list[int] = rows["frames"].to_pylist()
        """Lengths of the clips, at 25 a second."""
        self._media = rows["media_id"].to_pylist()

    @cached_property
    def _stored(self) -> StoredClips:
        return StoredClips.of(self.workspace, self.release, self.stage)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clip_ids)

    @abstractmethod
    def __getitem__(self, number: int) -> Sample:
        """Read a clip.

        Raises: IndexError - no clip has this number. NotFoundError - a file of the release is gone.
        WorkspaceError - a file is damaged. ValueError - a picture cannot be decoded.
        """

    def place(self, number: int) -> ClipSource:
        """Return the address of a clip. Raises: IndexError - no clip has this number."""
        return ClipSource(self.clip_ids[number], self._media[number])

    def __iter__(self) -> Iterator[Sample]:
        """Read all clips, one after the other."""
        return (self[number] for number in range(len(self)))

    def iterable(self, shuffle: bool = False, seed: int = 0, rank: int = 0, devices: int = 1) -> "StageStream[Sample]":
        """Return the clips as a stream, divided over devices and the workers of a DataLoader.

        shuffle: draw the order from `seed` and the epoch, see `StageStream.set_epoch`.
        """
        return StageStream(self, shuffle, seed, rank, devices)

    def labelled(self) -> pa.Table:
        """Return what `clips` returns as an Arrow table.

        Raises: NotFoundError - a file of the release is gone.
        """
        return labelled_clips(self.workspace, self.release, self.stage, self.split)

    def clips(self) -> pd.DataFrame:
        """Return the row of `clips` for each clip, in this order, as published: signals, route, labels of its file.

        Raises: NotFoundError - a file of the release is gone.
        """
        frame: pd.DataFrame = self.labelled().to_pandas()
        return frame

    def to_arrow(self, columns: list[str] | None = None) -> pa.Table:
        """Read all rows into memory, in this order, as they are stored: nested lists, crops as encoded pictures.

        columns: those to read; None: all. schemas/tables.py and the fields' metadata say what they hold.

        Raises: NotFoundError - a file of the release is gone. WorkspaceError - a file is damaged.
        """
        names = None if columns is None else sorted({"clip_id"}.union(columns))
        batches = list(releases.read_release(self.workspace, self.release, self.stage, self.split, names))
        if not batches:
            empty = TABLES[self.stage.value].empty_table()
            return empty if columns is None else empty.select(columns)
        rows = {
            clip_id: batch.slice(number, 1)
            for batch in batches
            for number, clip_id in enumerate(batch["clip_id"].to_pylist())
        }
        table = pa.Table.from_batches([rows[clip_id] for clip_id in self.clip_ids])
        return table if columns is None else table.select(columns)

    def to_pandas(self) -> pd.DataFrame:
        """Read all clips into memory, a row each with the fields of its sample; pictures stay encoded, as `crops`.

        Raises: NotFoundError - a file of the release is gone. WorkspaceError - a file is damaged.
        """
        return pd.DataFrame([self._cells(number) for number in range(len(self))], columns=list(self._columns))

    _columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _cells(self, number: int) -> tuple[Any, ...]:
        """Return the row of a clip in a frame."""


class SpeechDataset(StageDataset[SpeechSample]):
    """Clips of stage 1: landmarks and mel."""

    stage = Stage.STAGE1
    _columns = SpeechSample._fields

    def stored(self, number: int) -> SpeechClip:
        """Read a clip as it is stored. Raises: as reading it by number."""
        return self._stored.speech(self.place(number))

    def __getitem__(self, number: int) -> SpeechSample:
        """Read a clip."""
        row = self.stored(number)
        mel = row.mel.reshape(_MEL_SHAPE).copy()
        return SpeechSample(self.clip_ids[number], self.speakers[number], row.landmarks.copy(), row.tracked, mel)

    def _cells(self, number: int) -> tuple[Any, ...]:
        return tuple(self[number])


class FaceDataset(StageDataset[FaceSample]):
    """Clips of stage 2: landmarks and face crops."""

    stage = Stage.STAGE2
    _columns = ("clip_id", "speaker", "landmarks", "tracked", "crop_boxes", "crops")

    def stored(self, number: int) -> PictureClip:
        """Read a clip as it is stored. Raises: as reading it by number."""
        return self._stored.pictures(self.place(number))

    def __getitem__(self, number: int) -> FaceSample:
        """Read a clip."""
        row, (clip_id, speaker) = self.stored(number), (self.clip_ids[number], self.speakers[number])
        frames = np.stack([decode_crop(data, frame) for frame, data in enumerate(row.crops)])
        in_crops = row.landmarks_in_crops(frames.shape[1])
        return FaceSample(clip_id, speaker, frames, row.landmarks.copy(), in_crops, row.tracked, row.boxes.copy())

    def _cells(self, number: int) -> tuple[Any, ...]:
        row, (clip_id, speaker) = self.stored(number), (self.clip_ids[number], self.speakers[number])
        return clip_id, speaker, row.landmarks.copy(), row.tracked, row.boxes.copy(), row.crops


@dataclass
class StageStream(IterableDataset[Sample], Generic[Sample]):
    """Clips of a data set as a stream: each device and each worker of a DataLoader gets a share of its own."""

    dataset: StageDataset[Sample]
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    devices: int = 1
    epoch: int = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass, if the stream is shuffled; call it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of clips on this device."""
        return len(range(self.rank, len(self.dataset), self.devices))

    def __iter__(self) -> Iterator[Sample]:
        """Read the clips of this device and worker."""
        count = len(self.dataset)
        order = np.random.default_rng((self.seed, self.epoch)).permutation(count) if self.shuffle else np.arange(count)
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in order[self.rank :: self.devices][first::step]:
            yield self.dataset[int(number)]
