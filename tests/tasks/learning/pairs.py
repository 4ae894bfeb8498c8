"""A workspace with a published release of painted talkers, each clip good for both stages."""

from pathlib import Path

import cv2
import numpy as np

from tasks.stores import parts
from tasks.stores.batches import Batch, Held, commit_batch
from tasks.stores.workspace import Workspace
from tests.model.stage2.faces import SIDE, painted
from tests.model.talking import talk
from tests.tasks.learning.sitters import BOX
from tests.tasks.learning.talkers import EXTRACTOR, publish, split_of
from tests.tasks.stores import sample_rows as sample


def pairs(folder: Path, speakers: int = 4, frames: int = 30) -> Workspace:
    """Speaker 1 is val, 2 is test; one clip each."""
    workspace = Workspace.open(str(folder), create=True)
    for number in range(speakers):
        _add(workspace, number, frames)
    publish(workspace)
    return workspace


def _add(workspace: Workspace, number: int, frames: int) -> None:
    points, _, mel = talk(frames, number)
    pictures, landmarks = painted(points, number)
    crops = [bytes(cv2.imencode(".png", one[..., ::-1])[1]) for one in pictures]
    placed = (landmarks * (BOX[2] / SIDE) + np.array(BOX[:2])).reshape(frames, -1).astype(np.float32).tolist()
    tracked = [frame != 25 for frame in range(frames)]
    shared = {"landmarks": placed, "tracked": tracked}
    heard = sample.stage1_row(number, 0, frames) | shared | {"mel": mel.tolist()}
    seen = sample.stage2_row(number, 0, frames) | shared
    seen |= {"crop_px": SIDE, "crop_boxes": [list(BOX)] * frames, "crops": crops}
    media, split = sample.media_id(number), split_of(number)
    clip = sample.clip_row(number, 0, frames=frames, split=split, extractor=EXTRACTOR)
    catalog = sample.catalog(sample.catalog_row(number, clips=1, extractor=EXTRACTOR))
    written = [
        [part] if (part := parts.write_part(workspace, stage, media, EXTRACTOR, rows)) else []
        for stage, rows in (("stage1", sample.stage1(heard)), ("stage2", sample.stage2(seen)))
    ]
    commit_batch(workspace, Batch(frozenset({media}), catalog, sample.clips(clip), *written), Held(workspace))
