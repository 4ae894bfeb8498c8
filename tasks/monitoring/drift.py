"""Drift of new clips against the last release: measured, stored for the trend, and reported as a warning."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.quality.drift import COLUMNS, CorpusDrift, corpus_drift, facts_of
from heterodub.tasks.releases import releases
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.workspace import Workspace

from .run_log import Counts, current_run

_LOG: Final = logging.getLogger(__name__)

STEP: Final = "drift"
"""Step of an ingest whose rows in `metrics` hold each corpus's spreads and distances."""


def find_drift(workspace: Workspace, settings: Settings) -> tuple[CorpusDrift, ...]:
    """Compare new clips with the last release, corpus by corpus; warn where the limit is passed.

    Raises: WorkspaceError - a table cannot be read.
    """
    drifts = tuple(
        corpus_drift(new.corpus, new.now, new.before, new.against, settings.drift.of(new.corpus))
        for new in arrivals(workspace, COLUMNS)
    )
    run = current_run()
    for drift in drifts:
        if run is not None:
            run.about(STEP, drift.corpus, Counts(clips=drift.clips, facts=facts_of(drift)))
        if warning := drift.warning():
            _LOG.warning("%s", warning)
    return drifts


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
        released_ids = tables.read(ws, "clips", ["clip_id"], last.clips_version)["clip_id"].combine_chunks()
        ids = ids.filter(pc.invert(pc.is_in(ids, value_set=released_ids)))
    if not len(ids):
        return
    rows = tables.read(ws, "clips", list(columns))
    fresh = rows.filter(pc.is_in(rows["clip_id"], value_set=ids.combine_chunks()))
    for corpus in sorted(pc.unique(fresh["corpus"]).to_pylist()):
        now = fresh.filter(pc.equal(fresh["corpus"], corpus))
        if last is None:
            yield Arrivals(corpus, now, None, None)
            continue
        released = tables.read(ws, "clips", list(columns), last.clips_version, pc.field("corpus") == corpus)
        if released.num_rows:
            yield Arrivals(corpus, now, released, "corpus")
        else:
            yield Arrivals(corpus, now, tables.read(ws, "clips", list(columns), last.clips_version), "release")
