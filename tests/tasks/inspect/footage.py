"""A small workspace with everything that reports have to show: odd names, missing signals, every state and route."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.policy import Policy
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG, CLIPS, EMBEDDINGS, STAGE1, STAGE2
from heterodub.schemas.toml import parse_model
from heterodub.tasks.quality.routing import route_clip
from heterodub.tasks.releases import releases
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores.sample_store import write_part

EXTRACTOR = Settings().extractor
FRAMES = 30
MARK = 0.0625123
"""Every number of an embedding."""
CROP_PX = 64

EVIL = '/footage/we "said" <script>alert(1)</script>, & so.mp4'
NEWLINE = "/footage/line\nbreak, 'quoted'.mp4"
COLOURED = "/footage/\x1b[31mred\x1b[0m\u202e.mp4"
LATIN = "file:///footage/caf%E9.mp4"
PLAIN = "/footage/plain.mp4"
COPY = "/footage/copy/plain.mp4"
BROKEN = "/footage/broken.mp4"
URIS = (EVIL, NEWLINE, COLOURED, LATIN, PLAIN, COPY, BROKEN)

POLICY = parse_model(
    Policy,
    """
name = "trial"
version = 3
[stage1]
min_face_height_px = 40
min_snr_db = 10
min_av_sync_score = 2
max_abs_av_sync_offset_frames = 6
[stage2]
min_face_height_px = 100
min_brightness = 0.1
max_brightness = 0.9
max_landmark_jitter = 0.05
accept_missing = ["landmark_jitter"]
""",
    "test",
)

GOOD = {"px": 200.0, "deg": 5.0, "1/s": 25.0, "dBFS": -20.0, "dB": 30.0, "Hz": 7000.0, "MOS": 3.5, "frames": 1.0}
SILENT = dict.fromkeys(
    ("level_dbfs", "snr_db", "av_sync_score", "av_sync_corr", "av_sync_offset_frames", "speech_share")
)


@dataclass(frozen=True)
class Clip:
    """A clip of a file: what differs from a good one. `values` may hold None for what was not measured."""

    uri: str
    values: dict[str, float | None]
    start_frame: int = 0


CLIPS_MADE = (
    Clip(PLAIN, {"av_sync_score": 5.0}),
    Clip(PLAIN, {"face_height_px": 20.0, "snr_db": 3.0, "brightness": 0.95, "av_sync_score": 1.0}, 40),
    Clip(EVIL, {"face_height_px": 60.0, "av_sync_score": 4.0}),
    Clip(NEWLINE, {**SILENT, "landmark_jitter": None}),
    Clip(LATIN, {"av_sync_score": 3.0, "av_sync_offset_frames": -9.0, "face_height_px": 90.0}),
)


def media_id(uri: str) -> str:
    return hashlib.sha256(PLAIN.encode() if uri == COPY else uri.encode()).hexdigest()


def clip_id(clip: Clip) -> str:
    return hashlib.sha256(f"{clip.uri} {clip.start_frame}".encode()).hexdigest()[:24]


def settings(root: Path) -> Settings:
    return Settings(workspace=str(root))


def make(root: Path) -> Workspace:
    """The whole workspace, with a release."""
    ws = Workspace.open(str(root), create=True)
    set_policy(ws, POLICY)
    for clip in CLIPS_MADE:
        row = clip_row(clip)
        for table, schema, payload in (("stage1", STAGE1, stage1_row), ("stage2", STAGE2, stage2_row)):
            if row[table]:
                rows = pa.Table.from_pylist([payload(clip)], schema=schema)
                part = write_part(ws, table, media_id(clip.uri), EXTRACTOR, rows, f"s{clip.start_frame}")
                assert part is not None
                commit_parts(ws, table, [part])
    tables.append_rows(ws, "clips", pa.Table.from_pylist([clip_row(clip) for clip in CLIPS_MADE], schema=CLIPS))
    embeddings = [embedding_row(clip) for clip in CLIPS_MADE]
    tables.append_rows(ws, "embeddings", pa.Table.from_pylist(embeddings, schema=EMBEDDINGS))
    tables.append_rows(ws, "catalog", pa.Table.from_pylist(catalog_rows(), schema=CATALOG))
    origin = releases.ReleaseProvenance("face_mesh_v1", EXTRACTOR, POLICY.hash, "0123456789ab", "0.1.0")
    releases.publish(ws, releases.current_versions(ws), origin, {"checks": 1}, ("stage1 has only 2 train clips",))
    return ws


_STREAM = {
    "language": None,
    "title": None,
    "changes_hz": None,
    "av_sync_score": None,
    "rate_hz": None,
    "channels": None,
}
STREAMS = [
    _STREAM | {"stream": 0, "kind": "picture", "codec": "h264", "is_default": True, "used": True, "changes_hz": 24.5},
    _STREAM | {"stream": 1, "kind": "sound", "codec": "aac", "is_default": True, "used": False, "title": "a\x1b[2Jb"},
    _STREAM | {"stream": 2, "kind": "sound", "codec": "aac", "is_default": False, "used": True, "av_sync_score": 5.25},
]


def catalog_rows() -> list[dict[str, Any]]:
    measured = {clip.uri for clip in CLIPS_MADE}
    return [
        catalog_row(uri, clips=sum(clip.uri == uri for clip in CLIPS_MADE), streams=STREAMS if uri == PLAIN else [])
        for uri in URIS
        if uri in measured
    ] + [
        catalog_row(COLOURED, state="rejected", reason="no_face"),
        catalog_row(COPY, state="duplicate", reason="same_bytes", error=f"same bytes as {PLAIN}"),
        catalog_row(BROKEN, state="quarantined", reason="decoder_crashed", error="SIGSEGV \x1b[2J", media_id=None),
    ]


def catalog_row(uri: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(CATALOG.names)
    row |= {"uri": uri, "media_id": media_id(uri), "stamp": "1", "size_bytes": 1000, "corpus": "default"}
    row |= {"offset_s": 0.0, "extractor": EXTRACTOR, "state": "measured", "clips": 0, "media_s": 4.0, "dropped_s": 0.0}
    return row | {"container": "mp4", "width": 640, "height": 480} | changes


def clip_row(clip: Clip, policy: Policy = POLICY) -> dict[str, Any]:
    values: dict[str, Any] = {name: GOOD.get(BY_NAME[name].unit, 0.5) for name in SIGNAL_NAMES}
    values |= {"landmark_jitter": 0.01} | clip.values
    decision = route_clip(values, policy)
    row: dict[str, Any] = dict.fromkeys(CLIPS.names) | values
    row |= {"clip_id": clip_id(clip), "media_id": media_id(clip.uri), "uri": clip.uri, "corpus": "default"}
    row |= {"speaker": f"file:{media_id(clip.uri)}", "extractor": EXTRACTOR, "backend": "face_mesh_v1", "shot": 0}
    row |= {"track": 0, "start_frame": clip.start_frame, "frames": FRAMES, "width": 640, "height": 480}
    row |= {"missing": [(name, "no_sound_stream") for name, value in values.items() if value is None]}
    row |= {"picture_hash": bytes(40), "sound_hash": b"", "face_motion": b"", "policy": policy.hash, "split": "train"}
    row |= {"split_group": "g", "stage1": decision.stage1, "stage2": decision.stage2}
    return row | {"stage1_reasons": list(decision.stage1_reasons), "stage2_reasons": list(decision.stage2_reasons)}


def embedding_row(clip: Clip) -> dict[str, Any]:
    """A face and a voice of one number, which is found wherever it comes out."""
    row = {"clip_id": clip_id(clip), "media_id": media_id(clip.uri), "backend": "face_mesh_v1", "frames": FRAMES}
    row |= {"face": [MARK] * 128, "face_frames": [3, 10, 17], "face_version": "dlib-resnet-v1"}
    return row | {"voice": [MARK] * 256, "voice_s": 2.5, "voice_version": "resemblyzer-0.1.4", "missing": []}


def stage1_row(clip: Clip) -> dict[str, Any]:
    mel = np.random.default_rng(0).uniform(-11, 2, (MEL_COLUMNS_PER_FRAME * FRAMES, MEL_BANDS)).astype(np.float32)
    return _payload_row(clip) | {"sound_shift_frames": 2, "mel": mel.tolist()}


def stage2_row(clip: Clip) -> dict[str, Any]:
    row = _payload_row(clip)
    return row | {"crop_px": CROP_PX, "crop_boxes": [[100.0, 50.0, 320.0]] * FRAMES, "crops": [_crop()] * FRAMES}


def _payload_row(clip: Clip) -> dict[str, Any]:
    row = {"clip_id": clip_id(clip), "media_id": media_id(clip.uri), "backend": "face_mesh_v1", "frames": FRAMES}
    points = np.stack([face(opening) for opening in np.linspace(0, 20, FRAMES)])
    return row | {"landmarks": points.reshape(FRAMES, -1).tolist(), "tracked": [True] * FRAMES}


def face(opening_px: float) -> np.ndarray:
    """(216, 2) points on an oval, the lower lip `opening_px` below the upper: no face, but in the right places."""
    turn = np.linspace(0, 2 * np.pi, LANDMARK_POINTS)
    points = np.stack([260 + 100 * np.cos(turn), 210 + 120 * np.sin(turn)], axis=1).astype(np.float32)
    points[100:114, 0], points[128:142, 0] = np.linspace(200, 230, 14), np.linspace(290, 320, 14)
    points[100:114, 1] = points[128:142, 1] = 170
    points[156:, 0] = np.tile(np.linspace(230, 290, 15), 4)
    points[156:186, 1], points[186:, 1] = 270, 270 + opening_px
    return points


@cache
def _crop() -> bytes:
    picture = np.full((CROP_PX, CROP_PX, 3), 90, np.uint8)
    cv2.circle(picture, (CROP_PX // 2, CROP_PX // 2), 20, (120, 160, 220), -1)
    return bytes(cv2.imencode(".jpg", picture)[1])


def film(path: Path, frames: int = 40) -> Path:
    """A real file of `frames` plain pictures at 25 fps."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            picture = np.full((64, 96, 3), 5 * number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
    return path


def playable(folder: Path) -> Settings:
    """A workspace with a file that is there, with three clips, one without sound and one too noisy, and with a refused
    file that is not.
    """
    path, ws = film(folder / "film.mp4"), Workspace.open(str(folder / "ws"), create=True)
    set_policy(ws, POLICY)
    clips = [
        Clip(str(path), values, start) for start, values in enumerate(({"av_sync_score": 5.0}, {"snr_db": 1.0}, SILENT))
    ]
    tables.append_rows(ws, "clips", pa.Table.from_pylist([clip_row(clip) for clip in clips], schema=CLIPS))
    stamp = local_file(Corpus(root=str(folder)), path).stamp
    files = [
        catalog_row(str(path), clips=3, stamp=stamp),
        catalog_row("/footage/=1+1.mp4", state="rejected", reason="no_face"),
    ]
    tables.append_rows(ws, "catalog", pa.Table.from_pylist(files, schema=CATALOG))
    return Settings(workspace=ws.root)
