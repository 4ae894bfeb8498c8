"""New clips beside those that are known, as numbers; what is certain about them before any face is compared.

The first nodes are known people, those after them the face tracks of new clips. A stated name, a copy of a recording
and two faces on screen at once say which nodes are one person, and which are two.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heterodub.model.features.arrays import Flags

from .evidence import Sums, codes, first_of, overlaps, pairs_of, together
from .linkage import Constraints, Ints
from .units import FILE_SPEAKER

FACE_FAR: Final = 0.65
"""Distance above which two faces are different people's for sure, so that a name stated of a file is not of both."""


@dataclass(slots=True)
class Scene:
    """New clips and known ones as numbers: of people and tracks (nodes; the first `known` are people), files, names.

    Rows of new clips come first. stated: number of corpus and speaker, -1 where none is stated, or not of this face.
    same_place: rows of new clips and of such in use, in another line, that may be the same frames of the same face;
    True where it can be no other.
    same_as (new,): the row in use that each new clip is the same as, -1 for none.
    """

    new: int
    known: int
    node: Ints
    nodes: int
    media: Ints
    frames: Ints
    recording: Ints
    corpus: Ints
    stated: Ints
    apart: tuple[Ints, Ints]
    same_place: tuple[Ints, Ints, Flags]
    same_as: Ints


def scene_of(new: pa.Table, known: pa.Table, people: pa.Array) -> Scene:
    """Number new clips and known ones. people: ids of the known people, in the order of their nodes. known: with
    `in_use`, True for clips of another line than the new ones. What is together on screen is so within one line.
    """

    def both(name: str) -> Ints:
        return codes(pa.concat_arrays([new[name].combine_chunks(), known[name].combine_chunks()]))[0]

    def numbers(name: str) -> Ints:
        return np.concatenate([side[name].to_numpy() for side in (new, known)]).astype(np.int64)

    media, corpus = both("media_id"), both("corpus")
    person = pc.index_in(known["person"].combine_chunks(), people).to_numpy(zero_copy_only=False).astype(np.int64)
    places = np.column_stack([media, numbers("shot"), numbers("track")])
    track = np.unique(places[: len(new)], axis=0, return_inverse=True)[1].reshape(-1) if len(new) else media[:0]
    node = np.concatenate([len(people) + track, person])
    nodes = len(people) + (int(track.max()) + 1 if len(track) else 0)
    speaker = pa.concat_arrays([new["speaker"].combine_chunks(), known["speaker"].combine_chunks()])
    names = both("speaker")
    keys = np.unique(np.column_stack([corpus, names]), axis=0, return_inverse=True)[1].reshape(-1)
    is_stated = ~pc.starts_with(speaker, FILE_SPEAKER).to_numpy(zero_copy_only=False)
    is_stated[len(new) :] &= pc.fill_null(pc.equal(known["person_cause"], "stated"), False).to_numpy()
    near = np.isin(media, media[: len(new)])
    frames, begin = numbers("frames"), numbers("start_frame")
    line = np.concatenate([np.zeros(len(new), np.int64), known["in_use"].to_numpy().astype(np.int64)])
    apart = together((2 * media + line)[near], begin[near], frames[near], node[near])
    same_place = (node[:0], node[:0], np.zeros(0, bool))
    if line.any():
        ends = np.sort(np.flatnonzero(near)[np.array(overlaps(media[near], begin[near], frames[near]))], axis=0)
        beside = (ends[0] < len(new)) & (line[ends[1]] == 1) & (keys[ends[0]] == keys[ends[1]])
        same_place = _same_places(ends[:, beside], begin, frames, node, places)
    stated, recording = np.where(is_stated, keys, -1), both("recording")
    nothing = np.full(len(new), -1, np.int64)
    return Scene(
        len(new), len(people), node, nodes, media, frames, recording, corpus, stated, apart, same_place, nothing
    )


def _same_places(pairs: Ints, begin: Ints, frames: Ints, node: Ints, places: Ints) -> tuple[Ints, Ints, Flags]:
    """Return of rows that overlap, (2, P), those of the same track; of clips without one those that nobody else
    overlaps, since another extractor may number tracks otherwise. Of several of a new clip the one that it is longest
    beside. The flags say that nobody else does.
    """
    new, old = pairs
    is_track = (places[new] == places[old]).all(axis=1)
    alone = (_others(new, node[old]) == 1) & (_others(old, node[new]) == 1)
    chosen = is_track | (alone & ~np.isin(new, new[is_track]))
    new, old, alone = new[chosen], old[chosen], alone[chosen]
    shared = np.minimum(begin[new] + frames[new], begin[old] + frames[old]) - np.maximum(begin[new], begin[old])
    order = np.lexsort((old, -shared, new))
    first = order[np.flatnonzero(np.diff(new[order], prepend=-1))]
    return new[first], old[first], alone[first]


def _others(row: Ints, node: Ints) -> Ints:
    """Return for each pair how many nodes the pairs of its row have."""
    rows, place = np.unique(row, return_inverse=True)
    distinct = np.unique(np.column_stack([place, node]), axis=0)
    return np.asarray(np.bincount(distinct[:, 0], minlength=len(rows))[place])


def join_people(scene: Scene, sums: Sums) -> Sums:
    """Make the tracks of new clips that are the same as clips in use part of their people, unless others are on screen
    and the faces speak against it; return the sums of the nodes after that. Clips of one track whose people differ,
    after a correction, are resolved one by one (`same_as`).
    """
    new, old, alone = scene.same_place
    if not len(new):
        return sums
    same = alone | _may_be_one(scene, sums, scene.node[new], scene.node[old])
    new, old = new[same], old[same]
    scene.same_as[new] = old
    scene.stated[new] = scene.stated[old]
    pairs = np.unique(np.column_stack([scene.node[new], scene.node[old]]), axis=0)
    track, first, count = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    part = np.arange(scene.nodes)
    part[track[count == 1]] = pairs[first[count == 1], 1]
    scene.node = part[scene.node]
    scene.apart = pairs_of(part[scene.apart[0]], part[scene.apart[1]])
    return sums.joined(part)


def stated_of_new(scene: Scene, sums: Sums) -> Flags:
    """Take the stated name from new clips that it does not mean; return True for those that it does.

    A file's name means the face that is longest seen, and others of the file that may be the same one.
    """
    rows = np.flatnonzero(scene.stated[: scene.new] >= 0)
    if not len(rows):
        return np.zeros(scene.new, bool)
    tracks, track_of = np.unique(scene.node[rows], return_inverse=True)
    shown = np.bincount(track_of, scene.frames[rows])
    media = np.zeros(len(tracks), np.int64)
    media[track_of] = scene.media[rows]
    order = np.lexsort((tracks, -shown, media))
    firsts = order[np.flatnonzero(np.diff(media[order], prepend=-1))]
    first = tracks[firsts[np.searchsorted(media[firsts], media)]]
    before = np.flatnonzero(scene.stated[scene.new :] >= 0) + scene.new  # clips of such a file that came earlier
    if len(before):
        known, place = np.unique(scene.media[before], return_index=True)
        at = np.minimum(np.searchsorted(known, media), len(known) - 1)
        first = np.where(known[at] == media, scene.node[before[place[at]]], first)
    meant = _may_be_one(scene, sums, tracks, first)
    scene.stated[rows] = np.where(meant[track_of], scene.stated[rows], -1)
    return np.asarray(scene.stated[: scene.new] >= 0)


def _may_be_one(scene: Scene, sums: Sums, left: Ints, right: Ints) -> Flags:
    """Return True for pairs of nodes that are not on screen together, and whose faces are not far from each other."""
    beside = Constraints(*scene.apart, *(np.empty(0, np.int64),) * 3)
    may = ~beside.forbid(np.arange(scene.nodes), left, right)
    count = sums.faces.count
    seen = (count[left] > 0) & (count[right] > 0) & (left != right)
    may[seen] &= sums.faces.distance(left[seen], right[seen]) < FACE_FAR
    return np.asarray(may)


def start_of(scene: Scene, sums: Sums) -> tuple[Ints, Flags]:
    """Return the node that each node starts as part of, by stated names and copies; True for nodes that a copy joined.

    A node that would be part of two known people is part of the one that its name tells, else of the nearest.
    """
    stated = _edges(scene.node, scene.stated)
    copies = _edges(scene.node, scene.recording)
    copies = copies[_may_be_one(scene, sums, copies[:, 0], copies[:, 1])]
    copies = copies[~Constraints(*(np.empty(0, np.int64),) * 2, *_stated_by(scene)).forbid(
        np.arange(scene.nodes), copies[:, 0], copies[:, 1]
    )]  # fmt: skip
    edges = np.concatenate([stated, copies])
    by_name = np.arange(len(edges)) < len(stated)
    is_open = (edges >= scene.known).all(axis=1)
    part = _components(edges[is_open], scene.nodes)
    start = part.copy()
    low, high = edges.min(axis=1), edges.max(axis=1)
    to_known = (low < scene.known) & (high >= scene.known)
    person, whose, named = low[to_known], part[high[to_known]], by_name[to_known]
    near = np.full(len(person), np.inf)
    joined = sums.faces.joined(part)
    seen = (joined.count[person] > 0) & (joined.count[whose] > 0)
    near[seen] = joined.distance(person[seen], whose[seen])
    order = np.lexsort((person, near, ~named, whose))
    best = order[np.flatnonzero(np.diff(whose[order], prepend=-1))]
    start[whose[best]] = person[best]
    is_copy = np.zeros(scene.nodes, bool)
    is_copy[copies.ravel()] = True
    return start[part], is_copy


def _edges(node: Ints, key: Ints) -> Ints:
    """Return pairs of nodes of rows that share a key of 0 or more: each new one with each known, and in a chain."""
    pairs = np.unique(np.column_stack([key, node])[key >= 0], axis=0)
    if not len(pairs):
        return np.empty((0, 2), np.int64)
    first = pairs[first_of(pairs[:, 0]), 1]
    beside = np.flatnonzero(pairs[1:, 0] == pairs[:-1, 0])
    chain = np.column_stack([pairs[beside, 1], pairs[beside + 1, 1]])
    star = np.column_stack([first, pairs[:, 1]])
    return np.asarray(np.unique(np.concatenate([chain, star[star[:, 0] != star[:, 1]]]), axis=0))


def _components(edges: Ints, nodes: int) -> Ints:
    """Return the smallest node of the component of each."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (nodes, nodes))
    return first_of(connected_components(graph, directed=False)[1].astype(np.int64))


def _stated_by(scene: Scene) -> tuple[Ints, Ints, Ints]:
    rows = np.unique(np.column_stack([scene.node, scene.corpus, scene.stated])[scene.stated >= 0], axis=0)
    return rows[:, 0], rows[:, 1], rows[:, 2]


def constraints_of(scene: Scene, start: Ints) -> Constraints:
    """Return which nodes are different people, once each is part of the node that it starts as."""
    left, right = (start[side] for side in scene.apart)
    differ = left != right  # else people say that two faces on screen together are one: their word stands
    node, corpus, name = _stated_by(scene)
    return Constraints(left[differ], right[differ], start[node], corpus, name)
