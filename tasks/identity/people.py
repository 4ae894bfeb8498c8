"""People of clips: who a new clip shows, by stated names, copies and faces, beside all who were found before.

Only new clips, and clips that are now stated to be another speaker's, are given a person. All others keep theirs, or
that they have none: a new clip joins a person or founds one, and never joins two. The constraints come before every
likeness: a stated name says who it is, and within a corpus two names are two people; faces on screen together are two
people.

A person's id is a hash of the clip that founded it, so it says nothing and never changes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.arrays import Flags
from heterodub.schemas.display import counted
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .corrections import Corrections, read_corrections
from .doubts import doubts_of, with_standing_doubts
from .evidence import Sums, sums_of
from .linkage import Constraints, Ints, Linkage, link
from .scene import Scene, constraints_of, join_people, scene_of, start_of, stated_of_new
from .units import FILE_SPEAKER, with_columns

FACE_LIMIT: Final = 0.45
"""Root mean squared distance of descriptors up to which faces are one person's. docs/identity.md gives the figures."""

COLUMNS: Final = ("person", "person_found", "person_cause", "person_doubt")
READ: Final = ["clip_id", "media_id", "corpus", "speaker", "shot", "track", "start_frame", "frames", *COLUMNS]
"""Columns of clips that this reads, beside split and split_group."""

_OFF: Final = (
    "the setting `embeddings` of [identity] is off: new clips are of no person, and divided by stated speaker and file"
)


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """COLUMNS of all clips, as they should be; which of the clips are new; notes for readers of the release."""

    columns: Mapping[str, pa.Array]
    corrections: Corrections
    notes: tuple[str, ...]


def find_people(ws: Workspace, clips: pa.Table, copy_of: pa.Array, is_on: bool = True) -> FoundPeople:
    """Give each new clip a person. copy_of: the first clip of the copies that each clip is one of, null for the first.
    is_on: False reads no embedding, and gives none to new clips; those of another name now are nobody's.

    clips: columns READ, split and split_group. Of a line that stands by, people of the tables in use are known, too.

    Raises: WorkspaceError - a table cannot be read.
    """
    corrections = read_corrections(ws)
    columns = {name: clips[name].combine_chunks() for name in COLUMNS}
    is_new = _new_clips(clips).combine_chunks()
    if not is_on:
        nothing = pa.scalar(None, pa.string())
        columns = {name: pc.if_else(is_new, nothing, column) for name, column in columns.items()}
    elif pc.any(is_new).as_py():
        names = pc.coalesce(copy_of, clips["clip_id"].combine_chunks())
        new = clips.append_column("recording", names).filter(is_new).combine_chunks()
        old = clips.append_column("recording", names).filter(pc.invert(is_new))
        found = _found(ws, new, _known(ws, old, corrections), corrections)
        at = pc.index_in(clips["clip_id"].combine_chunks(), new["clip_id"].combine_chunks())
        for name in COLUMNS[1:]:
            columns[name] = pc.if_else(is_new, found[name].take(at), columns[name])
    columns["person"] = corrections.apply(clips["clip_id"].combine_chunks(), columns["person_found"])
    return FoundPeople(columns, corrections, tuple(_notes(ws, clips, columns, is_on)))


def _new_clips(clips: pa.Table) -> pa.ChunkedArray:
    """Return True for clips that are to be given a person. Who was divided as nobody's stays so: as a person's, a clip
    could be in another split than that person, and one of the two would have to move.
    """
    undivided, ungrouped = pc.is_null(clips["split"]), pc.is_null(clips["split_group"])
    stated = pc.invert(pc.starts_with(clips["speaker"], FILE_SPEAKER))
    nobody = pc.and_(pc.is_null(clips["person_found"]), pc.or_(stated, pc.or_(undivided, ungrouped)))
    return pc.or_(nobody, pc.and_(pc.invert(undivided), ungrouped))


def _known(ws: Workspace, rows: pa.Table, corrections: Corrections) -> pa.Table:
    """Return rows of clips that have a person, as it was before merges: the faces of people who were merged by hand may
    be far from each other. Of a line that stands by, those of the tables in use, too.
    """
    rows = rows.append_column("in_use", _all(rows, False))
    if ws.line:
        in_use = tables.read(ws.of_line(""), "clips", READ)
        in_use = in_use.append_column("recording", in_use["clip_id"]).append_column("in_use", _all(in_use, True))
        rows = pa.concat_tables([rows.select(in_use.column_names), in_use])
    ids, found = (rows[name].combine_chunks() for name in ("clip_id", "person_found"))
    rows = with_columns(rows, {"person": replace(corrections, merged={}).apply(ids, found)})
    return rows.filter(pc.is_valid(rows["person"])).combine_chunks()


def _all(rows: pa.Table, value: bool) -> pa.Array:
    return pa.repeat(value, len(rows))


def _found(ws: Workspace, new: pa.Table, known: pa.Table, corrections: Corrections) -> dict[str, pa.Array]:
    """Return COLUMNS but the first of new clips."""
    people = pc.unique(known["person"].combine_chunks())
    scene = scene_of(new, known, people)
    sources = (ws.of_line(""), ws) if ws.line else (ws,)
    ids = pa.concat_arrays([new["clip_id"].combine_chunks(), known["clip_id"].combine_chunks()])
    sums = join_people(scene, sums_of(sources, ids, scene.node, scene.nodes))
    is_stated = stated_of_new(scene, sums)
    start, is_copy = start_of(scene, sums)
    joined = sums.faces.joined(start)
    constraints = constraints_of(scene, start)
    linkage = link(joined, scene.known, constraints, FACE_LIMIT)
    columns = _columns(new, people, scene, sums, start, linkage, is_stated, is_copy, corrections)
    return _as_in_use(columns, known, scene, corrections)


def _as_in_use(
    columns: dict[str, pa.Array], known: pa.Table, scene: Scene, corrections: Corrections
) -> dict[str, pa.Array]:
    """Return columns with those of clips in use for new clips that are the same."""
    is_same = scene.same_as >= 0
    if not is_same.any():
        return columns
    in_use = with_standing_doubts(known, corrections)
    at = pa.array(scene.same_as - scene.new, mask=~is_same)
    own = dict(zip(COLUMNS[1:], ("person", "person_cause", "person_doubt"), strict=True))
    return {
        name: pc.if_else(pa.array(is_same), in_use[column].combine_chunks().take(at), columns[name])
        for name, column in own.items()
    }


def _columns(
    new: pa.Table,
    people: pa.Array,
    scene: Scene,
    sums: Sums,
    start: Ints,
    linkage: Linkage,
    is_stated: Flags,
    is_copy: Flags,
    corrections: Corrections,
) -> dict[str, pa.Array]:
    own = scene.node[: scene.new]
    root = linkage.root[start]
    seen = sums.faces.joined(root).count > 0
    named = np.zeros(scene.nodes, bool)
    named[root[own[is_stated]]] = True
    is_known = np.arange(scene.nodes) < scene.known
    is_person = (seen | named | is_known)[root]
    clip_ids = new["clip_id"].to_pylist()
    by_file = _only_one_of_file(scene, root, is_person)
    final = np.where(is_person[own], root[own], by_file)
    ids = _names(people.to_pylist(), clip_ids, new["person_found"].to_pylist(), final)
    cause = np.where(is_stated, "stated", np.where(
        sums.faces.count[own] > 0, "face", np.where(is_copy[own] & is_person[own], "copy", "file")
    ))  # fmt: skip
    causes = [str(one) if node >= 0 else None for one, node in zip(cause, final, strict=True)]
    doubts = doubts_of(sums, own, final, root, linkage, is_stated, ids, people.to_pylist(), corrections)
    columns = {"person_found": ids, "person_cause": causes, "person_doubt": doubts}
    return {name: pa.array(values, pa.string()) for name, values in columns.items()}


def _only_one_of_file(scene: Scene, root: Ints, is_person: Flags) -> Ints:
    """Return for each new clip the one person of its file; -1 where there are several, or none."""
    near = is_person[scene.node]
    pairs = np.unique(np.column_stack([scene.media, root[scene.node]])[near], axis=0)
    media, first, count = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    place = np.minimum(np.searchsorted(media, scene.media[: scene.new]), max(len(media) - 1, 0))
    if not len(media):
        return np.full(scene.new, -1, np.int64)
    only = (media[place] == scene.media[: scene.new]) & (count[place] == 1)
    person = pairs[first[place], 1]
    left, right = (root[side] for side in scene.apart)
    beside = Constraints(left, right, *(np.empty(0, np.int64),) * 3)
    only &= ~beside.forbid(np.arange(scene.nodes), root[scene.node[: scene.new]], person)
    return np.where(only, person, -1)


def _names(
    people: Sequence[str], clip_ids: Sequence[str], before: Sequence[str | None], final: Ints
) -> list[str | None]:
    """Return the person of each clip. before: of clips with a new name, the person that they were: where all clips of
    that person have one, it keeps its id.
    """
    members: dict[int, list[int]] = {}
    for place, node in enumerate(final.tolist()):
        if node >= len(people):
            members.setdefault(node, []).append(place)
    names = dict(enumerate(people))
    used = {*people, *(one for one in before if one)}
    kept = set(people)
    for node, places in sorted(members.items(), key=lambda one: (-len(one[1]), one[0])):
        former = sorted({str(before[place]) for place in places if before[place]} - kept)
        names[node] = former[0] if former else _new_name(min(clip_ids[place] for place in places), used)
        kept.add(names[node])
        used.add(names[node])
    return [names.get(node) for node in final.tolist()]


def _new_name(clip_id: str, used: set[str]) -> str:
    name = clip_id
    while True:
        name = hashlib.sha256(name.encode()).hexdigest()
        if (person := f"p{name[:11]}") not in used:
            return person


def _notes(ws: Workspace, clips: pa.Table, columns: Mapping[str, pa.Array], is_on: bool) -> list[str]:
    if not clips.num_rows:
        return []
    if not is_on:
        return [_OFF]
    stated = pc.invert(pc.starts_with(clips["speaker"], FILE_SPEAKER))
    unknown = pc.sum(pc.and_(pc.invert(stated), pc.is_null(columns["person"]))).as_py()
    if not tables.size(ws, "embeddings").rows:
        return ["no faces are measured: people are those that are stated, and files of nobody are divided one by one"]
    return [f"{counted(unknown, 'clip')} of no known person: no face was measured"] if unknown else []
