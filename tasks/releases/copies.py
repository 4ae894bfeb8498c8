"""Copies of some footage among all clips: those of published ones are known, only what is new is compared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.tasks.stores.scan import pieces, read_where
from heterodub.tasks.stores.standby import standing_by
from heterodub.tasks.stores.where import among, is_null
from heterodub.tasks.stores.workspace import Workspace

from .fingerprints import COLUMNS, Fingerprints
from .near_duplicates import BLOCK, CopySearch

_IDS: Final = ("clip_id", "media_id")


def copies_of(ws: Workspace, media: frozenset[str]) -> frozenset[str]:
    """Contents of which a clip is a copy of one of these contents' clips, or of a copy of one.

    Clips that were published are in clusters. Others have not been compared yet: with them, in turn, all that is
    reached is compared; the fingerprints of all clips are read only if one of them is a copy.

    Copies that stand by in another line are among them.

    Raises: WorkspaceError - the table cannot be read.
    """
    if not media:
        return frozenset()
    beside = standing_by(ws)
    copies = _copies_in_use(ws, media, beside)
    return copies.union(*(_copies_beside(line, media | copies) for line in beside))


def _copies_beside(line: Workspace, media: frozenset[str]) -> frozenset[str]:
    """Return copies that a line which stands by holds, of the line in use or of its own clips."""
    own, reached = among("media_id", media), set(media)
    rows = [read_where(tables, "clips", COLUMNS, own) for tables in (line.of_line(""), line)]
    while rows:
        found = among("clip_id", _matching(pa.concat_tables(rows), partial(pieces, line, "clips", COLUMNS)))
        its_media = read_where(line, "clips", ["media_id"], found)["media_id"].to_pylist()
        fresh = {*its_media} - reached
        reached |= fresh
        rows = [read_where(line, "clips", COLUMNS, among("media_id", fresh))] if fresh else []
    return frozenset(reached - media)


def _like_those_beside(ws: Workspace, media: frozenset[str], beside: Sequence[Workspace]) -> set[str]:
    """Return clips in use that are copies of clips of contents that only lines which stand by hold."""
    of_them = [read_where(line, "clips", COLUMNS, among("media_id", media)) for line in beside if media]
    rows = pa.concat_tables(of_them) if of_them else None
    return _matching(rows, partial(pieces, ws, "clips", COLUMNS)) if rows is not None and rows.num_rows else set()


def _copies_in_use(ws: Workspace, media: frozenset[str], beside: Sequence[Workspace]) -> frozenset[str]:
    own = read_where(ws, "clips", _IDS, among("media_id", media))
    like = _like_those_beside(ws, media.difference(own["media_id"].to_pylist()), beside)
    reached = _with_clusters(ws, pa.concat_tables([own, read_where(ws, "clips", _IDS, among("clip_id", like))]))
    fresh = read_where(ws, "clips", COLUMNS, is_null("split"))
    found = reached if fresh.num_rows else {}
    while found:
        has_fresh = not found.keys().isdisjoint(fresh["clip_id"].to_pylist())
        others = partial(pieces, ws, "clips", COLUMNS) if has_fresh else lambda: iter([fresh])
        rows = read_where(ws, "clips", COLUMNS, among("clip_id", found))
        copies = _matching(rows, partial(_without, others, frozenset(reached)))
        found = _with_clusters(ws, read_where(ws, "clips", _IDS, among("clip_id", copies))) if copies else {}
        found = {clip: its for clip, its in found.items() if clip not in reached}
        reached |= found
    return frozenset(reached.values()) - media


def _with_clusters(ws: Workspace, clips: pa.Table) -> dict[str, str]:
    """Return clips and all that are in one of their clusters: the media of each, by clip_id."""
    ids = clips["clip_id"].to_pylist()
    first = read_where(ws, "clips", ["near_copy_of"], among("clip_id", ids))["near_copy_of"].drop_null().to_pylist()
    names = {*ids, *first}
    joined = read_where(ws, "clips", _IDS, among("clip_id", names) | among("near_copy_of", names))
    return dict(zip(joined["clip_id"].to_pylist(), joined["media_id"].to_pylist(), strict=True))


def _without(rows: Callable[[], Iterator[pa.Table]], clips: Iterable[str]) -> Iterator[pa.Table]:
    known = pa.array(sorted(clips), pa.string())
    for piece in rows():
        yield piece.filter(pc.invert(pc.is_in(piece["clip_id"], known)))


def _matching(rows: pa.Table, others: Callable[[], Iterator[pa.Table]]) -> set[str]:
    """Return those of the others that are copies of one of these clips."""
    matching: set[str] = set()
    for start in range(0, rows.num_rows, BLOCK):
        search = CopySearch(Fingerprints.of(rows.slice(start, BLOCK).combine_chunks()))
        search.against_rows(others())
        found = search.found.joined()
        matching.update(found.loc[found["copy"], "other"])
    return matching
