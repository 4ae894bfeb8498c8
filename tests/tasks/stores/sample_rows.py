"""Small valid rows of every table, for tests of stores and audit. Change what a test is about, keep the rest."""

import hashlib
import struct
from typing import Any

import numpy as np
import pyarrow as pa

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG, CLIPS, EMBEDDINGS, STAGE1, STAGE2

EXTRACTOR = "1-face_mesh_v1-0badcafe"
BACKEND = "face_mesh_v1"
FRAMES = 30

_VALUES = {"px": 200.0, "deg": 5.0, "1/s": 25.0, "dBFS": -20.0, "dB": 30.0, "Hz": 7000.0, "MOS": 3.5, "frames": 1.0}


def media_id(number: int) -> str:
    return hashlib.sha256(f"media {number}".encode()).hexdigest()


def clip_id(media: int, number: int = 0) -> str:
    return hashlib.sha256(f"clip {media} {number}".encode()).hexdigest()[:24]


def catalog_row(media: int, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(CATALOG.names)
    row |= {"uri": f"/footage/{media}.mp4", "media_id": media_id(media), "stamp": "1", "size_bytes": 1000}
    row |= {"corpus": "default", "offset_s": 0.0, "extractor": EXTRACTOR, "state": "measured", "clips": 1}
    row |= {"media_s": 10.0, "dropped_s": 0.0, "container": "mp4", "width": 640, "height": 480, "rotation_deg": 0}
    return row | changes


def clip_row(media: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    seed = np.random.default_rng(media * 1000 + number)
    row: dict[str, Any] = dict.fromkeys(CLIPS.names)
    row |= {name: _VALUES.get(BY_NAME[name].unit, 0.5) for name in SIGNAL_NAMES}
    row |= {"clip_id": clip_id(media, number), "media_id": media_id(media), "uri": f"/footage/{media}.mp4"}
    row |= {"corpus": "default", "speaker": f"speaker {media}", "extractor": EXTRACTOR, "backend": BACKEND}
    row |= {"shot": 0, "track": number, "start_frame": 0, "frames": FRAMES, "width": 640, "height": 480, "missing": []}
    row |= {
        "picture_hash": seed.bytes(40),
        "sound_hash": seed.bytes(4 * FRAMES),
        "face_motion": bytes(4 * FRAMES),
        "policy": "0123456789ab",
    }
    row |= {"stage1": True, "stage2": True, "stage1_reasons": [], "stage2_reasons": []}
    row |= {"split": ("train", "val", "test")[media % 3], "split_group": f"speaker {media}"}
    return row | changes


def stage1_row(media: int, number: int = 0, length: int = FRAMES, **changes: Any) -> dict[str, Any]:
    mel = np.full((MEL_COLUMNS_PER_FRAME * length, MEL_BANDS), -4.0, np.float32)
    return _payload_row(media, number, length) | {"sound_shift_frames": 0, "mel": mel.tolist()} | changes


def stage2_row(media: int, number: int = 0, length: int = FRAMES, **changes: Any) -> dict[str, Any]:
    row = _payload_row(media, number, length)
    row |= {"crop_px": 64, "crop_boxes": [[10.0, 20.0, 200.0]] * length, "crops": [_jpeg(64)] * length}
    return row | changes


def embedding_row(media: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A face of its own, for each media another one, and no voice."""
    face = np.random.default_rng(media).normal(size=128).astype(np.float32)
    row = {"clip_id": clip_id(media, number), "media_id": media_id(media), "backend": BACKEND, "frames": FRAMES}
    row |= {"face": (1.3 * face / np.linalg.norm(face)).tolist(), "face_frames": [5, 15, 25], "face_version": "f"}
    row |= {"voice": None, "voice_s": 0.0, "voice_version": None, "missing": [("voice", "no_sound_stream")]}
    return row | changes


def _payload_row(media: int, number: int, frames: int) -> dict[str, Any]:
    points = np.linspace(100, 300, frames * LANDMARK_POINTS * 2, dtype=np.float32).reshape(frames, -1)
    row = {"clip_id": clip_id(media, number), "media_id": media_id(media), "backend": BACKEND, "frames": frames}
    return row | {"landmarks": points.tolist(), "tracked": [True] * frames}


def _jpeg(side: int) -> bytes:
    frame_header = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, side, side, 3) + bytes(9)
    return b"\xff\xd8" + frame_header + bytes(16) + b"\xff\xd9"


def catalog(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CATALOG)


def clips(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CLIPS)


def embeddings(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=EMBEDDINGS)


def stage1(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=STAGE1)


def stage2(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=STAGE2)
