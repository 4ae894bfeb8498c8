"""Content of a release: its origin, its id, which is a hash of what it holds, and its counts."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.contract import FPS
from heterodub.schemas.licences import UNSTATED
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.identity.units import with_people
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace

CLIP_COLUMNS: Final = [
    "clip_id", "media_id", "speaker", "person", *RIGHTS, "frames", "stage1", "stage2", "split", *SIGNAL_NAMES,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReleaseProvenance:
    """Backend, extractor, policy, settings and code that made a release."""

    backend: str
    extractor: str
    policy: str
    settings: str
    code: str


_LATER_SIGNALS: Final = ("undecided_share", "speaking_margin")
"""Signals that came with layout 8: releases from before them keep their ids."""


def identity(ws: Workspace, files: Mapping[str, Sequence[DataFile]], origin: ReleaseProvenance, clips: pa.Table) -> str:
    """Hash a release; changes with each clip, its speaker, person, rights, flags, split, labels and measured values;
    not when rows only move. Payload is not read: none changes without a measured value, for both come from one look at
    the file.
    """
    digest = hashlib.sha256()
    origin_parts = (origin.policy, origin.settings, origin.extractor, origin.backend)
    digest.update(json.dumps(origin_parts).encode())
    rows = clips.sort_by("clip_id")
    digest.update("".join(_as_json(rows.select(["clip_id", "speaker", "stage1", "stage2", "split"]))).encode())
    for name in (*RIGHTS, "person"):
        if rows[name].null_count < rows.num_rows:  # releases from before the columns keep their ids
            digest.update(f"{name}{''.join(_as_json(rows.select([name])))}".encode())
    for name in SIGNAL_NAMES:
        if name in _LATER_SIGNALS and rows[name].null_count == rows.num_rows:
            continue
        digest.update(rows[name].cast(pa.float64()).fill_null(math.nan).to_numpy().astype("<f8").tobytes())
    for stage in Stage:
        digest.update(json.dumps((stage.value, sum(file.rows for file in files[stage.value]))).encode())
    for label in read_labels(ws, files["labels"]).values():
        digest.update(json.dumps((label.clip_id, label.stage, label.keep, label.reason, label.by)).encode())
    return "r" + digest.hexdigest()[:12]


def _as_json(rows: pa.Table) -> list[str]:
    """Return each row as a list in JSON. Values that come up again are formatted once."""
    cells = []
    for column in rows.columns:
        values = column.combine_chunks().dictionary_encode()
        texts = pa.array([json.dumps(value) for value in values.dictionary.to_pylist()], pa.string())
        cells.append(pc.fill_null(texts.take(values.indices), "null"))
    joined = pc.binary_join_element_wise(*cells, ", ")
    return list(pc.binary_join_element_wise("[", joined, "]", "").to_pylist())


def counts_of(clips: pa.Table) -> dict[str, Any]:
    """Count clips, speakers (people where known) and seconds by stage and split, as {stage: {split: {...}}}."""
    counts: dict[str, Any] = {}
    clips = with_people(clips)
    for stage in Stage:
        rows = clips.filter(pc.and_(clips[stage.value], pc.is_valid(clips["split"])))
        groups = rows.group_by("split").aggregate(
            [("clip_id", "count"), ("speaker", "count_distinct"), ("frames", "sum")]
        )
        counts[stage.value] = {
            row["split"]: {
                "clips": row["clip_id_count"],
                "speakers": row["speaker_count_distinct"],
                "seconds": round(row["frames_sum"] / FPS, 2),
            }
            for row in groups.sort_by("split").to_pylist()
        }
    return counts


def licences_of(clips: pa.Table) -> tuple[str, ...]:
    """Return the licences of the clips that a stage admits, sorted; UNSTATED where some state none."""
    admitted = clips.filter(pc.or_(clips["stage1"], clips["stage2"]))
    return tuple(sorted(pc.unique(admitted["licence"].fill_null(UNSTATED)).to_pylist()))
