"""Check of people: those who are in several splits, clips whose person is doubtful, corrections of nobody."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.display import counted
from heterodub.tasks.identity.corrections import Corrections, read_corrections
from heterodub.tasks.identity.doubts import with_standing_doubts
from heterodub.tasks.identity.units import straddlers_of
from heterodub.tasks.inspect.findings import Finding, good, warning
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

_EXAMPLES: Final = 8


def check_people(ws: Workspace) -> Iterator[Finding]:
    """Check that nobody is in several splits, that nothing is doubtful, and that corrections are applied.

    Raises: WorkspaceError - a table cannot be read.
    """
    read = ["clip_id", "person", "person_found", "person_doubt", "split"]
    corrections = read_corrections(ws)
    clips = with_standing_doubts(tables.read_any(ws, "clips", read).combine_chunks(), corrections)
    findings = [*_straddlers(clips, corrections.names), *_doubts(clips), *_waiting(clips, corrections)]
    if findings:
        yield from findings
    else:
        people = len(pc.unique(clips["person"].drop_null()))
        yield good("workspace", "people", f"{people} found, each in one split" if people else "none found yet")


def _straddlers(clips: pa.Table, names: Mapping[str, str]) -> Iterator[Finding]:
    people = straddlers_of(clips)
    if not people:
        return
    texts = [f"{names.get(one.person, one.person)} ({', '.join(one.splits)})" for one in people]
    yield warning(
        "workspace",
        "people in several splits",
        f"{len(people)}: {_some(texts)}; their clips of a benchmark are left out of scores",
        "look at them (`heterodub speakers show PERSON`): split what is somebody else's; what is one person stays so",
    )


def _doubts(clips: pa.Table) -> Iterator[Finding]:
    rows = clips.filter(pc.is_valid(clips["person_doubt"]))
    if not rows.num_rows:
        return
    people = sorted(pc.unique(rows["person"].drop_null()).to_pylist())
    yield warning(
        "workspace",
        "doubtful people",
        f"{counted(rows.num_rows, 'clip')} of {_some(people)}",
        "look at them: `heterodub speakers list --doubts`, `speakers show PERSON`; then merge, split or leave them",
    )


def _waiting(clips: pa.Table, corrections: Corrections) -> Iterator[Finding]:
    person = corrections.apply(clips["clip_id"].combine_chunks(), clips["person_found"].combine_chunks())
    differs = pc.not_equal(pc.fill_null(person, ""), pc.fill_null(clips["person"].combine_chunks(), ""))
    if waiting := pc.sum(differs).as_py():
        detail = f"not applied to {counted(waiting, 'clip')} yet"
        yield warning("workspace", "corrections of people", detail, "run `heterodub route`")


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:_EXAMPLES]) + (", ..." if len(texts) > _EXAMPLES else "")
