"""Labels that people give: one by one, or a table of them, of which every row is checked before any is stored."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError, SourceError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.inspect.lookup import find
from heterodub.tasks.labelling.applied import unusable_for
from heterodub.tasks.sources import tabular
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import ClipLabel, Labels, NewLabel, read_labels, store_labels
from heterodub.tasks.stores.workspace import Workspace

COLUMNS: Final = ("clip", "stage", "verdict", "reason", "by")
"""Columns of a table of labels; `draw` may stand beside them, and others are ignored."""

VERDICTS: Final = {"keep": True, "refuse": False}

_FAULTS_SHOWN: Final = 50
_SHORTEST_ID: Final = 4
_ESCAPED: Final = ("'=", "'+", "'-", "'@")
"""Beginnings of texts that `label list --format csv` and the page keep from being formulas."""


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """Result of storing labels. replaced: of `stored`, those that take the place of another one. unusable: clips that
    people keep for a stage that cannot use them, with the reason.
    """

    stored: int
    unchanged: int
    replaced: int
    unusable: tuple[tuple[str, str, str], ...]


def add_label(ws: Workspace, clip: str, stage: Stage, keep: bool, reason: str, by: str) -> StoredLabels:
    """Store a label of one clip, by its id or the start of it.

    Raises: NotFoundError - no clip, or several, of that id. SourceError - reason or name is empty.
    """
    match = find(ws, clip)
    if match.clip_id is None:
        raise NotFoundError(f"{visible(clip)!r} is a file; a label takes a clip, see `heterodub list --clips`")
    if not reason.strip() or not by.strip():
        raise SourceError("a label needs a reason and the name of a person")
    media = _media_of(ws)[match.clip_id]
    return _store(ws, [NewLabel(match.clip_id, media, stage, keep, reason.strip(), by.strip())])


def remove_labels(ws: Workspace, clip: str, stage: Stage | None, reason: str, by: str) -> list[ClipLabel]:
    """Remove the standing labels of a clip: of one stage, or of both. Returns them.

    Raises: NotFoundError - no clip, or several, of that id have such a label.
    """
    labels = [label for label in read_labels(ws).values() if label.clip_id.startswith(clip)]
    if len(clips := {label.clip_id for label in labels}) > 1:
        raise NotFoundError(f"{visible(clip)!r} is the start of {len(clips)} labelled clips; give more of the id")
    labels = [label for label in labels if stage in (None, label.stage)]
    if not labels or len(clip) < _SHORTEST_ID:
        of_stage = f" for {stage}" if stage else ""
        raise NotFoundError(f"no clip {visible(clip)!r} has a label{of_stage}; `heterodub label list` shows all")
    store_labels(ws, [NewLabel(label.clip_id, label.media_id, label.stage, None, reason, by) for label in labels])
    return labels


def import_labels(ws: Workspace, path: Path) -> StoredLabels:
    """Store the labels of a table (CSV or Parquet) with COLUMNS, all in one transaction, or none.

    Rows that say what stands already are left out, also of clips that are not stored any more.

    Raises: SourceError - it cannot be read, lacks a column, or a row is wrong; the text names every such row.
    """
    try:
        columns, rows = tabular.read_table(path, "clip")
        if missing := [name for name in COLUMNS if name not in columns]:
            raise ValueError(f"it lacks {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
        reader = _Reader(_media_of(ws), _clips_by_draw(ws), read_labels(ws))
        labels = [label for row in rows if (label := reader.read(row))]
    except tabular.ERRORS as error:
        raise SourceError(f"labels {path}: {error}") from error
    if reader.faults:
        more = [f"and {len(reader.faults) - _FAULTS_SHOWN} more"] if len(reader.faults) > _FAULTS_SHOWN else []
        lines = "\n  ".join([*reader.faults[:_FAULTS_SHOWN], *more])
        raise SourceError(f"labels {path}: nothing is stored, since rows are wrong:\n  {lines}")
    return _store(ws, labels)


class _Reader:
    """Reader of rows; faults gather the rows that are wrong, in words."""

    def __init__(self, media: Mapping[str, str], draws: Mapping[str, Collection[str]], standing: Labels) -> None:
        self._media, self._draws = media, draws
        self._standing = {(clip, stage.value): label for (clip, stage), label in standing.items()}
        self._first: dict[tuple[str, Stage], int] = {}
        self.faults: list[str] = []

    def read(self, row: tabular.SheetRow) -> NewLabel | None:
        cells = {name: _unescaped(text) for name, text in row.cells.items()}
        label = self._repeated(cells) or self._checked(cells, row)
        if label is None:
            return None
        if first := self._first.get((label.clip_id, label.stage)):
            fault = f"clip {label.clip_id} has a label for {label.stage} in row {first} already"
            self.faults.append(f"row {row.number}: {fault}")
            return None
        self._first[label.clip_id, label.stage] = row.number
        return label

    def _repeated(self, cells: Mapping[str, str]) -> NewLabel | None:
        """Return the label of a row that says what stands: as listed, so its clip need not be stored any more."""
        label = self._standing.get((cells.get("clip", ""), cells.get("stage", "")))
        if label is None:
            return None
        stated = VERDICTS.get(cells.get("verdict", "").lower()), cells.get("reason"), cells.get("by"), cells.get("draw")
        if stated != (label.keep, label.reason, label.by, label.draw):
            return None
        return NewLabel(label.clip_id, label.media_id, label.stage, label.keep, label.reason, label.by, label.draw)

    def _checked(self, cells: Mapping[str, str], row: tabular.SheetRow) -> NewLabel | None:
        clip = self._clip(cells.get("clip", ""))
        if faults := [*self._faults(cells, row, clip)]:
            self.faults.append(f"row {row.number}: {'; '.join(faults)}")
            return None
        stage, keep = Stage(cells["stage"]), VERDICTS[cells["verdict"].lower()]
        return NewLabel(clip, self._media[clip], stage, keep, cells["reason"], cells["by"], cells.get("draw"))

    def _faults(self, cells: Mapping[str, str], row: tabular.SheetRow, clip: str) -> Iterator[str]:
        yield from (f"{name}: {fault}" for name, fault in row.odd.items() if name in (*COLUMNS, "draw"))
        yield from (f"{name} is empty" for name in COLUMNS if name not in cells and name not in row.odd)
        if cells.get("clip") and not clip:
            yield f"clip {visible(cells['clip'])!r} is not stored, or the start of several ids"
        if cells.get("stage", "stage1") not in set(Stage):
            yield f"stage {visible(cells['stage'])!r} is neither stage1 nor stage2"
        if cells.get("verdict", "keep").lower() not in VERDICTS:
            yield f"verdict {visible(cells['verdict'])!r} is neither keep nor refuse"
        if (draw := cells.get("draw")) and clip not in self._draws.get(draw, ()):
            yield f"draw {visible(draw)!r} holds no such clip"

    def _clip(self, name: str) -> str:
        """Return the whole id of a clip; empty where it is not one."""
        if name in self._media:
            return name
        fitting = [clip for clip in self._media if clip.startswith(name)] if len(name) >= _SHORTEST_ID else []
        return fitting[0] if len(fitting) == 1 else ""


def _unescaped(text: str) -> str:
    return text[1:] if text.startswith(_ESCAPED) else text


def _store(ws: Workspace, labels: Sequence[NewLabel]) -> StoredLabels:
    standing = read_labels(ws)
    new = [label for label in labels if not _says(standing.get((label.clip_id, label.stage)), label)]
    store_labels(ws, new)
    replaced = sum((label.clip_id, label.stage) in standing for label in new)
    return StoredLabels(len(new), len(labels) - len(new), replaced, tuple(_unusable(ws, new)))


def _says(label: ClipLabel | None, new: NewLabel) -> bool:
    if label is None:
        return False
    return (label.keep, label.reason, label.by, label.draw) == (new.keep, new.reason, new.by, new.draw)


def _unusable(ws: Workspace, labels: Collection[NewLabel]) -> Iterator[tuple[str, str, str]]:
    kept = {label.clip_id for label in labels if label.keep}
    if not kept:
        return
    columns = ["clip_id", "stage1_reasons", "stage2_reasons"]
    rows: dict[str, dict[str, Any]] = {
        row["clip_id"]: row for row in tables.read_any(ws, "clips", columns).to_pylist() if row["clip_id"] in kept
    }
    for label in labels:
        if label.keep and (reasons := unusable_for(rows[label.clip_id], label.stage)):
            yield label.clip_id, label.stage.value, reasons[0]


def _media_of(ws: Workspace) -> dict[str, str]:
    rows = tables.read_any(ws, "clips", ["clip_id", "media_id"]).to_pylist()
    return {row["clip_id"]: row["media_id"] for row in rows}


def _clips_by_draw(ws: Workspace) -> dict[str, set[str]]:
    draws: dict[str, set[str]] = {}
    for row in tables.read_any(ws, "draws", ["draw", "clip_id"]).to_pylist():
        draws.setdefault(row["draw"], set()).add(row["clip_id"])
    return draws
