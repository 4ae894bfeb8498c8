"""Content of a release: its origin, its id, which is a hash of what it holds, and its counts."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from heterodub.schemas.contract import FPS
from heterodub.schemas.licences import UNSTATED
from heterodub.schemas.reasons import Stage
from heterodub.schemas.rights import RIGHTS
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.tasks.identity.units import with_people
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.delta import DataFile
from heterodub.tasks.stores.labels import read_labels
from heterodub.tasks.stores.workspace import Workspace

COUNTED: Final = ["speaker", "person", "licence", "frames", "stage1", "stage2", "split", "clip_id"]
"""Columns of clips that are counted in a release."""

_NAMED: Final = ["clip_id", "speaker", "stage1", "stage2", "split"]
_ROWS: Final = 1 << 16
"""Rows that are formatted at once."""
_SIGNALS: Final = 8
"""Signals that are read at once: of a million clips 64 MB, where all of them are 300."""
_PLAIN: Final = r"^[ !#-\[\]-~]*$"
"""Texts that stand in JSON as they are."""


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


def identity(ws: Workspace, files: Mapping[str, Sequence[DataFile]], origin: ReleaseProvenance) -> str:
    """Hash a release of these files; changes with each clip, its speaker, person, rights, flags, split, labels and
    measured values; not when rows only move. Payload is not read: none changes without a measured value, for both come
    from one look at the file. A few columns are in memory at a time.

    Raises: NotFoundError - a file is gone. WorkspaceError - a table cannot be read.
    """
    digest = hashlib.sha256()
    origin_parts = (origin.policy, origin.settings, origin.extractor, origin.backend)
    digest.update(json.dumps(origin_parts).encode())
    named = tables.read(ws, "clips", _NAMED, files["clips"])
    order = pc.sort_indices(named["clip_id"])
    _add_json(digest, named.take(order))
    del named
    stated = tables.read(ws, "clips", [*RIGHTS, "person"], files["clips"])
    for name in stated.column_names:
        if stated[name].null_count < stated.num_rows:  # releases from before the columns keep their ids
            digest.update(name.encode())
            _add_json(digest, stated.select([name]).take(order))
    del stated
    for values in _signal_values(ws, files["clips"]):
        digest.update(values[order.to_numpy()].tobytes())
    for stage in Stage:
        digest.update(json.dumps((stage.value, sum(file.rows for file in files[stage.value]))).encode())
    for label in read_labels(ws, files["labels"]).values():
        digest.update(json.dumps((label.clip_id, label.stage, label.keep, label.reason, label.by)).encode())
    return "r" + digest.hexdigest()[:12]


def _signal_values(ws: Workspace, files: Sequence[DataFile]) -> Iterator[NDArray[np.float64]]:
    """Yield the values of each signal, (clips,), in the order of the files, not a number where none was measured."""
    for first in range(0, len(SIGNAL_NAMES), _SIGNALS):
        rows = tables.read(ws, "clips", [*SIGNAL_NAMES[first : first + _SIGNALS]], files)
        for name in rows.column_names:
            column = rows[name]
            if not (name in _LATER_SIGNALS and column.null_count == len(column)):
                yield column.cast(pa.float64()).fill_null(math.nan).to_numpy().astype("<f8", copy=False)


def _add_json(digest: "hashlib._Hash", rows: pa.Table) -> None:
    """Add each row as a list in JSON."""
    for start in range(0, rows.num_rows, _ROWS):
        cells = [_cells(column) for column in rows.slice(start, _ROWS).columns]
        lists = pc.binary_join_element_wise("[", pc.binary_join_element_wise(*cells, ", "), "]", "")
        digest.update("".join(lists.to_pylist()).encode())


def _cells(column: pa.ChunkedArray) -> pa.Array:
    """Return values as JSON. Those that come up again are formatted once."""
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary
    if pa.types.is_string(values.type) and pc.all(pc.match_substring_regex(values, _PLAIN)).as_py():
        texts = pc.binary_join_element_wise('"', values, '"', "")
    else:
        texts = pa.array([json.dumps(value) for value in values.to_pylist()], pa.string())
    return pc.fill_null(texts.take(encoded.indices), "null")


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
