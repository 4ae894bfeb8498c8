"""Footage that was taken down and must not come back. Holds hashes and, where it was asked for, what copies are
recognised by (tasks/releases/barred.py), so that a tombstone does not keep what it bars.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, cast, get_args
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.ledger_tables import TOMBSTONES
from heterodub.schemas.licences import spellings

from . import tables
from .workspace import Workspace

Kind = Literal["speaker", "corpus", "licence", "file"]

Print = tuple[Literal["motion", "sound"], str]
"""A kind of tombstone of a recording (tasks/releases/barred.py), and its mark: the bytes in base64."""

PRINTS: Final = ("motion", "sound")

BEGUN: Final = "begun"
DONE: Final = "done"
"""Kinds of rows that say how far the work on a takedown has come; their mark is the attempt."""

_MODELS: Final = "+models"

MEDIA: Final = "media"
"""Kind of the tombstones that bar a content, whatever it is called and whatever speaker is stated."""


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Everything that is barred. marks: (kind, hash of the value)."""

    marks: frozenset[tuple[str, str]]

    def bars(self, speaker: str | None, corpus: str | None, licence: str | None) -> bool:
        """Return True if a file must not be read, by its labels."""
        labels: tuple[tuple[Kind, str | None], ...] = (("speaker", speaker), ("corpus", corpus), ("licence", licence))
        return any(
            (kind, one) in self.marks for kind, value in labels if value is not None for one in marks_of(kind, value)
        )

    @property
    def media(self) -> frozenset[str]:
        """Contents that must not be analysed, by sha256."""
        return frozenset(value for kind, value in self.marks if kind == MEDIA)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A takedown whose work is not done. mark: hash of what was named, which nobody knows any more. work: attempts."""

    takedown: str
    kind: Kind
    mark: str
    media: frozenset[str]
    work: frozenset[str]

    @property
    def with_models(self) -> bool:
        """True if models were to be deleted as well."""
        return any(work.endswith(_MODELS) for work in self.work)


def standing(ws: Workspace) -> Tombstones:
    """All tombstones of a workspace but those of recordings, which are large."""
    rows = tables.read_any(ws, "tombstones", ["kind", "mark"], ~pc.field("kind").isin(PRINTS)).to_pylist()
    return Tombstones(frozenset((row["kind"], row["mark"]) for row in rows))


def media_of(ws: Workspace, kind: Kind, value: str) -> frozenset[str]:
    """Return the contents that earlier takedowns of this very thing have barred."""
    rows = tables.read_any(ws, "tombstones").to_pylist()
    meant = marks_of(kind, value)
    takedowns = {row["takedown"] for row in rows if row["kind"] == kind and row["mark"] in meant}
    return frozenset(row["mark"] for row in rows if row["kind"] == MEDIA and row["takedown"] in takedowns)


def barring(ws: Workspace, media: str) -> tuple[str, str] | None:
    """Return the takedown that bars a content, and when it did. media: its sha256, or the start of it."""
    rows = tables.read_any(ws, "tombstones", ["takedown", "mark", "created_utc"], pc.field("kind") == MEDIA).to_pylist()
    return next(((row["takedown"], row["created_utc"]) for row in rows if row["mark"].startswith(media)), None)


def bar(
    ws: Workspace,
    kind: Kind,
    value: str,
    media: Iterable[str],
    reason: str,
    prints: Iterable[Print] = (),
    begun: str | None = None,
) -> str:
    """Put up tombstones for a thing, its contents and its recordings; returns the takedown's id. A second call adds
    what is new. begun: of the work that follows, which `finish` ends; see `attempt`.
    """
    takedown = takedown_id(kind, value)
    work = [(BEGUN, begun)] if begun else []
    _put_up(
        ws, takedown, [*work, (kind, mark(value)), *((MEDIA, media_id) for media_id in sorted(media)), *prints], reason
    )
    return takedown


def takedown_id(kind: Kind, value: str) -> str:
    """The same for the same thing, and says nothing of it."""
    return hashlib.sha256(f"{kind} {mark(value)}".encode()).hexdigest()[:12]


def attempt(with_models: bool) -> str:
    """A name for the work of one takedown, which says how far it goes."""
    return uuid4().hex[:12] + (_MODELS if with_models else "")


def unfinished(ws: Workspace) -> list[Unfinished]:
    """Takedowns that were begun, and of which the work was not ended: their process died, or an error ended it.

    Raises: WorkspaceError - the table cannot be read.
    """
    rows = tables.read_any(ws, "tombstones", ["takedown", "kind", "mark"], ~pc.field("kind").isin(PRINTS)).to_pylist()
    by_takedown: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        by_takedown.setdefault(row["takedown"], []).append((row["kind"], row["mark"]))
    takedowns = []
    for takedown, rows in by_takedown.items():
        kind, value = next((row for row in rows if row[0] in get_args(Kind)), ("", ""))
        work = {mark for what, mark in rows if what == BEGUN} - {mark for what, mark in rows if what == DONE}
        if kind and work:
            media = frozenset(mark for what, mark in rows if what == MEDIA)
            takedowns.append(Unfinished(takedown, cast(Kind, kind), value, media, frozenset(work)))
    return takedowns


def finish(ws: Workspace, takedown: str, with_models: bool) -> None:
    """Note that a takedown's work is done: all of it that was begun, but what has to do with models only if so."""
    for pending in unfinished(ws):
        if pending.takedown == takedown:
            done = [(DONE, work) for work in pending.work if with_models or not work.endswith(_MODELS)]
            _put_up(ws, takedown, done, "")


def bar_copy(ws: Workspace, takedown: str, media: str) -> None:
    """Put up a tombstone for the content of a copy, which a takedown did not know of."""
    _put_up(ws, takedown, [(MEDIA, media)], "a copy of it")


def _put_up(ws: Workspace, takedown: str, marks: Iterable[tuple[str, str]], reason: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    marks = list(dict.fromkeys(marks))

    def make(before: pa.Table) -> pa.Table:
        existing = {(row["kind"], row["mark"], row["takedown"]) for row in before.to_pylist()}
        rows = [
            {"takedown": takedown, "kind": its_kind, "mark": its_mark, "created_utc": now, "reason": reason}
            for its_kind, its_mark in marks
            if (its_kind, its_mark, takedown) not in existing
        ]
        return pa.Table.from_pylist(rows, schema=TOMBSTONES)

    tables.append_after(ws, "tombstones", make)


def marks_of(kind: Kind, value: str) -> frozenset[str]:
    """Return the marks by which a thing may be barred: of a licence those of its spellings."""
    return frozenset(map(mark, spellings(value) if kind == "licence" else (value,)))


def mark(value: str) -> str:
    """Return the sha256 of a value in hex, which a tombstone keeps of it."""
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
