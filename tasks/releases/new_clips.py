"""New clips since the last release, by corpus, beside the clips of that release."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tasks.stores import tables
from tasks.stores.workspace import Workspace

from . import releases


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """New clips of one corpus, and those to compare with: its own clips in the last release, else all of it."""

    corpus: str
    now: pa.Table
    before: pa.Table | None
    against: Literal["corpus", "release"] | None


def arrivals(ws: Workspace, columns: Sequence[str]) -> Iterator[Arrivals]:
    """Yield one for each corpus with clips that the last release does not hold; `columns` has clip_id and corpus.

    Nothing but ids is read where nothing came in.

    Raises: WorkspaceError - a table cannot be read. NotFoundError - the last release was erased by a takedown.
    """
    last = releases.latest(ws)
    ids = tables.read_any(ws, "clips", ["clip_id"])["clip_id"]
    if last is not None:
        known = tables.read(ws, "clips", ["clip_id"], last.clips_version)["clip_id"].combine_chunks()
        ids = ids.filter(pc.invert(pc.is_in(ids, value_set=known)))
    if not len(ids):
        return
    rows = tables.read(ws, "clips", list(columns))
    fresh = rows.filter(pc.is_in(rows["clip_id"], value_set=ids.combine_chunks()))
    for corpus in sorted(pc.unique(fresh["corpus"]).to_pylist()):
        now = fresh.filter(pc.equal(fresh["corpus"], corpus))
        if last is None:
            yield Arrivals(corpus, now, None, None)
            continue
        own = tables.read(ws, "clips", list(columns), last.clips_version, pc.field("corpus") == corpus)
        if own.num_rows:
            yield Arrivals(corpus, now, own, "corpus")
        else:
            yield Arrivals(corpus, now, tables.read(ws, "clips", list(columns), last.clips_version), "release")
