"""A workspace with a published release of drawn talkers whose clips are good for both stages: sound and picture."""

from pathlib import Path

import cv2
import numpy as np

from heterodub.tasks.stores.batches import FileBatch, KnownMedia, commit_batch
from heterodub.tasks.stores.workspace import Workspace
from tests.model.stage2.faces import painted
from tests.model.talking import talk
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import write_part
from tests.tasks.training.face_release import BOX
from tests.tasks.training.talkers import EXTRACTOR, publish, split_of, stored_row


def speakers(folder: Path, count: int = 6, frames: int = 36) -> Workspace:
    """Speakers 1, 5, ... are val, 2, 6, ... are test; one clip each."""
    workspace = Workspace.open(str(folder), create=True)
    for number in range(count):
        _add(workspace, number, frames)
    publish(workspace)
    return workspace


def _add(workspace: Workspace, number: int, frames: int) -> None:
    points, tracked, mel = talk(frames, number)
    pictures, placed = painted(points, number)
    result = placed * (BOX[2] / pictures.shape[1]) + np.array(BOX[:2])
    shown = sample.stage2_row(number, 0, frames) | {
        "landmarks": result.reshape(frames, -1).astype(np.float32).tolist(),
        "tracked": tracked.tolist(),
        "crop_px": pictures.shape[1],
        "crop_boxes": [list(BOX)] * frames,
        "crops": [bytes(cv2.imencode(".png", one[..., ::-1])[1]) for one in pictures],
    }
    heard = stored_row(number, 0, result.astype(np.float32), tracked, mel)
    media, clip = sample.media_id(number), sample.clip_row(number, 0, frames=frames, extractor=EXTRACTOR)
    clip |= {"split": split_of(number)}
    made = [
        write_part(workspace, stage, media, EXTRACTOR, rows)
        for stage, rows in (("stage1", sample.stage1(heard)), ("stage2", sample.stage2(shown)))
    ]
    catalog = sample.catalog(sample.catalog_row(number, clips=1, extractor=EXTRACTOR))
    payload = [[part] if part else [] for part in made]
    commit_batch(workspace, FileBatch(frozenset({media}), catalog, sample.clips(clip), *payload), KnownMedia(workspace))
