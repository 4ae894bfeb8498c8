"""A workspace with a published release of drawn talkers (tests/model/stage2/faces.py) for stage 2."""

from pathlib import Path

import cv2
import numpy as np

from heterodub.tasks.stores.batches import FileBatch
from heterodub.tasks.stores.workspace import Workspace
from tests.model.stage2.faces import speaker
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import write_part
from tests.tasks.training.talkers import EXTRACTOR, commit, publish, split_of

BOX = (10.0, 20.0, 160.0)
"""Place of each crop in its source frame: left, top, side; crops are 64 pixels."""


def face_release(folder: Path, speakers: int = 4, frames: int = 24) -> Workspace:
    """Speaker 1 is val, 2 is test; one clip each."""
    workspace = Workspace.open(str(folder), create=True)
    commit([_sitter(workspace, number, frames) for number in range(speakers)], workspace)
    publish(workspace)
    return workspace


def add_face_clips(workspace: Workspace, number: int, frames: int, spoil: bytes | None = None) -> None:
    """Another speaker. spoil: bytes in place of the crop of the third frame."""
    commit([_sitter(workspace, number, frames, spoil)], workspace)


def _sitter(workspace: Workspace, number: int, frames: int, spoil: bytes | None = None) -> FileBatch:
    pictures, landmarks = speaker(number, frames)
    tracked = [frame != 5 for frame in range(frames)]
    crops = [bytes(cv2.imencode(".png", one[..., ::-1])[1]) for one in pictures]
    if spoil is not None:
        crops[2] = spoil
    placed = landmarks * (BOX[2] / pictures.shape[1]) + np.array(BOX[:2])
    row = sample.stage2_row(number, 0, frames) | {
        "landmarks": placed.reshape(frames, -1).astype(np.float32).tolist(),
        "tracked": tracked,
        "crop_px": pictures.shape[1],
        "crop_boxes": [list(BOX)] * frames,
        "crops": crops,
    }
    media = sample.media_id(number)
    clip = sample.clip_row(number, 0, frames=frames, stage1=False, split=split_of(number), extractor=EXTRACTOR)
    part = write_part(workspace, "stage2", media, EXTRACTOR, sample.stage2(row))
    catalog = sample.catalog(sample.catalog_row(number, clips=1, extractor=EXTRACTOR))
    return FileBatch(frozenset({media}), catalog, sample.clips(clip), [], [part] if part else [])
