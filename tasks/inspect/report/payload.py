"""Payload of chosen clips: crops, landmarks, mel. One pass over each table, one row group in memory."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.features.arrays import Floats
from model.features.landmarks import box
from schemas.contract import LANDMARK_POINTS, MEL_BANDS
from tasks.stores import delta, tables
from tasks.stores.workspace import Workspace

_MARGIN = 1.5
"""Side of the square around a face over its height, where no crop is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage2Payload:
    """Stage-2 payload of a clip. `points` (T, 216, 2) and `boxes` (T, 3: left, top, side) in source pixels."""

    clip_id: str
    points: Floats
    boxes: Floats
    _crops: Any

    def crop(self, frame: int) -> bytes:
        """Return the encoded crop of one frame of the clip."""
        return bytes(self._crops.values[frame].as_py())


@dataclass(frozen=True, slots=True, eq=False)
class Stage1Payload:
    """Stage-1 payload of a clip. `points` (T, 216, 2) in source pixels, `mel` (4T, 80) natural log."""

    clip_id: str
    points: Floats
    mel: Floats
    shift_frames: int

    def window(self) -> tuple[float, float, float]:
        """Return a square (left, top, side) around the face of the whole clip, in source pixels."""
        left, top, right, bottom = (float(side) for side in np.median(box(self.points), axis=0))
        side = max(_MARGIN * (bottom - top), 8.0)
        return (left + right - side) / 2, (top + bottom - side) / 2, side


def stage2_of(ws: Workspace, clips: Collection[str]) -> Iterator[Stage2Payload]:
    """Yield the stage-2 payload of the clips that have any."""
    for row in _rows(ws, "stage2", clips, ["clip_id", "landmarks", "crop_boxes", "crops"]):
        boxes = _matrix(row["crop_boxes"], 3)
        yield Stage2Payload(row["clip_id"].as_py(), _points(row["landmarks"]), boxes, row["crops"])


def stage1_of(ws: Workspace, clips: Collection[str]) -> Iterator[Stage1Payload]:
    """Yield the stage-1 payload of the clips that have any."""
    for row in _rows(ws, "stage1", clips, ["clip_id", "landmarks", "mel", "sound_shift_frames"]):
        shift = int(row["sound_shift_frames"].as_py())
        yield Stage1Payload(row["clip_id"].as_py(), _points(row["landmarks"]), _matrix(row["mel"], MEL_BANDS), shift)


def _rows(ws: Workspace, table: str, clips: Collection[str], columns: list[str]) -> Iterator[dict[str, Any]]:
    if not clips or not delta.exists(ws, table):
        return
    ids = sorted(clips)
    wanted = pa.array(ids, pa.string())
    for batch in tables.batches(ws, table, None, columns, lambda file: file.may_hold("clip_id", ids)):
        for number in np.flatnonzero(pc.is_in(batch["clip_id"], value_set=wanted).to_numpy(zero_copy_only=False)):
            yield {name: batch[name][int(number)] for name in columns}


def _matrix(cell: Any, width: int) -> Floats:
    return np.asarray(cell.values.flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, width)


def _points(cell: Any) -> Floats:
    return _matrix(cell, LANDMARK_POINTS * 2).reshape(-1, LANDMARK_POINTS, 2)
