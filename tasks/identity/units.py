"""Units of the splits (stated speakers, people, files) and of statistics (people); people who are in several splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from .corrections import Corrections

_EXAMPLES: Final = 3

FILE_SPEAKER: Final = "file:"
"""How the speaker of a clip begins of whose file no speaker is stated."""


def units_of(clips: pa.Table) -> pa.Array:
    """Return what each clip is divided by: its stated speaker, else the person that it was found to be, else its file.

    Corrections do not change it: a clip that has a split stays there, whoever it turns out to be.
    """
    speaker = clips["speaker"].combine_chunks()
    stated = pc.invert(pc.starts_with(speaker, FILE_SPEAKER))
    return pc.if_else(stated, speaker, pc.coalesce(clips["person_found"].combine_chunks(), speaker))


def with_units(clips: pa.Table) -> pa.Table:
    """Return clips with their units for speakers."""
    return clips.set_column(clips.schema.get_field_index("speaker"), "speaker", units_of(clips))


def counted_as(clips: pa.Table) -> pa.Array:
    """Return the one whom each clip counts as wherever speakers are counted, drawn or balanced: its person, after
    corrections. A clip of no known person counts as the first, in order, of the people of its stated speaker or file
    among `clips`; without any, as that speaker or file.

    Splits go by `units_of` instead, which no correction changes. clips: columns speaker and person.
    """
    speaker, person = (clips[name].combine_chunks() for name in ("speaker", "person"))
    known = clips.select(["speaker", "person"]).filter(pc.is_valid(person))
    known = known.take(pc.sort_indices(known, [("speaker", "ascending"), ("person", "ascending")]))
    first = pc.index_in(speaker, known["speaker"].combine_chunks())  # a group_by would load pandas
    beside = known["person"].combine_chunks().take(first)
    return pc.coalesce(person, beside, speaker)


def with_people(clips: pa.Table) -> pa.Table:
    """Return clips with the one whom each counts as for speaker."""
    return with_columns(clips, {"speaker": counted_as(clips)})


def joined_groups(clips: pa.Table) -> dict[str, str]:
    """Return, of groups that share a person, the first one for each of the others. A person who was found to be one
    only after both splits were made has clips in two groups, which no fold may hold apart.

    clips: columns speaker, person and split_group.
    """
    groups: dict[str, set[str]] = {}
    grouped = with_people(clips.filter(pc.is_valid(clips["split_group"])))
    for someone, group in _distinct(grouped, "speaker", "split_group"):
        groups.setdefault(someone, set()).add(group)
    first: dict[str, str] = {}

    def root(group: str) -> str:
        while group in first:
            group = first[group]
        return group

    for shared in groups.values():
        joined, *others = sorted({root(group) for group in shared})
        first |= dict.fromkeys(others, joined)
    return {group: root(group) for group in first}


def with_columns(clips: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return clips with other values in some columns."""
    for name, column in columns.items():
        clips = clips.set_column(clips.schema.get_field_index(name), name, column)
    return clips


def joins_of(clips: pa.Table, corrections: Corrections) -> set[tuple[str, str]]:
    """Return pairs of a unit and a person of it that is not the unit itself; of clips of which no person is known, with
    each person of their file. Only of files and people who have clips without a split or group, or whom a correction is
    about: all others are joined already.

    clips: with units for speakers.
    """
    is_open = pc.or_(pc.is_null(clips["split"]), pc.is_null(clips["split_group"]))
    about = pc.unique(clips["person"].filter(is_open)).drop_null().to_pylist()
    people = pa.array(sorted({*about, *corrections.people()}), pa.string())
    theirs = pc.and_(pc.is_in(clips["person"], people), pc.not_equal(clips["speaker"], clips["person"]))
    pairs = _distinct(clips.filter(pc.fill_null(theirs, False)), "speaker", "person")
    open_files = pc.is_in(clips["media_id"], pc.unique(clips["media_id"].filter(is_open)))
    nobody = clips.filter(pc.and_(open_files, pc.is_null(clips["person"])))
    files = pc.unique(nobody["media_id"].combine_chunks())
    beside = clips.filter(pc.and_(pc.is_valid(clips["person"]), pc.is_in(clips["media_id"], files)))
    of_file = _distinct(beside, "media_id", "person")
    units = dict(_distinct(nobody, "media_id", "speaker"))
    return {*pairs, *((units[media], person) for media, person in of_file)}


def _distinct(rows: pa.Table, first: str, second: str) -> list[tuple[str, str]]:
    unique = rows.select([first, second]).group_by([first, second]).aggregate([])
    return list(zip(unique[first].to_pylist(), unique[second].to_pylist(), strict=True))


@dataclass(frozen=True, slots=True)
class Straddler:
    """A person who has clips in several splits, in the order train, val, test."""

    person: str
    splits: tuple[str, ...]


def straddlers_of(clips: pa.Table) -> tuple[Straddler, ...]:
    """Return the people who are in several splits, by id. clips: columns person and split."""
    rows = clips.filter(pc.and_(pc.is_valid(clips["person"]), pc.is_valid(clips["split"])))
    pairs = rows.select(["person", "split"]).group_by(["person", "split"]).aggregate([])
    counts = pairs.group_by("person").aggregate([("split", "count")])
    several = counts["person"].filter(pc.greater(counts["split_count"], 1)).combine_chunks()
    found: dict[str, set[str]] = {}
    for row in pairs.filter(pc.is_in(pairs["person"], several)).to_pylist():
        found.setdefault(row["person"], set()).add(row["split"])
    order = ("train", "val", "test")
    return tuple(Straddler(person, tuple(sorted(splits, key=order.index))) for person, splits in sorted(found.items()))


def straddlers_noted(clips: pa.Table) -> tuple[str, ...]:
    """Return a note for readers of a release on people in several splits; none where there are none."""
    people = straddlers_of(clips)
    if not people:
        return ()
    examples = ", ".join(one.person for one in people[:_EXAMPLES]) + (", ..." if len(people) > _EXAMPLES else "")
    who = "1 person is" if len(people) == 1 else f"{len(people)} people are"
    return (f"{who} in several splits, and left out of scores: {examples}",)
