"""People of a workspace as plain rows, and the one that a typed name means."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.contract import FPS
from heterodub.schemas.display import visible
from heterodub.schemas.errors import NotFoundError
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .corrections import Corrections, read_corrections
from .doubts import with_standing_doubts
from .units import FILE_SPEAKER, straddlers_of

COLUMNS: Final = (
    "person", "name", "stated", "clips", "files", "corpora", "minutes", "splits", "doubtful", "straddles",
)  # fmt: skip
DOUBT_COLUMNS: Final = ("clip", "person", "name", "cause", "doubt", "uri", "start_s")
_READ: Final = ["clip_id", "person", "media_id", "corpus", "speaker", "frames", "split", "person_doubt"]
_LEAST_LETTERS: Final = 3
"""Letters of an id from which on its start names a person."""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person. name: given by a correction; stated: speakers of its files, with corpora. straddles: its clips are in
    several splits, so those of a benchmark are left out of scores.
    """

    person: str
    name: str | None
    stated: tuple[str, ...]
    clips: int
    files: int
    corpora: tuple[str, ...]
    minutes: float
    splits: tuple[str, ...]
    doubtful: int
    straddles: bool


def list_people(ws: Workspace) -> list[dict[str, Any]]:
    """List people as rows of COLUMNS, those who are seen longest first.

    Raises: WorkspaceError - a table cannot be read.
    """
    return [asdict(one) for one in people_of(ws)]


def people_of(ws: Workspace, person: str | None = None) -> list[PersonRow]:
    """Return people, those who are seen longest first. person: that one only.

    Raises: WorkspaceError - a table cannot be read.
    """
    chosen = pc.field("person").is_valid() if person is None else pc.field("person") == person
    corrections = read_corrections(ws)
    clips = with_standing_doubts(tables.read_any(ws, "clips", _READ, chosen), corrections)
    is_doubtful = pc.is_valid(clips["person_doubt"]).cast(pa.int64())
    sums = clips.append_column("doubtful", is_doubtful).group_by("person").aggregate(
        [("media_id", "count"), ("media_id", "count_distinct"), ("frames", "sum"), ("doubtful", "sum")]
    )  # fmt: skip
    stated = clips.filter(pc.invert(pc.starts_with(clips["speaker"], FILE_SPEAKER)))
    pairs = pc.binary_join_element_wise(stated["corpus"], stated["speaker"], "/")
    names = _values(pa.table({"person": stated["person"], "value": pairs}))
    corpora = _values(pa.table({"person": clips["person"], "value": clips["corpus"]}))
    splits = _values(pa.table({"person": clips["person"], "value": clips["split"]}))
    apart = {one.person for one in straddlers_of(clips)}
    rows = [
        PersonRow(
            person=row["person"],
            name=corrections.names.get(row["person"]),
            stated=names.get(row["person"], ()),
            clips=row["media_id_count"],
            files=row["media_id_count_distinct"],
            corpora=corpora.get(row["person"], ()),
            minutes=round(row["frames_sum"] / FPS / 60, 2),
            splits=splits.get(row["person"], ()),
            doubtful=row["doubtful_sum"],
            straddles=row["person"] in apart,
        )
        for row in sums.to_pylist()
    ]
    return sorted(rows, key=lambda row: (-row.minutes, row.person))


def list_doubts(ws: Workspace) -> list[dict[str, Any]]:
    """List clips of whose person there is a doubt, as rows of DOUBT_COLUMNS, by person.

    Raises: WorkspaceError - a table cannot be read.
    """
    corrections = read_corrections(ws)
    names, read = corrections.names, ["clip_id", "person", "person_cause", "person_doubt", "uri", "start_frame"]
    clips = tables.read_any(ws, "clips", read, pc.field("person_doubt").is_valid())
    rows = [row for row in with_standing_doubts(clips, corrections).to_pylist() if row["person_doubt"]]
    return [
        {
            "clip": row["clip_id"],
            "person": row["person"],
            "name": names.get(row["person"]),
            "cause": row["person_cause"],
            "doubt": row["person_doubt"],
            "uri": row["uri"],
            "start_s": round(row["start_frame"] / FPS, 2),
        }
        for row in sorted(rows, key=lambda row: (row["person"] or "", row["uri"], row["start_frame"]))
    ]


def find_person(ws: Workspace, text: str) -> str:
    """Return the id of the person that is meant: by id or its start, by a given name, or by a stated one.

    Raises: NotFoundError - nobody is, or several are; the text names them.
    """
    corrections = read_corrections(ws)
    rows = tables.read_any(ws, "clips", ["person", "speaker"], pc.field("person").is_valid())
    pairs = rows.group_by(["person", "speaker"]).aggregate([]).to_pylist()
    people = {row["person"] for row in pairs}
    if text in people:
        return text
    merged = corrections.person(text)
    if merged in people:
        return merged
    by_name = {person for person, name in corrections.names.items() if name == text and person in people}
    by_name |= {row["person"] for row in pairs if row["speaker"] == text}
    found = by_name or {one for one in people if one.startswith(text) and len(text) >= _LEAST_LETTERS}
    if len(found) == 1:
        return found.pop()
    if found:
        raise NotFoundError(f"{visible(text)!r} may be {', '.join(sorted(found)[:8])}: name one by its id")
    raise NotFoundError(_nobody(text, corrections, {str(row["speaker"]) for row in pairs} | people))


def _nobody(text: str, corrections: Corrections, names: Iterable[str]) -> str:
    near = get_close_matches(text, sorted({*names, *corrections.names.values()}), n=5, cutoff=0.5)
    hint = f"; did you mean {', '.join(map(visible, near))}?" if near else "; `heterodub speakers list` lists all"
    return f"nobody in the workspace is {visible(text)!r}{hint}"


def _values(rows: pa.Table) -> Mapping[str, tuple[str, ...]]:
    """Return the distinct values of each person, in order."""
    values: dict[str, list[str]] = {}
    for row in rows.group_by(["person", "value"]).aggregate([]).to_pylist():
        if row["value"] is not None:
            values.setdefault(row["person"], []).append(row["value"])
    return {person: tuple(sorted(found)) for person, found in values.items()}
