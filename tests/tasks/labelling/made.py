"""A workspace with clips of known verdicts, without payload."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage

KINDS: Mapping[str, Mapping[str, float | None]] = {
    "good": {"av_sync_score": 5.0},
    "noisy": {"av_sync_score": 5.0, "snr_db": 3.0},
    "dark": {"av_sync_score": 5.0, "brightness": 0.05},
    "bright": {"av_sync_score": 5.0, "brightness": 0.95},
    "silent": footage.SILENT,
}
"""Under footage.POLICY: both stages; stage 2 alone; stage 1 alone, twice; stage 2 alone, and no sound."""


def make(folder: Path, counts: Mapping[str, int]) -> Workspace:
    """Clips of these kinds, each of a file and a speaker of its own."""
    ws = Workspace.open(str(folder / "ws"), create=True)
    set_policy(ws, footage.POLICY)
    rows, files = [], []
    for kind, count in counts.items():
        for number in range(count):
            clip = footage.Clip(f"/footage/{kind}{number}.mp4", dict(KINDS[kind]))
            rows.append(footage.clip_row(clip) | {"speaker": f"{kind}{number}"})
            files.append(footage.catalog_row(clip.uri, clips=1))
    tables.append_rows(ws, "clips", pa.Table.from_pylist(rows, schema=CLIPS))
    tables.append_rows(ws, "catalog", pa.Table.from_pylist(files, schema=CATALOG))
    return ws


def settings(ws: Workspace) -> Settings:
    return Settings(workspace=ws.root)


def clip_id(kind: str, number: int = 0) -> str:
    return footage.clip_id(footage.Clip(f"/footage/{kind}{number}.mp4", {}))


def media_id(kind: str, number: int = 0) -> str:
    return footage.media_id(f"/footage/{kind}{number}.mp4")


def stored(ws: Workspace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tables.read(ws, "clips").to_pylist()
    return rows


def answer(ws: Workspace, row: Mapping[str, Any], stages: Mapping[Stage, bool | str], draw: str | None = None) -> None:
    """Label a clip: True keeps it, a text refuses it for that reason."""
    store_labels(
        ws,
        [
            NewLabel(
                row["clip_id"], row["media_id"], stage, said is True, "fit" if said is True else str(said), "Ann", draw
            )
            for stage, said in stages.items()
        ],
    )
