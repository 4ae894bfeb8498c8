"""Corrections of people by hand: merges, splits, names. They stand, and are rows of their own.

The table is appended to; to take one back is a row, too. What was found of a clip stays in `person_found`; who it is
after all corrections, in `person`, follows from that and from the rows in their order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.errors import WorkspaceError
from heterodub.schemas.tables import PERSON_CORRECTIONS
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.workspace import Workspace

TABLE: Final = "person_corrections"
COLUMNS: Final = tuple(PERSON_CORRECTIONS.names)

Kind = Literal["merge", "split", "name", "undo"]


@dataclass(frozen=True, slots=True)
class NewCorrection:
    """A row to be stored; see schemas/tables.py for what each entry means."""

    kind: Kind
    person: str
    value: str | None
    reason: str
    by: str
    clip_id: str | None = None
    media_id: str | None = None


@dataclass(frozen=True, slots=True)
class Corrections:
    """Result of the standing corrections. merged: the person that each merged one is part of, however often it was
    merged on; moved: the person of each clip that was split off, before merges; names: by person.
    """

    merged: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def person(self, found: str) -> str:
        """Return who a person is after merges."""
        return self.merged.get(found, found)

    def apply(self, clip_ids: pa.Array, found: pa.Array) -> pa.Array:
        """Return the person of each clip; null where none was found and none is stated by a split."""
        at = pc.index_in(clip_ids, pa.array(list(self.moved), pa.string()))
        moved = pa.array(list(self.moved.values()), pa.string()).take(at)
        person = pc.coalesce(moved, found)
        into = pc.index_in(person, pa.array(list(self.merged), pa.string()))
        return pc.coalesce(pa.array(list(self.merged.values()), pa.string()).take(into), person)

    def people(self) -> frozenset[str]:
        """Return all people that a merge or a split is about."""
        return frozenset({*self.merged, *self.merged.values(), *map(self.person, self.moved.values())})


def correction_rows(ws: Workspace, version: tables.TableVersion | None = None) -> list[dict[str, Any]]:
    """Return all rows, oldest first. version: its number, or files of a release; else the newest.

    Raises: WorkspaceError - the table cannot be read.
    """
    read = tables.read_any(ws, TABLE) if version is None else tables.read(ws, TABLE, version=version)
    return sorted(read.to_pylist(), key=lambda row: (row["sequence"], row["clip_id"] or ""))


def read_corrections(ws: Workspace, version: tables.TableVersion | None = None) -> Corrections:
    """Return what the standing corrections come to. Raises: as correction_rows."""
    return corrections_of(correction_rows(ws, version))


def corrections_of(rows: Iterable[Mapping[str, Any]]) -> Corrections:
    """Return what rows come to, in their order; what was taken back counts for nothing."""
    rows = list(rows)
    undone = {row["value"] for row in rows if row["kind"] == "undo"}
    into: dict[str, str] = {}
    moved: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in rows:
        if str(row["sequence"]) in undone:
            continue
        if row["kind"] == "merge":
            _merge(into, row["person"], row["value"])
        elif row["kind"] == "split":
            moved[row["clip_id"]] = row["value"]
        elif row["kind"] == "name":
            names[row["person"]] = row["value"]
    merged = {person: _end(into, person) for person in into}
    named: dict[str, str] = {}
    for person, name in names.items():  # of people that were merged, the last name stands
        if name:
            named[merged.get(person, person)] = name
    return Corrections(merged, moved, named)


def _merge(into: dict[str, str], person: str, other: str) -> None:
    if _end(into, other) != person:  # a merge of one that is merged here already changes nothing
        into[_end(into, person)] = _end(into, other)
        into.pop(_end(into, other), None)


def _end(into: Mapping[str, str], person: str) -> str:
    while person in into:
        person = into[person]
    return person


def store_corrections(ws: Workspace, corrections: Sequence[NewCorrection]) -> int:
    """Store one correction, all rows of it, in one transaction; returns its number.

    Raises: WorkspaceError - the table cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    number = 0

    def make(before: pa.Table) -> pa.Table:
        nonlocal number
        number = max(before["sequence"].to_pylist(), default=0) + 1
        rows = [asdict(one) | {"sequence": number, "created_utc": now} for one in corrections]
        return pa.Table.from_pylist(rows, schema=PERSON_CORRECTIONS)

    tables.append_after(ws, TABLE, make)
    return number


def apply_corrections(ws: Workspace) -> int:
    """Bring `person` of all clips to what the corrections say; returns how many changed. A second call changes none.

    Raises: WorkspaceError - a table cannot be read or written.
    """
    rows = tables.read_any(ws, "clips", ["clip_id", "person", "person_found"]).combine_chunks()
    if not rows.num_rows:
        return 0
    ids = rows["clip_id"].combine_chunks()
    person = read_corrections(ws).apply(ids, rows["person_found"].combine_chunks())
    differs = pc.fill_null(pc.not_equal(pc.fill_null(person, ""), pc.fill_null(rows["person"], "")), False)
    changes = pa.table({"clip_id": ids, "person": person}).filter(differs)
    if changes.num_rows:
        tables.update_columns(ws, "clips", changes)
    return int(changes.num_rows)


def nobody_left(ws: Workspace) -> frozenset[str]:
    """Return people whom a correction, of now or of a release, is about and of whom no clip is left: their names go.

    Raises: WorkspaceError - a table cannot be read.
    """
    there: set[str] = set()
    for line in (ws, *standing_by(ws)):
        rows = tables.read_any(line, "clips", ["person", "person_found"])
        there |= {*pc.unique(rows["person"]).to_pylist(), *pc.unique(rows["person_found"]).to_pylist()}
    named = {row["person"] for row in correction_rows(ws)}
    return frozenset(named - there)


def require_standing(rows: Sequence[Mapping[str, Any]], number: int) -> None:
    """Refuse to take back what does not stand.

    Raises: WorkspaceError - there is no such correction, or it was taken back.
    """
    kinds = {row["sequence"]: row["kind"] for row in rows}
    undone = {row["value"] for row in rows if row["kind"] == "undo"}
    if number not in kinds or kinds[number] == "undo":
        raise WorkspaceError(f"there is no correction {number}; `heterodub speakers list --corrections` lists them")
    if str(number) in undone:
        raise WorkspaceError(f"correction {number} was taken back already")
