"""Rows of an export: what the stores hold of a clip, and the facts that go with it. The same in every format.

The address of a raw file is not among them: it tells of the machine that ingested it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from numpy.typing import NDArray

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.reading.datasets import FaceDataset, SpeechDataset
from heterodub.tasks.training.clip_store import PictureClip

_OF_CLIPS: Final = (
    *("clip_id", "media_id", "corpus", "speaker", "person", *RIGHTS, "backend", "extractor", "shot", "track"),
    *(
        "start_frame",
        "frames",
        "width",
        "height",
        *SIGNAL_NAMES,
        "near_copy_of",
        "same_scene_as",
        "split_group",
        "split",
    ),
)
_OF_CATALOG: Final = ("language",)
FACTS: Final[Mapping[str, pa.DataType]] = {
    **{name: CLIPS.field(name).type for name in _OF_CLIPS},
    **{name: CATALOG.field(name).type for name in _OF_CATALOG},
    "release": pa.string(),
    "video": pa.string(),
}
"""Type of each fact. release: id; video: path of the clip's raw file in the export, null if it is not exported."""

SHAPES: Final[Mapping[Stage, Mapping[str, tuple[int, ...]]]] = {
    Stage.STAGE1: {"landmarks": (LANDMARK_POINTS, 2), "tracked": (), "mel": (MEL_COLUMNS_PER_FRAME, MEL_BANDS)},
    Stage.STAGE2: {"landmarks": (LANDMARK_POINTS, 2), "tracked": (), "crop_boxes": (3,)},
}
"""Arrays of a stage: the shape of one frame of each."""

UNITS: Final[Mapping[str, str]] = {
    "landmarks": "x, y of 216 points a frame, px of the source picture",
    "tracked": "true where the face was tracked and its mouth seen; else the landmarks are guesses",
    "mel": "natural logarithm of mel magnitudes, 4 columns of 10 ms a frame, 80 bands",
    "crop_boxes": "left, top, side of each crop, px of the source picture",
    "crops": "face crop of each frame, encoded as stored",
    "audio": "16 kHz sound of the clip, in sync with the mouth; read from the raw file, not from the stores",
}
"""Meaning and unit of each array."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A clip. facts: by FACTS. arrays: by SHAPES, T frames first. crops: encoded pictures. audio: a WAV file."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    crops: tuple[bytes, ...] = ()
    audio: bytes | None = None

    @property
    def clip_id(self) -> str:
        """Id of the clip."""
        return str(self.facts["clip_id"])

    @property
    def size_bytes(self) -> int:
        """Bytes of arrays, pictures and sound."""
        return sum(one.nbytes for one in self.arrays.values()) + sum(map(len, self.crops)) + len(self.audio or b"")


Sound = Callable[[Mapping[str, Any], int], bytes | None]
"""A WAV file for a row of `clips` and the frames by which its sound was moved; None where there is none."""


def export_rows(
    dataset: SpeechDataset | FaceDataset,
    videos: Mapping[str, str],
    sound: Sound | None = None,
    left_out: Collection[str] = (),
) -> Iterator[ExportRow]:
    """Yield the clips of a data set, in its order. videos: paths in the export by media id. left_out: ids of clips.

    Raises: NotFoundError - a file of the release is gone. WorkspaceError - a file is damaged.
    """
    labelled = dataset.labelled()
    narrow = labelled.select([one.name for one in labelled.schema if not pa.types.is_binary(one.type)])  # no hashes
    for number, clip in enumerate(narrow.to_pylist()):
        if clip["clip_id"] in left_out:
            continue
        facts = {name: clip.get(name) for name in FACTS}
        facts |= {"release": dataset.release.release_id, "video": videos.get(clip["media_id"])}
        stored = dataset.stored(number)
        arrays: dict[str, NDArray[Any]] = {"landmarks": stored.landmarks, "tracked": stored.tracked}
        if isinstance(stored, PictureClip):
            yield ExportRow(facts, arrays | {"crop_boxes": stored.boxes}, stored.crops)
            continue
        arrays["mel"] = stored.mel.reshape(-1, *SHAPES[Stage.STAGE1]["mel"])
        yield ExportRow(facts, arrays, audio=sound(clip, stored.sound_shift_frames) if sound else None)
