"""4,000 clips of known measurements and routes, worked out row by row without the code under test."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from heterodub.schemas.contract import LANDMARK_POINTS, MEL_BANDS, MEL_COLUMNS_PER_FRAME
from heterodub.schemas.policy import Policy, load_policy
from heterodub.schemas.signals import BY_NAME, SIGNAL_NAMES
from heterodub.schemas.tables import CATALOG, CLIPS, STAGE1, STAGE2
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.parts import commit_parts
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.stores.sample_store import write_part

CLIPS_IN_ALL, CLIPS_OF_A_FILE = 4_000, 100
EXTRACTOR, BACKEND = "1-face_mesh_v1-0badcafe", "face_mesh_v1"
OLD = load_policy()
_TYPICAL = {"px": 200.0, "deg": 5.0, "1/s": 25.0, "dBFS": -20.0, "dB": 20.0, "Hz": 7000.0, "MOS": 3.5, "frames": 1.0}
_GOOD = {
    "faces_share": 0.0,
    "undecided_share": 0.0,
    "landmark_jitter": 0.01,
    "frozen_share": 0.0,
    "interlace": 0.0,
    "clipping_share": 0.0,
    "dark_share": 0.0,
}
_GOOD |= {
    "bright_share": 0.0,
    "face_share": 0.95,
    "mesh_score": 0.95,
    "mouth_visibility": 0.95,
    "speech_s": 4.0,
    "av_sync_score": 5.0,
}
_VARIED = ("snr_db", "sharpness", "face_height_px", "av_sync_score", "mouth_motion", "speech_s", "level_dbfs")


def policy(**stage1: float) -> Policy:
    base = OLD.model_dump()
    return Policy.model_validate(base | {"version": 2, "stage1": base["stage1"] | stage1})


STRICTER = policy(min_snr_db=18.0, min_av_sync_score=3.0)
LOOSER = policy(min_snr_db=2.0)


def measured(rng: np.random.Generator) -> dict[str, float | None]:
    values: dict[str, float | None] = {name: _TYPICAL.get(BY_NAME[name].unit, 0.5) for name in SIGNAL_NAMES} | _GOOD
    for name in _VARIED:
        if rng.random() < 0.05:
            values[name] = None
        elif rng.random() < 0.4:
            values[name] = (values[name] or 0.0) * float(rng.uniform(0.1, 1.5))
    return values


def refusals(values: dict[str, Any], by: Policy) -> dict[str, list[str]]:
    """Reasons of each stage to refuse a clip, sorted; worked out rule by rule without the code under test."""
    result: dict[str, set[str]] = {"stage1": set(), "stage2": set()}
    for rule in by.rules():
        value = values[rule.signal]
        if value is None:
            reason = rule.missing_reason
        elif rule.direction == "min":
            reason = rule.reason if value < rule.limit else None
        else:
            reason = rule.reason if (abs(value) if rule.direction == "max_abs" else value) > rule.limit else None
        if reason is not None:
            result[rule.stage].add(str(reason))
    return {stage: sorted(names) for stage, names in result.items()}


def clip_row(number: int, rng: np.random.Generator) -> dict[str, Any]:
    values = measured(rng)
    result = refusals(values, OLD)
    reasons = {1: result["stage1"], 2: result["stage2"]}
    if number % 50 == 0:
        reasons[1] = sorted([*reasons[1], "straddles_splits"])
    media = f"{number // CLIPS_OF_A_FILE:064x}"
    row = dict.fromkeys(CLIPS.names) | values
    row |= {"clip_id": f"{number:024x}", "media_id": media, "uri": f"/{media}.mp4", "corpus": "c", "speaker": "s"}
    row |= {"extractor": EXTRACTOR, "backend": BACKEND, "shot": 0, "track": 0, "start_frame": 0, "frames": 1}
    row |= {
        "width": 640,
        "height": 480,
        "missing": [],
        "picture_hash": bytes(40),
        "sound_hash": b"",
        "face_motion": b"",
        "policy": OLD.hash,
    }
    row |= {
        "stage1_reasons": reasons[1],
        "stage2_reasons": reasons[2],
        "stage1": not reasons[1],
        "stage2": not reasons[2],
    }
    return row


def payload(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    stored = {name: row[name] for name in ("clip_id", "media_id", "backend", "frames")}
    stored |= {"landmarks": [[0.0] * (2 * LANDMARK_POINTS)], "tracked": [True], "sound_shift_frames": 0}
    stored |= {"senones": None, "senones_version": None}
    stored |= {"mel": [[0.0] * MEL_BANDS] * MEL_COLUMNS_PER_FRAME, "crop_px": 16, "crop_boxes": [[0.0, 0.0, 1.0]]}
    return {name: (stored | {"crops": [b"jpeg"]})[name] for name in schema.names}


def clip_rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(11)
    return [clip_row(number, rng) for number in range(CLIPS_IN_ALL)]


def fill(rows: list[dict[str, Any]], folder: Path) -> None:
    """Make a workspace of all clips, with payload for those of the first three files."""
    workspace = Workspace.open(str(folder), create=True)
    for part in (rows[::2], rows[1::2]):  # of two commits, so that columns are read in pieces
        tables.append_rows(workspace, "clips", pa.Table.from_pylist(part, schema=CLIPS))
    catalog = []
    for media in sorted({row["media_id"] for row in rows}):
        entry = dict.fromkeys(CATALOG.names) | {"uri": f"/{media}.mp4", "media_id": media, "stamp": "1", "corpus": "c"}
        entry |= {"size_bytes": 77, "offset_s": 0.25, "extractor": EXTRACTOR, "state": "measured", "clips": 100}
        catalog.append(entry | {"media_s": 1.0, "dropped_s": 0.0})
    tables.append_rows(workspace, "catalog", pa.Table.from_pylist(catalog, schema=CATALOG))
    for table, schema in (("stage1", STAGE1), ("stage2", STAGE2)):
        parts = []
        for first in range(0, 3 * CLIPS_OF_A_FILE, CLIPS_OF_A_FILE):
            wanted = [payload(row, schema) for row in rows[first : first + CLIPS_OF_A_FILE] if row[table]]
            part = write_part(
                workspace, table, wanted[0]["media_id"], EXTRACTOR, pa.Table.from_pylist(wanted, schema=schema)
            )
            parts.append(part)
        commit_parts(workspace, table, parts)
    set_policy(workspace, OLD)
