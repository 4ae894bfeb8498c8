"""Random access to clips of a release by id, in the Parquet files of its pinned version, one row group at a time."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heterodub.model.features.arrays import Rgb
from heterodub.model.features.timing import mel_columns
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS
from heterodub.schemas.display import message_of
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import TABLES
from heterodub.tasks.quality.senones import unpack
from heterodub.tasks.releases.clip_index import ClipIndex
from heterodub.tasks.releases.releases import Release, table_files
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.parquet import held_columns, open_file, with_columns
from heterodub.tasks.stores.workspace import Workspace

_OPEN_FILES = 32
"""Parquet footers kept in memory: of a file of one media some 100 kB, of a merged one of 512 clips 3.5 MB."""


@dataclass(frozen=True, slots=True)
class ClipSource:
    """Address of a stored clip; the media it was cut from determines the file."""

    clip_id: str
    media_id: str


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """A row of `stage1` as arrays: landmarks (T, 216, 2) in pixels, tracked (T,), mel (4T, 80), the frames by which its
    sound was moved earlier, and senone scores (4T, 126) where there are any.
    """

    landmarks: NDArray[np.float32]
    tracked: NDArray[np.bool_]
    mel: NDArray[np.float32]
    sound_shift_frames: int
    senones: NDArray[np.float32] | None = None

    def features(self, speech_width: int) -> NDArray[np.float32]:
        """Return as many speech features of each 10 ms as a generator reads: (4T, 80 or 206); see prepare.

        Raises: ValueError - the clip has no senone scores.
        """
        if self.speech.shape[1] < speech_width:
            raise ValueError("it has no senone scores: ingest with `senones = true` and `remeasure` of [clips] raised")
        return self.speech[:, :speech_width]

    @property
    def speech(self) -> NDArray[np.float32]:
        """Everything that is stored of the speech: (4T, 80), or (4T, 206) with senone scores."""
        return self.mel if self.senones is None else np.hstack([self.mel, self.senones])


@dataclass(frozen=True, slots=True)
class PictureClip:
    """A row of `stage2` as arrays: landmarks (T, 216, 2) in source pixels, tracked (T,), boxes (T, 3) as left, top and
    side of each crop in source pixels, and the crops as encoded pictures.
    """

    landmarks: NDArray[np.float32]
    tracked: NDArray[np.bool_]
    boxes: NDArray[np.float32]
    crops: tuple[bytes, ...]

    def landmarks_in_crops(self, side_px: int) -> NDArray[np.float32]:
        """Return the landmarks (T, 216, 2) in pixels of the crops, if these are resized to `side_px`."""
        boxes = self.boxes[:, None]
        return np.asarray((self.landmarks - boxes[..., :2]) * (side_px / boxes[..., 2:]), np.float32)


class PictureSource(Protocol):
    """Clips of stage 2 by place. Travels to reader processes."""

    def pictures(self, place: ClipSource) -> PictureClip:
        """Read a clip.

        Raises: NotFoundError - it is not there. WorkspaceError - its file is damaged.
        """


@dataclass(frozen=True, slots=True)
class HeldPictures:
    """A PictureSource in memory, by clip id."""

    clips: Mapping[str, PictureClip]

    def pictures(self, place: ClipSource) -> PictureClip:
        """Return a clip."""
        return self.clips[place.clip_id]


@dataclass(slots=True)
class StoredClips:
    """Random access to the payload of one stage. Travels to reader processes: it holds no open file."""

    workspace: Workspace
    stage: Stage
    files: tuple[DataFile, ...]
    index: ClipIndex | None = None
    """Places in merged files; without it they are searched by their footers."""
    _single: list[tuple[str, DataFile]] = field(init=False)
    _mixed: list[DataFile] = field(init=False)

    def __post_init__(self) -> None:
        """Index the files by media, from the bounds in the table's log."""
        bounds = [(file.bounds.get("media_id", ("", "~")), file) for file in self.files]
        single = [(low, file) for (low, high), file in bounds if low == high]
        self._single = sorted(single, key=lambda entry: entry[0])  # a film in segments has several
        self._mixed = [file for (low, high), file in bounds if low != high]

    @classmethod
    def of(cls, workspace: Workspace, release: Release, stage: Stage) -> "StoredClips":
        """Open the clips of a stage of a release.

        Raises: NotFoundError - files of it are gone.
        """
        files = table_files(workspace, release, stage.value)
        existing = _names(workspace, stage)
        if erased := [file.name for file in files if file.name not in existing]:
            raise NotFoundError(
                f"{len(erased)} of {len(files)} {stage.value} files of release {release.release_id} of "
                f"{workspace.root} are gone, such as {erased[0]}; train on another release"
            )
        return cls(workspace, stage, files, ClipIndex.of(workspace, release.file_lists, stage.value))

    def speech(self, place: ClipSource) -> SpeechClip:
        """Read a clip of stage 1.

        Raises: NotFoundError - it is not in this version. WorkspaceError - its file is damaged.
        """
        row = self._row(place, ["clip_id", "frames", "landmarks", "tracked", "mel", "sound_shift_frames", "senones"])
        frames = int(row["frames"][0].as_py())
        return SpeechClip(
            _numbers(row["landmarks"]).reshape(frames, LANDMARK_POINTS, 2),
            np.array(row["tracked"][0].as_py(), bool),
            _numbers(row["mel"]).reshape(mel_columns(frames), MEL_BANDS),
            int(row["sound_shift_frames"][0].as_py()),
            None if (cell := row["senones"][0].as_py()) is None else unpack(cell),
        )

    def pictures(self, place: ClipSource) -> PictureClip:
        """Read a clip of stage 2.

        Raises: NotFoundError - it is not in this version. WorkspaceError - its file is damaged.
        """
        row = self._row(place, ["clip_id", "frames", "landmarks", "tracked", "crop_boxes", "crops"])
        frames = int(row["frames"][0].as_py())
        return PictureClip(
            _numbers(row["landmarks"]).reshape(frames, LANDMARK_POINTS, 2),
            np.array(row["tracked"][0].as_py(), bool),
            _numbers(row["crop_boxes"]).reshape(frames, 3),
            tuple(row["crops"][0].as_py()),
        )

    def _row(self, place: ClipSource, columns: list[str]) -> pa.Table:
        selection = pa.schema([TABLES[self.stage.value].field(name) for name in columns])
        known = self.index.find(place.clip_id) if self.index else None
        for name in [known[0]] if known else (file.name for file in self._files_of(place.media_id)):
            try:
                opened = _opened(self.workspace, self.stage.value, name)
                for group in [known[1]] if known else _groups_with(opened, place.clip_id):
                    rows = opened.read_row_group(group, columns=held_columns(opened, selection), use_threads=False)
                    for number, clip_id in enumerate(rows["clip_id"].to_pylist()):
                        if clip_id == place.clip_id:
                            return with_columns(rows.slice(number, 1), selection)
            except FileNotFoundError as error:
                raise NotFoundError(f"{name} of {self.workspace.root} was erased while it was read") from error
            except (OSError, KeyError, pa.ArrowInvalid) as error:
                text = f"{name} of {self.workspace.root} cannot be read: {message_of(error)}"
                raise WorkspaceError(text) from error
        raise NotFoundError(f"clip {place.clip_id} is not in this version of {self.stage.value}")

    def _files_of(self, media_id: str) -> Iterable[DataFile]:
        for low, file in self._single[bisect_right(self._single, media_id, key=lambda entry: entry[0]) - 1 :: -1]:
            if low != media_id:
                break
            yield file
        yield from (file for file in self._mixed if file.may_hold("media_id", [media_id]))


def decode_crop(data: bytes, number: int) -> Rgb:
    """Decode a stored face crop to (H, W, 3) RGB, uint8. number: its frame, for the text of the error.

    Raises: ValueError - it cannot be decoded.
    """
    import cv2  # here, not above: commands that only look at tables need none of it

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise ValueError(f"the crop of frame {number} cannot be decoded")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _names(workspace: Workspace, stage: Stage) -> set[str]:
    listing = workspace.filesystem().ls(workspace.path(stage.value), detail=False)
    return {str(path).rsplit("/", 1)[-1] for path in listing}


@lru_cache(maxsize=_OPEN_FILES)
def _opened(workspace: Workspace, table: str, name: str) -> pq.ParquetFile:
    return open_file(workspace, table, name)


def _groups_with(file: pq.ParquetFile, clip_id: str) -> Iterable[int]:
    """Return the row groups that may hold the clip, by their statistics."""
    column = file.schema_arrow.names.index("clip_id")
    for number in range(file.num_row_groups):
        statistics = file.metadata.row_group(number).column(column).statistics
        if statistics is None or not statistics.has_min_max or statistics.min <= clip_id <= statistics.max:
            yield number


def _numbers(column: Any) -> NDArray[np.float32]:
    """Return the numbers of one nested cell, flat, without creating a Python object for each."""
    flat = column.combine_chunks()
    while not pa.types.is_floating(flat.type):
        flat = flat.flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float32)
