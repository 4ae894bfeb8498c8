"""Labels of people on clips: keep or refuse for a stage, against whatever the policy decides.

The table is appended to: of a clip and stage the newest row stands, and a removal is a row, too. Clips are labelled by
their ids, so labels survive every policy and a new measurement by the same extractor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.reasons import Stage
from heterodub.schemas.tables import LABELS

from . import tables
from .workspace import Workspace

VerdictsByClip = Mapping[str, Mapping[Stage, bool]]
"""By clip id, then stage: True keeps the clip, False refuses it."""


@dataclass(frozen=True, slots=True)
class NewLabel:
    """A label to be stored. keep: None removes the standing one. draw: that asked for it, blind; None: nobody asked."""

    clip_id: str
    media_id: str
    stage: Stage
    keep: bool | None
    reason: str
    by: str
    draw: str | None = None


@dataclass(frozen=True, slots=True)
class ClipLabel:
    """A standing label; see schemas/tables.py for what each entry means."""

    sequence: int
    clip_id: str
    media_id: str
    stage: Stage
    keep: bool
    reason: str
    by: str
    created_utc: str
    draw: str | None

    @property
    def text(self) -> str:
        """The label in words: "kept by Ann: sharp enough"."""
        return f"{'kept' if self.keep else 'refused'} by {self.by}: {self.reason}"


Labels = Mapping[tuple[str, Stage], ClipLabel]
"""Standing labels by clip id and stage."""


def label_rows(ws: Workspace, version: tables.TableVersion | None = None) -> list[dict[str, Any]]:
    """Return all rows of the table, oldest first. version: its number, or files of a release; else the newest.

    Raises: WorkspaceError - the table cannot be read, or holds what is no label. NotFoundError - there is no such
    version.
    """
    read = tables.read_any(ws, "labels") if version is None else tables.read(ws, "labels", version=version)
    rows = read.to_pylist()
    if odd := [row["stage"] for row in rows if row["stage"] not in set(Stage)]:
        raise WorkspaceError(f"the table labels of {ws.root} has a stage {odd[0]!r}: damaged, or written by others")
    return sorted(rows, key=lambda row: int(row["sequence"]))


def read_labels(ws: Workspace, version: tables.TableVersion | None = None) -> dict[tuple[str, Stage], ClipLabel]:
    """Return the standing labels. version: its number, or files of a release; else the newest.

    Raises: WorkspaceError - the table cannot be read. NotFoundError - there is no such version.
    """
    newest = {(row["clip_id"], Stage(row["stage"])): row for row in label_rows(ws, version)}
    return {key: ClipLabel(**row | {"stage": key[1]}) for key, row in sorted(newest.items()) if row["keep"] is not None}


def verdicts_by_clip(labels: Labels) -> dict[str, dict[Stage, bool]]:
    """Return what the labels say of each clip."""
    verdicts: dict[str, dict[Stage, bool]] = {}
    for (clip, stage), label in labels.items():
        verdicts.setdefault(clip, {})[stage] = label.keep
    return verdicts


def labels_by_media(labels: Labels) -> dict[str, VerdictsByClip]:
    """Return what the labels say, by media and clip."""
    media = {label.clip_id: label.media_id for label in labels.values()}
    by_media: dict[str, dict[str, dict[Stage, bool]]] = {}
    for clip, verdicts in verdicts_by_clip(labels).items():
        by_media.setdefault(media[clip], {})[clip] = verdicts
    return dict(by_media)


def store_labels(ws: Workspace, labels: Sequence[NewLabel]) -> int:
    """Store labels in one transaction; returns the version of the table.

    Raises: WorkspaceError - the table cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")

    def make(before: pa.Table) -> pa.Table:
        first = max(before["sequence"].to_pylist(), default=0) + 1
        rows = [
            asdict(label) | {"stage": label.stage.value, "sequence": number, "created_utc": now}
            for number, label in enumerate(labels, first)
        ]
        return pa.Table.from_pylist(rows, schema=LABELS)

    return tables.append_after(ws, "labels", make) if labels else tables.version(ws, "labels")


def texts_of(labels: Iterable[ClipLabel]) -> dict[str, dict[str, str]]:
    """Return labels in words, by clip and stage."""
    texts: dict[str, dict[str, str]] = {}
    for label in labels:
        texts.setdefault(label.clip_id, {})[label.stage.value] = label.text
    return texts
