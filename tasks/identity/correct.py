"""Corrections of people by hand, checked and applied: merge, split, name, undo."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import base_name, visible
from heterodub.schemas.errors import NotFoundError, WorkspaceError
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .corrections import NewCorrection, apply_corrections, correction_rows, require_standing, store_corrections
from .listing import find_person
from .units import straddlers_of


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that was stored. changed: clips that are of another person now. straddles: the person is in several
    splits by it, which stay: its clips of a benchmark are left out of scores.
    """

    correction: int
    person: str
    changed: int
    straddles: bool


def merge(ws: Workspace, person: str, other: str, reason: str, by: str) -> Corrected:
    """Make a person part of another one.

    Raises: NotFoundError - one of them is nobody. WorkspaceError - they are one, or a table cannot be written.
    """
    one, into = find_person(ws, person), find_person(ws, other)
    if one == into:
        raise WorkspaceError(f"{visible(person)} and {visible(other)} are one person already: {one}")
    return _stored(ws, [NewCorrection("merge", one, into, reason, by)], into)


def split(ws: Workspace, person: str, names: Sequence[str], reason: str, by: str) -> Corrected:
    """Make a person of its own of some clips of one. names: starts of clip ids, ends of paths of files.

    Raises: NotFoundError - nobody is called so, or the person has no such clip. WorkspaceError - nothing of the person
    would be left, or a table cannot be written.
    """
    one = find_person(ws, person)
    clips = tables.read_any(ws, "clips", ["clip_id", "media_id", "uri"], pc.field("person") == one).to_pylist()
    chosen: dict[str, str] = {}
    for name in names:
        meant = [clip for clip in clips if clip["clip_id"].startswith(name) or _is_file(clip["uri"], name)]
        if not meant:
            raise NotFoundError(f"{one} has no clip or file {visible(name)!r}; `heterodub speakers show {one}` has all")
        chosen |= {clip["clip_id"]: clip["media_id"] for clip in meant}
    if len(chosen) == len(clips):
        raise WorkspaceError(f"these are all clips of {one}: nothing would be left to split them from")
    salt = f"{len(correction_rows(ws))} {min(chosen)}"  # the same clips may be split off again, after an undo
    new = "p" + hashlib.sha256(salt.encode()).hexdigest()[:11]
    rows = [NewCorrection("split", one, new, reason, by, clip, media) for clip, media in sorted(chosen.items())]
    return _stored(ws, rows, new)


def name_person(ws: Workspace, person: str, name: str | None, reason: str, by: str) -> Corrected:
    """Give a person a name, or take it back with None.

    Raises: NotFoundError - nobody is called so. WorkspaceError - the name is empty, or the table cannot be written.
    """
    if name is not None and not name.strip():
        raise WorkspaceError("the name is empty: leave it out to take a name back")
    one = find_person(ws, person)
    return _stored(ws, [NewCorrection("name", one, name.strip() if name else None, reason, by)], one)


def undo(ws: Workspace, number: int, reason: str, by: str) -> Corrected:
    """Take a correction back. What later ones were based on it stay, as far as they still mean something.

    Raises: WorkspaceError - there is no such correction, it was taken back, or a table cannot be written.
    """
    rows = correction_rows(ws)
    require_standing(rows, number)
    person = next(str(row["person"]) for row in rows if row["sequence"] == number)
    return _stored(ws, [NewCorrection("undo", person, str(number), reason, by)], person)


def _stored(ws: Workspace, rows: Sequence[NewCorrection], person: str) -> Corrected:
    number = store_corrections(ws, rows)
    changed = apply_corrections(ws)
    splits = tables.read_any(ws, "clips", ["person", "split"], pc.field("person").isin(pa.array([person])))
    return Corrected(number, person, changed, bool(straddlers_of(splits)))


def _is_file(uri: str, name: str) -> bool:
    return uri == name or base_name(uri) == name or uri.endswith(f"/{name}")
