"""A workspace with a published release of drawn talkers (tests/model/stage2/faces.py) for stage 2."""

from pathlib import Path

import cv2
import numpy as np

from heterodub.tasks.media.paths import fingerprint
from heterodub.tasks.stores.batches import FileBatch
from heterodub.tasks.stores.workspace import Workspace
from tests.model.stage2.faces import speaker
from tests.tasks.media.media_files import regular, tone, write_media
from tests.tasks.stores import sample_rows as sample
from tests.tasks.stores.sample_store import write_part
from tests.tasks.training.talkers import EXTRACTOR, commit, publish, split_of

BOX = (10.0, 20.0, 160.0)
"""Place of each crop in its source frame: left, top, side; crops are 64 pixels."""


RAW_SIZE = (240, 200)
"""Width and height of the source frames."""


def face_release(folder: Path, speakers: int = 4, frames: int = 24, raw: Path | None = None) -> Workspace:
    """Speaker 1 is val, 2 is test; one clip each. raw: a folder for the raw films of the test split, with a tone, but
    silent ones of every second speaker.
    """
    workspace = Workspace.open(str(folder), create=True)
    commit([_sitter(workspace, number, frames, raw=raw) for number in range(speakers)], workspace)
    publish(workspace)
    return workspace


def add_face_clips(workspace: Workspace, number: int, frames: int, spoil: bytes | None = None) -> None:
    """Another speaker. spoil: bytes in place of the crop of the third frame."""
    commit([_sitter(workspace, number, frames, spoil)], workspace)


def raw_film(path: Path, pictures: np.ndarray, silent: bool) -> Path:
    """A film with these crops (F, 64, 64, 3) at their place in grey frames."""
    left, top, side = (int(number) for number in BOX)
    whole = np.full((len(pictures), RAW_SIZE[1], RAW_SIZE[0], 3), 90, np.uint8)
    for frame, crop in zip(whole, pictures, strict=True):
        frame[top : top + side, left : left + side] = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    sound = None if silent else tone(len(pictures) / 25)
    return write_media(path, regular(len(pictures)), sound, size=RAW_SIZE, pictures=list(whole))


def _sitter(
    workspace: Workspace, number: int, frames: int, spoil: bytes | None = None, raw: Path | None = None
) -> FileBatch:
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
    media, uri = sample.media_id(number), f"/footage/{number}.mp4"
    if raw is not None and split_of(number) == "test":
        uri = str(raw_film(raw / f"{number}.mp4", pictures, silent=number % 8 == 6))
        media = fingerprint(Path(uri))
    place = {"media_id": media, "uri": uri, "extractor": EXTRACTOR}
    clip = sample.clip_row(number, 0, frames=frames, stage1=False, split=split_of(number), **place)
    part = write_part(workspace, "stage2", media, EXTRACTOR, sample.stage2(row | {"media_id": media}))
    catalog = sample.catalog(sample.catalog_row(number, clips=1, **place))
    return FileBatch(frozenset({media}), catalog, sample.clips(clip), [], [part] if part else [])
